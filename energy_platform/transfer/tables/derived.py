"""Rows of tables that no source names but that the data speak of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from energy_platform.domain.contracts import Contract
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.domain.tables import TABLES
from energy_platform.stores.postgres import claims, rows
from energy_platform.transfer.context import Platform
from energy_platform.transfer.model_files import model_rows
from energy_platform.transfer.reading.mapping import SOURCE
from energy_platform.transfer.reading.registers import corrections_of
from energy_platform.transfer.scanning.survey import ENTITY_TARGETS, Survey
from energy_platform.transfer.timeseries.series import tags_of

#: Tables that are there in every estate: where no source names their rows, they follow from the data.
DERIVED_TABLES: Final = ("tenants", "buildings", "sensors")


def derived_rows(name: str, platform: Platform, survey: Survey) -> pl.DataFrame | None:
    """The rows of a table that follow from the data: the contract's columns, and `@source` -1; None: it has none."""
    estate, contract = platform.estate, TABLES[name]
    if name == "tenants":
        names = [estate.tenant_name if tenant == estate.tenant_code else tenant for tenant in survey.tenants]
        frame = pl.DataFrame({"tenant_id": list(survey.tenants), "name": names})
    elif name == "buildings":
        frame = survey.buildings
    elif name == "sensors":
        frame = survey.sensors
    elif name == "models":
        frame = model_rows(estate)
    elif name == CORRECTIONS_TABLE:
        frame = _corrections(platform, survey)
    else:
        return None
    absent = [pl.lit(None, dtype=c.polars_type).alias(c.name) for c in contract.columns if c.name not in frame.columns]
    found = frame.with_columns(absent).select(contract.column_names)
    if name in DERIVED_TABLES and survey.gone:
        found = pl.concat([found, _standing(platform, survey, contract, found)], how="vertical_relaxed")
    return found.with_columns(pl.lit(-1, dtype=pl.Int32).alias(SOURCE))


def _standing(platform: Platform, survey: Survey, contract: Contract, found: pl.DataFrame) -> pl.DataFrame:
    """Rows of the target that only a source speaks of which is gone: they stand as they are."""
    key = list(contract.key)
    spoken = [part.select(key) for part in _spoken_of(platform, survey) if set(key) <= set(part.columns)]
    if not spoken:
        return found.clear()
    with platform.postgres.connection() as connection:
        held = rows.read_rows(connection, contract, platform.tenants())
    own = held.filter(pl.col("estate") == platform.estate.code)
    kept = own.join(found, on=key, how="anti").join(pl.concat(spoken), on=key, how="semi")
    return kept.select(found.columns)


def _spoken_of(platform: Platform, survey: Survey) -> Iterator[pl.DataFrame]:
    """What was loaded from the sources of which one is gone: its tenants, buildings and sensors."""
    estate, tenants = platform.estate, platform.tenants()
    gone = [spec for spec in estate.sources if spec.name in survey.gone]
    targets = {spec.target for spec in gone if spec.target in {"tenants", *ENTITY_TARGETS} or "tenant_id" in spec.roles}
    with platform.postgres.connection() as connection:
        series = claims.series(connection, estate.code)
        for target in sorted(targets):
            if target in MEASUREMENTS:
                yield tags_of(series.filter(pl.col("measurement") == target), MEASUREMENTS[target])
            else:
                held = rows.read_rows(connection, TABLES[target], tenants)
                yield held.filter(pl.col("estate") == estate.code)


def _corrections(platform: Platform, survey: Survey) -> pl.DataFrame:
    """Corrections of registers; those of a source that is gone stand as they are."""
    estate, contract = platform.estate, TABLES[CORRECTIONS_TABLE]
    found = corrections_of(estate, platform.now, platform.settings.batch_rows, list(survey.versions))
    gone = [spec.name for spec in estate.register_sources() if spec.name in survey.gone]
    if not gone:
        return found
    with platform.postgres.connection() as connection:
        held = rows.read_rows(connection, contract, survey.tenants)
    kept = held.filter((pl.col("estate") == estate.code) & pl.col("source").is_in(gone))
    return pl.concat([kept.select(found.columns), found])
