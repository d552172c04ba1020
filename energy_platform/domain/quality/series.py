"""Readings as series: one row per reading, whatever the measurement, and what is known of each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.quality.outcomes import SHOWN, Outcome
from energy_platform.domain.quantities import QUANTITIES

#: What makes a series.
SERIES = ("tenant_id", "building_id", "device", "quantity")
POINTS_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(SERIES, pl.String()),
    "time": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
}
#: What the register of sensors knows of a device. Limits are those that count: alarm limits where it has them.
REGISTER_SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(SERIES, pl.String()),
    "unit": pl.String(),
    "interval_seconds": pl.Float64(),
    "minimum": pl.Float64(),
    "maximum": pl.Float64(),
}
#: The device of a row, by measurement column.
_DEVICES = ("sensor_id", "meter_id")
_EXCERPT = timedelta(hours=18)
_EXCERPT_POINTS = 2000
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of some days, and what is known of the devices.

    Attributes:
        points: of `POINTS_SCHEMA`, sorted by series and time; those before `start` show what led up to the first ones.
        register: of `REGISTER_SCHEMA`, a row per device; empty where there is none.
        start: first instant that is checked, UTC.
        stop: first instant that no longer is, UTC.
        intervals: see `intervals_of`.
    """

    points: pl.DataFrame
    register: pl.DataFrame
    start: datetime
    stop: datetime
    intervals: pl.DataFrame

    @classmethod
    def of(cls, points: pl.DataFrame, register: pl.DataFrame, start: datetime, stop: datetime) -> Readings:
        """The same, with the interval of every series."""
        points = points.sort(*SERIES, "time")
        return cls(points, register, start, stop, intervals_of(points, register))

    def within(self, frame: pl.DataFrame, column: str = "time") -> pl.DataFrame:
        """The rows whose time lies in what is checked."""
        return frame.filter((pl.col(column) >= self.start) & (pl.col(column) < self.stop))


def empty_register() -> pl.DataFrame:
    """A register that knows nothing."""
    return pl.DataFrame(schema=REGISTER_SCHEMA)


def points_of(measurement: Measurement, rows: pl.DataFrame) -> pl.DataFrame:
    """The readings in rows of a measurement: one per number whose quantity is known; a null is no reading."""
    device = next(name for name in _DEVICES if name in measurement.tags)
    identity = [pl.col("tenant_id"), pl.col("building_id"), pl.col(device).alias("device")]
    if "sensor_type" in measurement.tags:
        parts = [rows.select(*identity, pl.col("sensor_type").alias("quantity"), "time", "value")]
    else:
        parts = [
            rows.select(
                *identity, pl.lit(column.quantity).alias("quantity"), "time", pl.col(column.name).alias("value")
            )
            for column in measurement.fields
            if column.quantity
        ]
    return pl.concat([pl.DataFrame(schema=POINTS_SCHEMA), *parts]).drop_nulls("value").sort(*SERIES, "time")


def intervals_of(points: pl.DataFrame, register: pl.DataFrame) -> pl.DataFrame:
    """The interval of every series in the points: what the register says, else the median step.

    Returns:
        a frame of the series with `step_us`, the median step, and `interval_us`; null where nothing is known.
    """
    step = (pl.col("time") - pl.col("time").shift(1)).dt.total_microseconds().over(SERIES)
    found = points.with_columns(step.alias("step_us")).group_by(SERIES).agg(pl.col("step_us").median())
    registered = register.group_by("tenant_id", "device").agg(pl.col("interval_seconds").drop_nulls().first())
    return (
        found.join(registered, on=["tenant_id", "device"], how="left")
        .with_columns(
            pl.col("step_us").cast(pl.Int64),
            pl.coalesce((pl.col("interval_seconds") * _SECOND), pl.col("step_us")).cast(pl.Int64).alias("interval_us"),
        )
        .with_columns(pl.when(pl.col("interval_us") > 0).then(pl.col("interval_us")))
        .drop("interval_seconds")
        .sort(SERIES)
    )


def of_quantity(attribute: str) -> pl.Expr:
    """An attribute of the quantity of each row; null where the quantity is unknown."""
    return pl.col("quantity").replace_strict(
        {name: float(getattr(quantity, attribute)) for name, quantity in QUANTITIES.items()},
        default=None,
        return_dtype=pl.Float64,
    )


def outcome_of(
    name: str,
    readings: Readings,
    findings: pl.DataFrame,
    *,
    checked: int,
    unexpected: int | None = None,
    shown: Sequence[str],
    at: str = "time",
    **facts: Any,
) -> Outcome:
    """The verdict of a check that has found these rows.

    Args:
        name: of the check.
        readings: that were checked.
        findings: a row for each thing that was found, the series among its columns.
        checked: readings, or whatever was counted.
        unexpected: how many of them are not as they should be; by default the number of findings.
        shown: columns of the samples, behind building, device and quantity.
        at: column of the time to draw the readings around; none is drawn where it is missing.
        facts: further figures.
    """
    samples = [
        {key: _plain(value) for key, value in row.items()}
        for row in findings.head(SHOWN).select("building_id", "device", "quantity", *shown).iter_rows(named=True)
    ]
    excerpt = None
    if findings.height and at in findings.columns:
        first = findings.row(0, named=True)
        around = first[at]
        excerpt = (
            readings.points.filter(
                pl.col("device") == first["device"],
                pl.col("tenant_id") == first["tenant_id"],
                pl.col("building_id") == first["building_id"],
                pl.col("quantity") == first["quantity"],
                pl.col("time").is_between(around - _EXCERPT, around + _EXCERPT),
            )
            .select("time", "value")
            .head(_EXCERPT_POINTS)
        )
    return Outcome(
        name=name,
        passed=findings.is_empty(),
        checked=checked,
        unexpected=findings.height if unexpected is None else unexpected,
        samples=samples,
        facts=facts,
        excerpt=excerpt,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return round(value, 6) if isinstance(value, float) else value
