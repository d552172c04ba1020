"""The order in which points are written to InfluxDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.stores.timeseries.influx_writing import by_shard
from energy_platform_tests.stores.timeseries.samples import NOON

WEEK = 7 * 86_400_000_000
TIMES = st.integers(-500_000_000, 500_000_000).map(lambda minutes: NOON + timedelta(minutes=minutes, microseconds=7))


def as_times(times: list[datetime]) -> pl.Series:
    return pl.Series(times, dtype=pl.Datetime("us", "UTC"))


@given(st.lists(TIMES, min_size=1, max_size=60), st.sampled_from([3_600_000_000, 86_400_000_000, WEEK]))
def test_every_point_is_written_once_by_shard_and_else_in_its_order(times: list[datetime], shard_micros: int) -> None:
    # the server counts its shards from the first instant of year 1
    shards = [(time - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=shard_micros) for time in times]
    wanted = sorted(range(len(times)), key=lambda place: shards[place])
    places = by_shard(as_times(times), shard_micros)
    assert (list(range(len(times))) if places is None else places.to_list()) == wanted
    assert (places is None) == (len(set(shards)) == 1)


def test_weeks_begin_on_monday() -> None:
    sunday = datetime(2025, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC)
    monday = sunday + timedelta(microseconds=1)
    places = by_shard(as_times([monday, sunday, monday]), WEEK)
    assert places is not None
    assert places.to_list() == [1, 0, 2]
    assert by_shard(as_times([monday, monday + timedelta(days=7) - timedelta(microseconds=1)]), WEEK) is None
