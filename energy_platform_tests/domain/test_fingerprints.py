"""Fingerprints are what their description says, on every engine: judged by a second implementation in plain Python."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.contracts import Column, ColumnType
from energy_platform.domain.fingerprints import MODULUS, fingerprint, fingerprint_text
from energy_platform_tests.domain.fingerprint_reference import VECTORS, fingerprint_of, lines

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "fingerprints.md"

KINDS: tuple[ColumnType, ...] = ("text", "float", "integer", "boolean", "time", "date", "json")
COLUMNS = tuple(Column(f"{kind}_column", kind) for kind in KINDS)
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
INSTANTS = st.integers(0, (LATEST - EARLIEST) // timedelta(microseconds=1)).map(
    lambda passed: EARLIEST + timedelta(microseconds=passed)
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS | st.sampled_from(["", "온도", "\x00", "\ud7ff", "a\x1fb"]),
    "float": st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324]),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "time": INSTANTS,
    "date": st.dates(),
    "json": TEXTS,
}
ROWS = st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in KINDS)), max_size=12)


def frame_of(rows: list[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> pl.DataFrame:
    schema = {column.name: column.polars_type for column in columns}
    return pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)


def text_of(rows: list[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> str:
    return fingerprint_text(fingerprint(frame_of(rows, columns), columns))


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_any_rows_have_the_fingerprint_of_the_description(rows: list[tuple[Any, ...]]) -> None:
    assert text_of(rows) == fingerprint_of(KINDS, rows)


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_order_does_not_matter(rows: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert text_of(shuffled) == text_of(rows)


@given(ROWS, ROWS)
@settings(max_examples=50, deadline=None)
def test_pieces_add_up(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> None:
    together = fingerprint(frame_of(one + other), COLUMNS)
    apart = fingerprint(frame_of(one), COLUMNS) + fingerprint(frame_of(other), COLUMNS)
    assert together == apart % MODULUS


@given(ROWS.filter(bool))
@settings(max_examples=50, deadline=None)
def test_a_doubled_row_changes_it(rows: list[tuple[Any, ...]]) -> None:
    assert text_of([*rows, rows[0]]) != text_of(rows)
    assert text_of([*rows, rows[0], rows[0]]) != text_of(rows), "two copies do not cancel each other"


@given(INSTANTS, st.integers(1, 10))
@settings(max_examples=50, deadline=None)
def test_a_microsecond_changes_it(instant: datetime, microseconds: int) -> None:
    columns = (Column("time", "time"),)
    later = instant + timedelta(microseconds=microseconds)
    assert text_of([(instant,)], columns) != text_of([(later,)], columns)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=50, deadline=None)
def test_the_last_bit_of_a_number_changes_it(number: float) -> None:
    columns = (Column("value", "float"),)
    assert text_of([(number,)], columns) != text_of([(math.nextafter(number, math.inf) or 1.0,)], columns)


def test_minus_zero_is_zero_and_null_is_not_empty() -> None:
    number, text = (Column("value", "float"),), (Column("value", "text"),)
    assert text_of([(-0.0,)], number) == text_of([(0.0,)], number)
    assert text_of([(0.0,)], number) != text_of([(None,)], number)
    assert text_of([("",)], text) != text_of([(None,)], text)


def test_swapped_columns_change_it() -> None:
    columns = (Column("power_kw", "float"), Column("temperature_c", "float"))
    assert text_of([(1.0, 2.0)], columns) != text_of([(2.0, 1.0)], columns)


def test_values_that_change_places_between_rows_change_it() -> None:
    columns = (Column("building_id", "text"), Column("value", "float"))
    assert text_of([("B001", 1.0), ("B002", 2.0)], columns) != text_of([("B001", 2.0), ("B002", 1.0)], columns)


def test_a_missing_column_counts_as_null() -> None:
    columns = (Column("building_id", "text"), Column("value", "float"))
    without = frame_of([("B001",)], columns[:1])
    assert fingerprint(without, columns) == fingerprint(frame_of([("B001", None)], columns), columns)


def test_rows_beyond_one_batch_of_texts() -> None:
    columns = (Column("building_id", "text"), Column("value", "float"))
    rows = [(f"B{number % 7:03d}", number / 3) for number in range(20_000)]
    assert text_of(rows, columns) == fingerprint_of(("text", "float"), rows)


@pytest.mark.parametrize(("name", "kinds", "rows"), VECTORS, ids=[name for name, _, _ in VECTORS])
def test_published_vectors(name: str, kinds: tuple[ColumnType, ...], rows: tuple[Any, ...]) -> None:
    columns = tuple(Column(f"c{number}", kind) for number, kind in enumerate(kinds))
    assert f"`{text_of(list(rows), columns)}`" in _line_of(name)


def test_the_document_shows_all_vectors() -> None:
    published = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]
    assert published == lines()


def test_vectors_that_must_be_the_same_or_not() -> None:
    by_name = {name: fingerprint_of(kinds, rows) for name, kinds, rows in VECTORS}
    assert by_name["zero"] == by_name["minus zero, the same"]
    assert by_name["two rows"] == by_name["the same in another order"]
    different = [name for name in by_name if name not in {"minus zero, the same", "the same in another order"}]
    assert len({by_name[name] for name in different}) == len(different)


def test_dates_are_their_days_since_1970() -> None:
    columns = (Column("day", "date"),)
    assert text_of([(date(1969, 12, 31),)], columns) == fingerprint_of(("date",), [(date(1969, 12, 31),)])


def _line_of(name: str) -> str:
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"| {name} |"):
            return line
    raise AssertionError(f"docs/fingerprints.md has no vector {name!r}")
