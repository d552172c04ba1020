"""Points to write, and how they are compared with what comes back."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.summaries import Summary
from energy_platform.stores.timeseries.interface import TimeSeries

_NUMBERS = itertools.count()
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def new_name() -> str:
    """A name that no other test of this run has."""
    return f"name_{next(_NUMBERS)}"


def new_tenant() -> str:
    return f"tenant {next(_NUMBERS)}"


def points(measurement: Measurement, rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows in canonical types; a missing tag is absent, a missing field is null."""
    filled = [{**dict.fromkeys(measurement.column_names), **dict.fromkeys(measurement.tags, ""), **row} for row in rows]
    return pl.DataFrame(filled, schema=measurement.schema(), orient="row")


def reading(tenant: str, time: datetime = NOON, **values: object) -> dict[str, object]:
    base = {"tenant_id": tenant, "building_id": "B001", "sensor_id": "S1", "sensor_type": "temperature", "time": time}
    return {**base, "value": 21.5, **values} if not {"value", "state"} & set(values) else {**base, **values}


def read(store: TimeSeries, measurement: Measurement, *tenants: str, **span: datetime | None) -> pl.DataFrame:
    frames = list(store.read(measurement, tenants, span.get("start"), span.get("stop")))
    for frame in frames:
        assert frame.select(measurement.column_names).schema == measurement.schema()
    return pl.concat(frames, how="diagonal").sort(measurement.key) if frames else measurement.empty()


def assert_holds(store: TimeSeries, measurement: Measurement, expected: pl.DataFrame, *tenants: str) -> None:
    found = read(store, measurement, *tenants)
    assert found.columns == list(measurement.column_names)
    want, got = Summary.of(expected, measurement.columns), Summary.of(found, measurement.columns)
    assert want.differences(got) == []
    assert found.rows() == expected.sort(measurement.key).rows()
