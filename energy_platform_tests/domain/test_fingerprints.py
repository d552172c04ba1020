"""Fingerprints are what their description says, on every engine: judged by a second implementation in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain import fingerprints
from energy_platform.domain.contracts import Column, ColumnType, Measurement
from energy_platform.domain.fingerprints import (
    MODULUS,
    Words,
    fingerprint,
    fingerprint_text,
    point_hashes,
    row_hashes,
    text_words,
)
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform_tests.domain.fingerprint_reference import (
    NULL,
    VECTORS,
    fingerprint_of,
    lines,
    row_hash,
    words_of_text,
)

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
#: Texts of all kinds of lengths: within a word, at its end, behind it, and where another rule begins.
TEXTS_OR_NULL = (
    st.none()
    | TEXTS
    | st.text("a\x00\x7f", max_size=40)
    | st.sampled_from([1015, 1016, 1017, 1023, 1024, 1025, 1032, 4096]).map(lambda length: "x" * length)
)
ROWS = st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in KINDS)), max_size=12)


#: A measurement with a field of every type; the first three columns are tags.
POINTS = Measurement(
    name="everything",
    columns=(
        *(Column(name, "text") for name in ("tenant_id", "building_id", "sensor_id")),
        Column("time", "time"),
        *COLUMNS,
    ),
    key=("tenant_id", "building_id", "sensor_id", "time"),
)
SERIES_ROWS = st.lists(st.tuples(*[st.sampled_from(["", "a", "온도"]) | TEXTS] * 3), min_size=1, max_size=4)
CONTENTS = st.lists(
    st.tuples(st.integers(0, 99), st.none() | INSTANTS, *(st.none() | VALUES[kind] for kind in KINDS)), max_size=12
)


def points_of(series: list[tuple[Any, ...]], contents: list[tuple[Any, ...]]) -> SeriesPoints:
    fields = {column.name: column.polars_type for column in POINTS.columns[3:]}
    rows = [(number % len(series), *content) for number, *content in contents]
    return SeriesPoints(
        pl.DataFrame(series, schema={tag: pl.String() for tag in POINTS.tags}, orient="row"),
        pl.DataFrame(rows, schema={SERIES: pl.UInt32(), **fields}, orient="row"),
    )


def numbers_of(hashes: tuple[Words, Words]) -> list[int]:
    return [(high << 64) + low for high, low in zip(*(half.tolist() for half in hashes), strict=True)]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and a second thread from a few rows on, as otherwise only large frames have them."""
    monkeypatch.setattr(fingerprints, "_BLOCK", 7)
    monkeypatch.setattr(fingerprints, "_ROWS_FOR_TWO_THREADS", 20)


