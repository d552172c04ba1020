"""Sums are exact, whatever the order and the pieces."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.contracts import Column
from energy_platform.domain.summaries import Summary, exact_sum

UNIT = 2**1074
COLUMNS = (Column("building_id", "text"), Column("time", "time"), Column("value", "float"))
NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50)
NOON = datetime(2025, 3, 1, 3, tzinfo=UTC)


def frame_of(numbers: list[float | None]) -> pl.DataFrame:
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


def test_infinite_values_are_extremes_and_in_no_sum() -> None:
    summary = Summary.of(frame_of([math.inf, 1.0]), COLUMNS)
    assert (Fraction(summary.sums["value"], UNIT), summary.maxima["value"]) == (1, math.inf)


def test_no_rows() -> None:
    assert Summary.of(frame_of([]), COLUMNS) == Summary()
