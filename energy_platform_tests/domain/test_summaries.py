"""Sums are exact, whatever the order and the pieces."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain import summaries
from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.domain.summaries import UNKNOWN_FIELD, Summary, exact_sum

UNIT = 2**1074
COLUMNS = (Column("building_id", "text"), Column("time", "time"), Column("value", "float"))
NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50)
NOON = datetime(2025, 3, 1, 3, tzinfo=UTC)


def frame_of(numbers: Sequence[float | None]) -> pl.DataFrame:
    schema = {column.name: column.polars_type for column in COLUMNS}
    return pl.DataFrame([("B001", NOON, number) for number in numbers], schema=schema, orient="row")


@given(NUMBERS)
@settings(max_examples=300, deadline=None)
def test_sums_are_exact(numbers: list[float]) -> None:
    assert Fraction(exact_sum(np.array(numbers, dtype=np.float64)), UNIT) == sum(map(Fraction, numbers))


@given(st.lists(st.floats(-1e6, 1e6), max_size=50))
@settings(max_examples=50, deadline=None)
def test_sums_round_to_fsum(numbers: list[float]) -> None:
    assert float(Fraction(exact_sum(np.array(numbers, dtype=np.float64)), UNIT)) == math.fsum(numbers)


def test_what_float_addition_loses_is_kept() -> None:
    one, other = frame_of([1e16, 1.0, -1e16]), frame_of([1e16, 0.0, -1e16])
    assert Fraction(Summary.of(one, COLUMNS).sums["value"], UNIT) == 1
    assert (
        Summary.of(one, COLUMNS).differences(Summary.of(other, COLUMNS))[0] == "the sum of value is 0.0 instead of 1.0"
    )


@given(NUMBERS, NUMBERS)
@settings(max_examples=50, deadline=None)
def test_pieces_add_up_in_any_order(one: list[float], other: list[float]) -> None:
    first, second = Summary.of(frame_of(one), COLUMNS), Summary.of(frame_of(other), COLUMNS)
    together = Summary.of(frame_of(one + other), COLUMNS)
    assert together.differences(first + second) == []
    assert together.differences(second + first) == []


@given(st.lists(st.none() | st.floats(allow_nan=False), max_size=20))
@settings(max_examples=50, deadline=None)
def test_facts_survive_json(numbers: list[float | None]) -> None:
    summary = Summary.of(frame_of(numbers), COLUMNS)
    assert Summary.from_facts(json.loads(json.dumps(summary.as_facts()))).differences(summary) == []


def test_differences_name_the_facts() -> None:
    ours = Summary.of(frame_of([1.0, 2.0]), COLUMNS)
    facts = ours.differences(Summary.of(frame_of([1.0, 2.5, 9.0]), COLUMNS))
    assert facts[0] == "3 rows instead of 2"
    assert "the sum of value is 12.5 instead of 3.0" in facts
    assert "the largest value is 9.0 instead of 2.0" in facts
    assert facts[-1].startswith("the fingerprint is ")


def test_differences_are_in_words_that_people_read() -> None:
    nothing, one = Summary.of(frame_of([]), COLUMNS), Summary.of(frame_of([2.0]), COLUMNS)
    assert "the smallest time is 2025-03-01T03:00:00+00:00 instead of none" in nothing.differences(one)
    assert "the largest value is none instead of 2.0" in one.differences(nothing)
    late = Summary(1, maxima={"time": 10**18})
    assert "the largest time is 1000000000000000000 µs instead of none" in Summary().differences(late)
    strange = one + Summary(fingerprint=3, sums={f"{UNKNOWN_FIELD}battery": 3})
    assert one.differences(strange)[0] == "3 rows hold the unknown field battery instead of 0"


def test_infinite_values_are_extremes_and_in_no_sum() -> None:
    summary = Summary.of(frame_of([math.inf, 1.0]), COLUMNS)
    assert (Fraction(summary.sums["value"], UNIT), summary.maxima["value"]) == (1, math.inf)


def test_no_rows() -> None:
    assert Summary.of(frame_of([]), COLUMNS) == Summary()


MEASUREMENT = Measurement(
    name="readings",
    columns=(
        Column("tenant_id", "text"),
        Column("building_id", "text"),
        Column("time", "time"),
        Column("value", "float"),
        Column("state", "text"),
        Column("confidence", "float"),
    ),
    key=("tenant_id", "building_id", "time"),
)
ANY_NUMBER = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, math.inf])
DAYS = st.none() | st.dates(date(2025, 1, 1), date(2025, 1, 4)) | st.sampled_from([date(1, 1, 1), date(9999, 1, 1)])
SOURCES = st.none() | st.integers(0, 3)
TEXTS = st.none() | st.sampled_from(["", "a", "온도"])
GROUPED = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.none() | st.integers(0, 9).map(lambda hours: NOON + timedelta(hours=hours)),
        ANY_NUMBER,
        TEXTS,
        ANY_NUMBER,
        DAYS,
        SOURCES,
        TEXTS,
    ),
    max_size=30,
)
BY = {"@day": pl.Date, "@source": pl.UInt32, "@name": pl.String}


def as_facts(found: dict[tuple[Any, ...], Summary]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    return [(group, summary.as_facts()) for group, summary in found.items()]


def grouped_points(rows: list[tuple[Any, ...]]) -> tuple[SeriesPoints, pl.DataFrame]:
    fields = {column.name: column.polars_type for column in MEASUREMENT.columns[2:]}
    frame = pl.DataFrame(rows, schema={SERIES: pl.UInt32, **fields, **BY}, orient="row")
    series = pl.DataFrame({"tenant_id": ["default", ""], "building_id": ["B001", "B002"]})
    return SeriesPoints(series, frame.drop(list(BY))), frame.select(list(BY))


@given(GROUPED, st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_groups_at_once_are_row_by_row_added_up(rows: list[tuple[Any, ...]], columns: int) -> None:
    points, by = grouped_points(rows)
    by = by[:, :columns]
    frame = points.frame().hstack(by)
    one_by_one: dict[tuple[Any, ...], Summary] = {}
    for number, group in enumerate(by.iter_rows()):
        one = Summary.of(frame[number : number + 1], MEASUREMENT.columns)
        one_by_one[group] = one_by_one[group] + one if group in one_by_one else one
    found = Summary.of_points(points, MEASUREMENT, by)
    assert as_facts(found) == as_facts(Summary.by_group(frame, by.columns, MEASUREMENT.columns))
    # a comparison cannot tell what the extremes are where one of the values is no number
    without_numbers = {"nan"}
    for group, summary in found.items():
        facts, expected = summary.as_facts(), one_by_one.pop(group).as_facts()
        for extremes in ("minima", "maxima"):
            for name in [name for name, value in facts[extremes].items() if value in without_numbers]:
                del facts[extremes][name], expected[extremes][name]
        assert facts == expected
    assert one_by_one == {}


@given(GROUPED)
@settings(max_examples=100, deadline=None)
def test_groups_have_the_sums_that_fractions_have(rows: list[tuple[Any, ...]]) -> None:
    points, by = grouped_points(rows)
    for group, summary in Summary.of_points(points, MEASUREMENT, by).items():
        values = [row[2] for row in rows if row[5:] == group and row[2] is not None]
        if values:
            assert Fraction(summary.sums["value"], UNIT) == sum(map(Fraction, filter(math.isfinite, values)))
        else:
            assert "value" not in summary.sums


def test_groups_are_in_order_with_null_first() -> None:
    rows = [
        (0, NOON, 1.0, None, None, day, source, None) for day in (date(2025, 1, 2), None) for source in (3, None, 1)
    ]
    points, by = grouped_points(rows)
    days = [None, None, None, *[date(2025, 1, 2)] * 3]
    assert list(Summary.of_points(points, MEASUREMENT, by[:, :2])) == list(zip(days, [None, 1, 3] * 2, strict=True))


def test_many_groups_of_any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "_NARROW_RANGE", 10)
    monkeypatch.setattr(summaries, "_BLOCK", 64)
    rows = [
        (number % 2, NOON, number / 7, None, None, date(2025, 1, 1 + number % 20), number % 13, f"{number % 3}")
        for number in range(3000)
    ]
    points, by = grouped_points(rows)
    found = Summary.of_points(points, MEASUREMENT, by)
    assert len(found) == 20 * 13 * 3
    assert found[date(2025, 1, 3), 2, "2"].rows == len(range(2, 3000, 20 * 13 * 3))
    assert Fraction(found[date(2025, 1, 3), 2, "2"].sums["value"], UNIT) == sum(
        Fraction(number / 7) for number in range(2, 3000, 20 * 13 * 3)
    )


def test_no_points() -> None:
    points, by = grouped_points([])
    assert Summary.of_points(points, MEASUREMENT, by) == {}
