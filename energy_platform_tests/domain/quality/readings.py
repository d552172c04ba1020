"""Hand-made readings: one series, or several, at an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.quality.series import POINTS_SCHEMA, REGISTER_SCHEMA, Readings, empty_register

START = datetime(2025, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HALF_HOUR = timedelta(minutes=30)


def series(
    values: Sequence[float],
    quantity: str = "temperature",
    *,
    device: str = "s1",
    step: timedelta = HALF_HOUR,
    start: datetime = START,
    tenant: str = "t",
) -> pl.DataFrame:
    """Readings of one device from a time on, one every step."""
    return pl.DataFrame(
        {
            "tenant_id": tenant,
            "building_id": "b",
            "device": device,
            "quantity": quantity,
            "time": [start + step * number for number in range(len(values))],
            "value": [float(value) for value in values],
        },
        schema=POINTS_SCHEMA,
    )


def without(points: pl.DataFrame, rows: Sequence[int]) -> pl.DataFrame:
    """The same readings without some."""
    return points.with_row_index("@").filter(~pl.col("@").is_in(list(rows))).drop("@")


def moving(count: int, middle: float = 21.0, swing: float = 1.5) -> list[float]:
    """Readings that go up and down as rooms do, never twice the same."""
    return [middle + swing * ((number % 12) - 6) / 6 + 0.001 * number for number in range(count)]


def register(**device: Any) -> pl.DataFrame:
    """A register of one device; what is not given is not known."""
    known: Mapping[str, Any] = {"tenant_id": "t", "building_id": "b", "device": "s1", "quantity": "temperature"}
    return pl.DataFrame([{**known, **device}], schema=REGISTER_SCHEMA)


def read(*parts: pl.DataFrame, days: int = 1, devices: pl.DataFrame | None = None, start: datetime = START) -> Readings:
    """Readings as a check takes them, over whole days."""
    points = pl.concat([pl.DataFrame(schema=POINTS_SCHEMA), *parts])
    return Readings.of(points, empty_register() if devices is None else devices, start, start + days * DAY)


def sample(outcome: Outcome) -> Mapping[str, Any]:
    """The only sample of a verdict that is red."""
    assert not outcome.passed
    (found,) = outcome.samples
    return found
