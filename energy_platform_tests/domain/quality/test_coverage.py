"""Readings that are not there, or not at their time."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.measurements import ENERGY_CONSUMPTION, SENSOR_DATA
from energy_platform.domain.quality.coverage import clock_jumps, completeness, freshness, gaps
from energy_platform.domain.quality.series import points_of
from energy_platform_tests.domain.quality.readings import (
    DAY,
    HALF_HOUR,
    START,
    moving,
    read,
    register,
    sample,
    series,
    without,
)


def test_a_whole_day_is_complete_and_has_no_gap() -> None:
    readings = read(series(moving(48)))

    assert completeness(readings).passed
    assert (completeness(readings).checked, completeness(readings).unexpected) == (48, 0)
    assert gaps(readings).passed
    assert clock_jumps(readings).passed


def test_missing_intervals_are_counted_and_named() -> None:
    outcome = completeness(read(without(series(moving(48)), range(10, 16)), series(moving(48), device="s2")))

    assert (outcome.checked, outcome.unexpected, outcome.percent) == (96, 6, 6.25)
    assert sample(outcome) == {
        "building_id": "b",
        "device": "s1",
        "quantity": "temperature",
        "expected": 48,
        "present": 42,
        "missing": 6,
        "percent": 87.5,
    }


def test_seconds_early_or_late_are_no_loss() -> None:
    late = series(moving(48)).with_columns(
        pl.col("time") + pl.duration(seconds=pl.int_range(pl.len()) * 37 % 20) - timedelta(seconds=8)
    )

    assert completeness(read(late)).unexpected <= 1


def test_the_interval_of_the_register_counts() -> None:
    readings = read(series(moving(24), step=2 * HALF_HOUR), devices=register(interval_seconds=1800.0))

    assert sample(completeness(readings))["expected"] == 48
    assert sample(completeness(readings))["percent"] == 50.0


def test_a_registered_sensor_that_says_nothing_is_missing_as_a_whole() -> None:
    silent = register(device="s9", interval_seconds=3600.0)
    outcome = completeness(read(series(moving(48)), devices=silent))

    assert sample(outcome)["device"] == "s9"
    assert (sample(outcome)["expected"], sample(outcome)["present"]) == (24, 0)
    assert sample(completeness(read(devices=silent)))["missing"] == 24


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(1, 46), max_size=40), st.sampled_from([60, 300, 900, 1800]))
def test_present_and_missing_make_up_what_is_expected(gone: set[int], seconds: int) -> None:
    step = timedelta(seconds=seconds)
    readings = read(
        without(series(moving(48), step=step), sorted(gone)), devices=register(interval_seconds=float(seconds))
    )
    outcome = completeness(readings)

    assert outcome.checked == DAY // step
    assert outcome.unexpected == DAY // step - (48 - len(gone))


def test_a_silence_is_a_gap_with_its_ends() -> None:
    found = sample(gaps(read(without(series(moving(48)), range(20, 25)))))

    assert found["from"] == "2025-05-01T09:30:00+00:00"
    assert found["to"] == "2025-05-01T12:30:00+00:00"
    assert (found["hours"], found["missing"]) == (3.0, 5)


def test_two_readings_that_are_missing_are_no_gap() -> None:
    assert gaps(read(without(series(moving(48)), [20, 21]))).passed


def test_a_gap_that_ends_on_the_first_day_is_seen_and_one_of_the_day_before_is_not() -> None:
    two_days = series(moving(96), start=START - DAY)

    assert sample(gaps(read(without(two_days, range(44, 52)))))["missing"] == 8
    assert gaps(read(without(two_days, range(20, 28)))).passed


def test_a_clock_that_was_set_is_found_at_its_moment() -> None:
    before = series(moving(20))
    after = series(moving(20), start=START + 20 * HALF_HOUR + timedelta(minutes=7))
    found = sample(clock_jumps(read(before, after)))

    assert found["time"] == "2025-05-01T10:07:00+00:00"
    assert found["moved_seconds"] == 420


def test_one_late_reading_is_no_jump_of_the_clock() -> None:
    points = series(moving(48)).with_columns(
        pl.when(pl.int_range(pl.len()) == 20)
        .then(pl.col("time") + timedelta(minutes=7))
        .otherwise("time")
        .alias("time")
    )

    assert clock_jumps(read(points)).passed


def test_an_old_reading_is_stale_while_more_is_to_come() -> None:
    newest = pl.concat([series([20.0]), series([20.0], device="s2", start=START + DAY)])
    now = START + timedelta(hours=30)
    outcome = freshness(newest, now, is_open=True)

    assert sample(outcome)["device"] == "s1"
    assert sample(outcome)["hours_old"] == 30.0
    assert outcome.checked == 2
    assert freshness(newest, now, is_open=False).passed
    assert freshness(newest, START + timedelta(hours=26), is_open=True).passed
    assert not freshness(newest.clear(), now, is_open=True).passed


@pytest.mark.parametrize("check", [completeness, gaps, clock_jumps])
def test_nothing_at_all_is_no_finding_where_nothing_is_registered(check) -> None:
    outcome = check(read())

    assert outcome.passed
    assert outcome.checked == 0


def test_readings_come_from_the_numbers_of_a_measurement_whose_quantity_is_known() -> None:
    identity = {"tenant_id": "t", "building_id": "b", "time": START}
    meter = {**identity, "meter_id": "main", "power_kw": 3.0, "humidity_pct": 40.0}
    rows = pl.DataFrame([meter], schema=ENERGY_CONSUMPTION.schema())
    points = points_of(ENERGY_CONSUMPTION, rows)
    door = {**identity, "sensor_id": "s", "sensor_type": "door", "state": "open"}
    words = pl.DataFrame([door], schema=SENSOR_DATA.schema())

    assert points.select("device", "quantity", "value").rows() == [("main", "humidity", 40.0), ("main", "power", 3.0)]
    assert points_of(SENSOR_DATA, words).is_empty()
