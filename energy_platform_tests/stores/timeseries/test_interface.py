"""What every store asks of points, told by series and as one frame: the same promises."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.errors import StoreError
from energy_platform.domain.measurements import SENSOR_DATA
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.stores.timeseries.interface import checked_points, checked_series_points
from energy_platform_tests.stores.timeseries.samples import NOON, points, reading


def by_series(rows: list[dict[str, object]]) -> SeriesPoints:
    return SeriesPoints.of(points(SENSOR_DATA, rows), SENSOR_DATA)


def test_points_that_can_be_held_come_back_as_they_are() -> None:
    told = by_series([reading("t"), reading("t", sensor_type="", status="", value=None)])
    checked = checked_series_points(SENSOR_DATA, told)
    assert checked.frame().equals(told.frame())
    numbers = told.rows.with_columns(value=pl.lit(3, dtype=pl.Int32)).drop("state")
    checked = checked_series_points(SENSOR_DATA, SeriesPoints(told.series, numbers))
    assert checked.rows.schema["value"] == pl.Float64()
    assert "state" not in checked.rows.columns
    empty = SeriesPoints(told.series, told.rows.clear())
    assert checked_series_points(SENSOR_DATA, empty).height == 0
    assert checked_series_points(SENSOR_DATA, SeriesPoints(told.series.clear(), told.rows.clear())).height == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sensor_id": "line\nbreak"}, "line break"),
        ({"sensor_type": "ends with \\"}, "backslash"),
        ({"building_id": "B\0"}, "character 0"),
        ({"status": "\0"}, "character 0"),
        ({"value": math.nan}, "not a number"),
        ({"confidence": -math.inf}, "infinite"),
        ({"value": None}, "no field"),
        ({"time": None}, "no time"),
        ({"time": datetime(1600, 1, 1, tzinfo=UTC)}, "1677"),
        ({"tenant_id": ""}, "no tenant"),
        ({}, "twice"),
    ],
)
def test_what_no_store_can_hold(change: dict[str, object], said: str) -> None:
    rows = [reading("t"), {**reading("t"), **change}]
    with pytest.raises(StoreError, match=said):
        checked_series_points(SENSOR_DATA, by_series(rows))
    with pytest.raises(StoreError, match=said):
        checked_points(SENSOR_DATA, points(SENSOR_DATA, rows))


def test_points_without_any_field_column() -> None:
    told = by_series([reading("t")])
    with pytest.raises(StoreError, match="no field"):
        checked_series_points(SENSOR_DATA, SeriesPoints(told.series, told.rows.select(SERIES, "time")))


@pytest.mark.parametrize(
    ("series", "rows", "said"),
    [
        ({"stranger": "x"}, {}, "no column"),
        ({}, {"stranger": "x"}, "no column"),
        ({}, {"tenant_id": "x"}, "no column"),
        ({"tenant_id": 1}, {}, "The column is of type"),
        ({}, {"value": "1"}, "The column is of type String"),
    ],
)
def test_columns_that_do_not_belong_there(series: dict[str, object], rows: dict[str, object], said: str) -> None:
    told = by_series([reading("t")])
    wrong = SeriesPoints(
        told.series.with_columns(**{name: pl.lit(value) for name, value in series.items()}),
        told.rows.with_columns(**{name: pl.lit(value) for name, value in rows.items()}),
    )
    with pytest.raises(StoreError, match=said):
        checked_series_points(SENSOR_DATA, wrong)


def test_numbers_of_series_that_are_none() -> None:
    told = by_series([reading("t"), reading("u")])
    for rows, said in [
        (told.rows.drop(SERIES), "UInt32"),
        (told.rows.with_columns(pl.col(SERIES).cast(pl.Int64)), "UInt32"),
        (told.rows.with_columns(pl.lit(None, dtype=pl.UInt32).alias(SERIES)), "UInt32"),
        (told.rows.with_columns((pl.col(SERIES) + 1).cast(pl.UInt32)), "not there"),
    ]:
        with pytest.raises(StoreError, match=said):
            checked_series_points(SENSOR_DATA, SeriesPoints(told.series, rows))
    with pytest.raises(StoreError, match="A series stands there twice"):
        checked_series_points(SENSOR_DATA, SeriesPoints(pl.concat([told.series, told.series]), told.rows))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), max_size=12), st.booleans())
def test_a_point_that_stands_there_twice_is_found_in_any_order(keys: list[tuple[int, int]], ordered: bool) -> None:
    drawn = sorted(keys) if ordered else keys
    told = SeriesPoints(
        by_series([reading(f"t{number}") for number in range(4)]).series,
        pl.DataFrame(
            {
                SERIES: [series for series, _ in drawn],
                "time": [NOON + timedelta(seconds=second) for _, second in drawn],
                "value": [1.0] * len(drawn),
            },
            schema={SERIES: pl.UInt32(), "time": pl.Datetime("us", "UTC"), "value": pl.Float64()},
        ),
    )
    if len(set(drawn)) == len(drawn):
        assert checked_series_points(SENSOR_DATA, told).rows.equals(told.rows)
    else:
        with pytest.raises(StoreError, match="twice"):
            checked_series_points(SENSOR_DATA, told)
