"""What a target looks like, by Dagster's standard metadata keys: schema, name, and where each column is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from energy_platform.defs.names import legacy_key
from energy_platform.domain.contracts import Column, Contract
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.registers import REGISTER
from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate, SourceSpec

#: The contract of each asset that has columns.
TARGET_CONTRACTS: Mapping[str, Contract] = {
    **{f"timeseries/{name}": contract for name, contract in MEASUREMENTS.items()},
    **{f"postgres/{name}": contract for name, contract in TABLES.items()},
}


def definition_metadata(estate: Estate, asset: str, sources: Sequence[SourceSpec]) -> dict[str, Any]:
    """The metadata of an asset that is known before any load."""
    contract = TARGET_CONTRACTS.get(asset)
    if contract is None:
        return {"estate": estate.code}
    schema = "timeseries" if asset.startswith("timeseries/") else "energy"
    metadata: dict[str, Any] = {
        "estate": estate.code,
        "dagster/table_name": f"{schema}.{contract.name}",
        "dagster/column_schema": column_schema(contract, extra_fields(sources)),
    }
    lineage = column_lineage(contract, sources)
    if lineage is not None:
        metadata["dagster/column_lineage"] = lineage
    return metadata


def extra_fields(sources: Sequence[SourceSpec]) -> list[str]:
    """Fields that the estate adds to a measurement, by name."""
    return sorted({field for source in sources for field in (*source.extra, *source.fixed_fields)})


def column_schema(contract: Contract, extra: Sequence[str] = ()) -> dg.TableSchema:
    """The columns of a contract, with types, units and descriptions."""
    columns = [_table_column(contract, column) for column in contract.columns]
    known = set(contract.column_names)
    columns += [
        dg.TableColumn(name, "float", description="A further field, which the estate names.")
        for name in extra
        if name not in known
    ]
    return dg.TableSchema(columns=columns)


def column_lineage(contract: Contract, sources: Sequence[SourceSpec]) -> dg.TableColumnLineage | None:
    """Which column of which source each column comes from; None where none is taken over as it is."""
    origins: dict[str, list[dg.TableColumnDep]] = {}
    for source in sources:
        if source.target != contract.name:
            continue
        taken = {name: role.column for name, role in source.roles.items()} | dict(source.extra)
        if source.register is not None:
            # mean power is what the register has gained
            taken["power_kw"] = taken[REGISTER.name]
        for name, column in taken.items():
            if column:
                origin = dg.TableColumnDep(asset_key=legacy_key(source.name), column_name=column)
                origins.setdefault(name, []).append(origin)
        for column in source.values:
            origin = dg.TableColumnDep(asset_key=legacy_key(source.name), column_name=column)
            origins.setdefault("value", []).append(origin)
    return dg.TableColumnLineage(origins) if origins else None


def _table_column(contract: Contract, column: Column) -> dg.TableColumn:
    tags = {}
    if column.name in contract.key:
        tags["key"] = ""
    if column.personal:
        tags["personal"] = ""
    return dg.TableColumn(
        column.name,
        column.type,
        description=f"{column.description} [{column.unit}]" if column.unit else column.description,
        constraints=dg.TableColumnConstraints(nullable=not (column.required or column.name in contract.key)),
        tags=tags,
    )
