"""What the registers say: which codes there are, and the interval and limits of each sensor."""

from __future__ import annotations

import polars as pl

from energy_platform.domain.contracts import Contract, OwnLimits
from energy_platform.domain.quality.series import REGISTER_SCHEMA, SERIES, empty_register
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
    return (
        rows.select(
            "tenant_id",
            pl.col("building_id").fill_null(""),
            pl.col(contract.own_limits.by).alias("device"),
            pl.col("sensor_type").fill_null("").alias("quantity"),
            "unit",
            pl.col("update_interval_seconds").alias("interval_seconds"),
            minimum.alias("minimum"),
            maximum.alias("maximum"),
        )
        .match_to_schema(REGISTER_SCHEMA)
        .sort(SERIES)
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