@contextmanager
def sizes(**values: int) -> Iterator[None]:
    """Other sizes of blocks and samples, so that a few texts go the way of many."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(fingerprints, f"_{name.upper()}", value)
        yield


def expected_words(texts: Sequence[str | None]) -> list[tuple[int, int]]:
    return [NULL if text is None else words_of_text(text.encode()) for text in texts]


def found_words(texts: pa.LargeStringArray) -> list[tuple[int, int]]:
    firsts, seconds = text_words(texts)
    return list(zip(firsts.tolist(), seconds.tolist(), strict=True))


def array_of(texts: Sequence[str | None]) -> pa.LargeStringArray:
    return pa.array(texts, type=pa.large_string())  # pyright: ignore[reportReturnType]


def frame_of(rows: list[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> pl.DataFrame:
    schema = {column.name: column.polars_type for column in columns}
    return pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)


def text_of(rows: list[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> str:
    return fingerprint_text(fingerprint(frame_of(rows, columns), columns))


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_any_rows_have_the_fingerprint_of_the_description(rows: list[tuple[Any, ...]]) -> None:
    assert text_of(rows) == fingerprint_of(KINDS, rows)


@given(SERIES_ROWS, CONTENTS)
@settings(max_examples=200, deadline=None)
def test_points_have_the_hashes_of_their_rows(series: list[tuple[Any, ...]], contents: list[tuple[Any, ...]]) -> None:
    points = points_of(series, contents)
    kinds = [column.type for column in POINTS.columns]
    expected = [row_hash(kinds, (*series[number % len(series)], *content)) for number, *content in contents]
    assert numbers_of(point_hashes(points, POINTS)) == expected
    assert numbers_of(row_hashes(points.frame(), POINTS.columns)) == expected


def test_points_lack_columns_and_have_unknown_ones() -> None:
    points = points_of([("a", "b", "c"), ("", "", "d")], [(0, None, *[None] * 7), (1, None, "x", 0.5, *[None] * 5)])
    less = SeriesPoints(
        points.series.with_columns(floor=pl.lit("3")).drop("building_id"),
        points.rows.drop("json_column", "time").with_columns(further=pl.lit(1.0)),
    )
    assert numbers_of(point_hashes(less, POINTS)) == numbers_of(row_hashes(less.frame(), POINTS.columns))
    assert numbers_of(point_hashes(points, POINTS)) != numbers_of(point_hashes(less, POINTS))


def test_a_measurement_whose_tags_are_not_first() -> None:
    turned = Measurement(name="turned", columns=POINTS.columns[::-1], key=POINTS.key)
    points = points_of([("a", "b", "c"), ("", "", "d")], [(0, None, *[None] * 7), (1, None, "x", 0.5, *[None] * 5)])
    assert numbers_of(point_hashes(points, turned)) == numbers_of(row_hashes(points.frame(), turned.columns))


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=lambda measurement: measurement.name)
def test_tags_are_the_first_columns(measurement: Measurement) -> None:
    assert measurement.column_names[: len(measurement.tags)] == measurement.tags


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("rows", [6, 7, 8, 19, 20, 21, 41, 100])
def test_blocks_and_threads_are_seamless(rows: int) -> None:
    values: list[Any] = ["text", 0.1, 7, True, EARLIEST, date(2025, 3, 1), "{}"]
    contents = []
    for number in range(rows):
        row = [None if (number + place) % 4 == 0 else value for place, value in enumerate(values)]
        contents.append((number, None if number % 5 == 0 else EARLIEST + timedelta(hours=number), *row))
    contents[rows // 2] = (1, None, f"{rows}", math.nan, -1, False, LATEST, date(1, 1, 1), "온도")
    series = [("a", "b", "c"), ("", "", "d"), ("", "e", "")]
    points, kinds = points_of(series, contents), [column.type for column in POINTS.columns]
    expected = [row_hash(kinds, (*series[number % 3], *content)) for number, *content in contents]
    assert numbers_of(point_hashes(points, POINTS)) == expected
    assert numbers_of(row_hashes(points.frame(), POINTS.columns)) == expected


@given(
    st.lists(st.lists(TEXTS_OR_NULL, max_size=8), min_size=1, max_size=4),
    st.integers(0, 5),
    st.integers(0, 30),
    st.sampled_from([1, 3, 1 << 15]),
    st.sampled_from([1, 40, 1 << 21]),
    st.sampled_from([1, 4, 1 << 12]),
)
@settings(max_examples=300, deadline=None)
def test_texts_of_cut_and_chunked_columns(
    chunks: list[list[str | None]], start: int, length: int, block: int, block_bytes: int, sample: int
) -> None:
    column = Column("text", "text")
    pieces = [pl.DataFrame({"text": chunk}, schema={"text": pl.String()}) for chunk in chunks]
    frame = pl.concat(pieces, rechunk=False)[start : start + length]
    texts = [text for chunk in chunks for text in chunk][start : start + length]
    with sizes(block=block, block_bytes=block_bytes, sample=sample, rows_for_two_threads=5):
        assert numbers_of(row_hashes(frame, [column])) == [row_hash(["text"], [text]) for text in texts]


@given(st.lists(TEXTS_OR_NULL, max_size=20), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=100, deadline=None)
def test_texts_where_they_lie(texts: list[str | None], start: int, length: int) -> None:
    found = found_words(array_of(texts).slice(start, length))
    assert found == expected_words(texts[start : start + length])


@pytest.mark.parametrize("block", [1, 7, 1 << 15])
@pytest.mark.parametrize("ahead", range(8))
def test_texts_of_every_length_at_every_place(ahead: int, block: int) -> None:
    alphabet = "".join(chr(33 + number % 90) for number in range(41 + ahead))
    texts = ["<" * ahead, *(alphabet[length % 7 :][:length] for length in range(41)), *(["~" * 8] * 9), ""]
    with sizes(block=block):
        assert found_words(array_of(texts)) == expected_words(texts)
        assert found_words(array_of(texts[::-1])) == expected_words(texts[::-1])


@pytest.mark.parametrize("block_bytes", [1, 100_000, 1 << 21])
def test_long_texts_among_short_ones(block_bytes: int) -> None:
    long = "온도 \x00 " * 8192
    texts = [long, "", "a", None, long[1:], "x" * 65_536, "x" * 65_535, "온도", "x" * 1024, long + "a", "b"]
    with sizes(block_bytes=block_bytes):
        assert found_words(array_of(texts)) == expected_words(texts)
    frame = pl.DataFrame({"text": texts * 3})
    with sizes(block_bytes=block_bytes, sample=4):
        hashes = numbers_of(row_hashes(frame, [Column("text", "text")]))
    assert hashes == [row_hash(["text"], [text]) for text in texts] * 3


def test_texts_that_have_no_bytes() -> None:
    assert found_words(array_of([])) == []
    assert found_words(array_of(["", ""])) == expected_words(["", ""])
    assert found_words(array_of([None, ""])) == expected_words([None, ""])
    offsets = pa.py_buffer(np.zeros(3, np.int64))
    bare = pa.LargeStringArray.from_buffers(2, offsets, pa.py_buffer(b""))
    assert found_words(bare) == expected_words(["", ""])


def test_bytes_behind_a_null_do_not_count() -> None:
    offsets, data = pa.py_buffer(np.array([0, 3, 9, 11], np.int64)), pa.py_buffer(b"abcHIDDENde")
    texts = pa.LargeStringArray.from_buffers(3, offsets, data, pa.py_buffer(bytes([0b101])))
    assert found_words(texts) == expected_words(["abc", None, "de"])


def test_texts_that_repeat_and_texts_that_do_not() -> None:
    rows = 20_000
    frame = pl.DataFrame(
        {
            "same": ["normal"] * rows,
            "few": [None if number % 11 == 0 else f"sensor_{number % 300:04d}" for number in range(rows)],
            "all": [f"{number:x}" * (number % 5) for number in range(rows)],
        }
    )
    columns = [Column(name, "text") for name in frame.columns]
    expected = [row_hash(["text"] * 3, row) for row in frame.iter_rows()]
    assert numbers_of(row_hashes(frame, columns)) == expected


def test_both_words_of_a_text_tell_it_from_its_neighbours() -> None:
    short = ["\0" * length for length in range(30)] + [f"{chr(letter)}\0" for letter in range(1, 128)]
    texts = [*short, *(chr(letter) for letter in range(1, 128)), *(f"key-{number}" for number in range(200_000))]
    for words in text_words(array_of(texts)):
        assert np.unique(words).size == len(texts)
        shares = [float(np.mean((words >> np.uint64(bit)) & np.uint64(1))) for bit in range(64)]
        assert min(shares) > 0.49
        assert max(shares) < 0.51
    firsts, seconds = text_words(array_of(texts))
    differing = np.bitwise_count(firsts ^ seconds)
    assert 31.9 < float(differing.mean()) < 32.1, "neither says anything about the other"


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
