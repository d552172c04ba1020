"""What the registers say: which codes there are, and the interval, unit and limits of each sensor."""

from __future__ import annotations

import polars as pl

from energy_platform.domain.contracts import Contract, OwnLimits
from energy_platform.domain.quality.series import REGISTER_SCHEMA, SERIES, empty_register
from energy_platform.domain.quantities import QUANTITIES
from energy_platform.domain.tables import TABLES
from energy_platform.quality.subject import Subject
from energy_platform.stores.postgres.rows import read_rows

#: Between the tenant and the code of a reference; no code holds it.
SEPARATOR = "\x1f"


def known_codes(subject: Subject, contract: Contract) -> dict[str, set[str]]:
    """By table that the contract refers to, the codes that it holds, each behind its tenant and `SEPARATOR`."""
    codes: dict[str, set[str]] = {}
    with subject.postgres.connection() as connection:
        for reference in contract.references:
            table = TABLES[reference.table]
            rows = read_rows(connection, table, subject.tenants)
            codes[reference.table] = set(rows.select(pl.concat_str(table.key, separator=SEPARATOR)).to_series())
    return codes


def device_register(subject: Subject, contract: Contract) -> pl.DataFrame:
    """The register of the devices of a measurement, of `series.REGISTER_SCHEMA`; empty where it has none."""
    if contract.own_limits is None:
        return empty_register()
    with subject.postgres.connection() as connection:
        rows = read_rows(connection, TABLES[contract.own_limits.table], subject.tenants)
    minimum, maximum = _limits_that_count(contract.own_limits)
    register = rows.select(
        "tenant_id",
        pl.col("building_id").fill_null(""),
        pl.col(contract.own_limits.by).alias("device"),
        pl.col("sensor_type").fill_null("").alias("quantity"),
        "unit",
        pl.col("update_interval_seconds").alias("interval_seconds"),
        minimum.alias("minimum"),
        maximum.alias("maximum"),
    )
    return with_physical_limits(register.match_to_schema(REGISTER_SCHEMA)).sort(SERIES)


def with_physical_limits(register: pl.DataFrame) -> pl.DataFrame:
    """The same register; a device without limits of its own has those of its quantity, in the unit that it reads in."""
    pairs = register.select("quantity", pl.col("unit").fill_null("")).unique()
    limits = [(name, unit, *QUANTITIES[name].limits_in(unit)) for name, unit in pairs.iter_rows() if name in QUANTITIES]
    schema = {"quantity": pl.String(), "named": pl.String(), "low": pl.Float64(), "high": pl.Float64()}
    physical = pl.DataFrame(limits, schema=schema, orient="row")
    none = pl.col("minimum").is_null() & pl.col("maximum").is_null()
    return (
        register.with_columns(pl.col("unit").fill_null("").alias("named"))
        .join(physical, on=["quantity", "named"], how="left", maintain_order="left")
        .with_columns(
            pl.when(none).then("low").otherwise("minimum").alias("minimum"),
            pl.when(none).then("high").otherwise("maximum").alias("maximum"),
        )
        .select(list(REGISTER_SCHEMA))
    )


def _limits_that_count(own: OwnLimits) -> tuple[pl.Expr, pl.Expr]:
    """The first pair of limits of which a device has one."""
    minimum: pl.Expr = pl.lit(None, dtype=pl.Float64)
    maximum: pl.Expr = pl.lit(None, dtype=pl.Float64)
    for low, high in reversed(own.limits):
        there = pl.col(low).is_not_null() | pl.col(high).is_not_null()
        minimum = pl.when(there).then(pl.col(low)).otherwise(minimum)
        maximum = pl.when(there).then(pl.col(high)).otherwise(maximum)
    return minimum, maximum
