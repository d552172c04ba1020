"""SQLite tables read as columns, in pieces: the very values that reading them by row gives."""

import math
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.domain.errors import SourceError
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec
from energy_platform.sources.sqlite import reader
from energy_platform.sources.sqlite.reader import SqliteSource
from energy_platform.sources.sqlite.records import InexactError, Span, affinity


def make(path: Path, *statements: str, rows: list[tuple] | None = None) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        if rows:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.commit()


#: So that a table of few rows has several leaves: streams begin and end with leaves.
SMALL_PAGES = "PRAGMA page_size = 512"


def source(path: Path, key: str | None = None) -> SqliteSource:
    opened = open_source(SourceSpec(f"{path.name}/t", "sqlite", path, "sensor_data", table="t", key=key))
    assert isinstance(opened, SqliteSource)
    return opened


def by_row(opened: SqliteSource, batch_rows: int) -> list[pl.DataFrame]:
    return list(opened._by_row(opened._layout(), Span(), batch_rows))


def as_read_by_row(opened: SqliteSource, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame, read by row as one frame."""
    first, last = frame["@order"][0], frame["@order"][-1]
    span = Span(first - 1 if first > -(2**63) else None, last)
    (found,) = opened._by_row(opened._layout(), span, frame.height)
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.db"


@pytest.fixture
def refusals(monkeypatch):
    """Counts how often the columnar reader gave up."""
    seen: list[str] = []

    class SeenError(InexactError):
        def __init__(self, message: str) -> None:
            super().__init__(message)
            seen.append(message)

    monkeypatch.setattr("energy_platform.sources.sqlite.records.InexactError", SeenError)
    return seen


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1]),
)
DOUBLES = st.one_of(
    st.floats(allow_nan=False),
    st.sampled_from([1.0, 0.5, -0.0, 0.0, math.inf, -math.inf, 1e300, float(2**53), 5e-324]),
)
# long runs of one kind, as real columns have them, and single strays among them
KINDS = (
    st.none(),
    NUMBERS,
    DOUBLES,
    TEXT,
    st.sampled_from(["", "a\0b", "\0", "온도 😀", "1.5", "-0.0", "2024-01-01"]),
    st.one_of(st.binary(max_size=3), st.sampled_from([b"", b"abc", b"\xff"])),
)
DECLARED = ["", "TEXT", "INTEGER", "REAL", "NUMERIC", "BLOB", "DATETIME", "DOUBLE PRECISION", "FLOATING POINT"]


@st.composite
def columns(draw, height: int) -> list:
    values = draw(st.lists(draw(st.sampled_from(KINDS)), min_size=height, max_size=height))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, height))
        other = draw(st.sampled_from(KINDS))
        stop = min(height, start + draw(st.integers(1, 8)))
        values[start:stop] = draw(st.lists(other, min_size=stop - start, max_size=stop - start))
    return values


@st.composite
def tables(draw) -> tuple[list[str], list[int], list[list]]:
    height = draw(st.integers(1, 24))
    declared = draw(st.lists(st.sampled_from(DECLARED), min_size=1, max_size=4))
    rowids = draw(
        st.one_of(
            st.just(list(range(1, height + 1))),
            st.lists(st.integers(-(2**63), 2**63 - 1), min_size=height, max_size=height, unique=True),
            st.lists(st.integers(1, 100), min_size=height, max_size=height, unique=True),
        )
    )
    return declared, rowids, [draw(columns(height)) for _ in declared]


@settings(max_examples=120, deadline=None)
@given(tables(), st.integers(1, 7), st.integers(1, 3), st.booleans())
@example((["TEXT"], [1, 2, 3, 4], [["a", b"abc", "b", b""]]), 1, 2, False)
@example((["", "NUMERIC"], [1, 2, 3, 4], [[1.5, 1, 2**53 + 1, 1.0], [1.5, 1, 2, 0.5]]), 2, 1, True)
@example((["DATETIME"], [1, 2, 3, 4, 5], [["x", 1.5, 1e22, 7, "y"]]), 5, 1, True)
def test_streams_give_what_reading_by_row_gives(table, batch_rows, count, wal):
    declared, rowids, values = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        names = [f"c{position}" for position in range(len(declared))]
        kinds = ", ".join(f"{name} {kind}" for name, kind in zip(names, declared, strict=True))
        make(
            path,
            SMALL_PAGES,
            *(["PRAGMA journal_mode = wal"] if wal else []),
            f"CREATE TABLE t (id INTEGER PRIMARY KEY, {kinds})",
            rows=list(zip(rowids, *values, strict=True)),
        )
        opened = source(path, key="id")
        expected = by_row(opened, batch_rows)
        for found, wanted in zip(opened.batches(batch_rows), expected, strict=True):
            assert_frame_equal(found, wanted)
        streams = [list(stream) for stream in opened.streams(batch_rows, count)]
        assert 1 <= len(streams) <= count
        frames = [frame for stream in streams for frame in stream]
        assert all(0 < frame.height <= batch_rows for frame in frames)
        assert [number for frame in frames for number in frame["@order"]] == sorted(rowids)
        for frame in frames:
            assert_frame_equal(frame, as_read_by_row(opened, frame))


def numbered(count: int) -> list[tuple]:
    return [(i, f"text {i}", i / 4, None if i % 3 else "x") for i in range(count)]


SCHEMA = "CREATE TABLE t (i INTEGER, s TEXT, r REAL, d DATETIME)"


def test_plain_columns_are_never_read_by_row(path, refusals, monkeypatch):
    make(path, SCHEMA, rows=numbered(1000))
    monkeypatch.setattr(SqliteSource, "_by_row", None)
    frames = list(source(path).batches(300))
    assert [frame.height for frame in frames] == [300, 300, 300, 100]
    assert pl.concat(frames).select("i", "s", "r", "d").rows() == numbered(1000)
    assert refusals == []


def test_a_stray_value_costs_one_frame_by_row(path, refusals):
    rows = numbered(1000)
    rows[450] = (450, b"\xff\x00", 1.5, "x")
    rows[750] = (750, "s", 1.5, 7.25)
    make(path, SCHEMA, rows=rows)
    frames = list(source(path).batches(100))
    assert [frame.height for frame in frames] == [100] * 10
    assert frames[4]["s"][50] == "0xff00"
    assert frames[7]["d"][50] == "7.25"
    assert len(refusals) == 2


def test_a_table_that_is_mixed_throughout_is_tried_ever_more_seldom(path, refusals):
    make(path, "CREATE TABLE t (v)", rows=[(i if i % 2 else f"x{i}",) for i in range(1000)])
    frames = list(source(path).batches(2))
    assert pl.concat(frames)["v"].to_list() == [str(i) if i % 2 else f"x{i}" for i in range(1000)]
    assert len(refusals) < 15


def test_streams_are_about_equal_and_can_be_read_by_threads(path):
    make(path, SMALL_PAGES, SCHEMA, rows=numbered(5000))
    make(path, "DELETE FROM t WHERE i BETWEEN 100 AND 3999")
    streams = source(path).streams(200, 3)
    heights = [0, 0, 0]
    found: list[list[int]] = [[], [], []]

    def consume(position: int) -> None:
        for frame in streams[position]:
            heights[position] += frame.height
            found[position] += frame["@order"].to_list()

    threads = [threading.Thread(target=consume, args=(position,)) for position in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(heights) == 1100
    assert max(heights) < 1.25 * min(heights)
    assert [number for numbers in found for number in numbers] == [*range(1, 101), *range(4001, 5001)]


def test_streams_of_small_tables_and_other_keys(path):
    make(path, SMALL_PAGES, SCHEMA, rows=numbered(10))
    assert len(source(path).streams(5, 3)) == 1
    by_key = source(path, key="s").streams(3, 2)
    assert [next(by_key[turn])["@order"].to_list() for turn in (0, 1, 0, 1)] == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]
    assert [next(stream, None) for stream in by_key] == [None, None]
    make(path, "DELETE FROM t")
    assert [list(stream) for stream in source(path).streams(5, 3)] == [[]]


def test_rows_are_counted_for_tables_only(path):
    make(path, "CREATE TABLE t (v)", rows=[(1,), (2,)])
    assert source(path).estimated_rows() == 2
    make(path, "ALTER TABLE t RENAME TO u", "CREATE VIEW t AS SELECT * FROM u")
    assert source(path).estimated_rows() is None
    assert source(path).row_count() == 2


def test_a_log_that_somebody_may_write_is_read_as_one_snapshot(path, monkeypatch):
    make(path, "PRAGMA journal_mode = wal", SCHEMA, rows=numbered(10))
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO t VALUES (10, 'new', 1, NULL)")
        writer.commit()
        monkeypatch.setattr(reader, "record_frames", None)
        streams = source(path).streams(2, 3)
        next(streams[0])
        writer.execute("INSERT INTO t VALUES (11, 'newer', 1, NULL)")
        writer.commit()
        assert sum(frame.height for stream in streams for frame in stream) == 9


def written_by_another_process(path: Path) -> bool:
    """Whether another process, which locks of this one hold off, could write."""
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); c.execute('DELETE FROM t'); c.commit()"
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "locked" in done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("key", [None, "s"])
def test_nobody_can_write_while_rows_are_read(path, key):
    make(path, SCHEMA, rows=numbered(100))
    batches = source(path, key).batches(10)
    next(batches)
    assert not written_by_another_process(path)
    assert sum(frame.height for frame in batches) == 90
    assert written_by_another_process(path)


@pytest.mark.parametrize("key", [None, "s"])
def test_a_write_that_no_lock_held_off_is_noticed(path, key):
    make(path, SCHEMA, rows=numbered(100))
    opened = source(path, key)
    batches = opened.batches(10)
    next(batches)
    opened.version()  # closes a descriptor of the file, and with it the locks of this process
    assert written_by_another_process(path)
    with pytest.raises(SourceError, match="written while it was read"):
        list(batches)


def test_a_write_between_two_streams_is_noticed(path):
    make(path, SMALL_PAGES, SCHEMA, rows=numbered(100))
    first, second = source(path).streams(10, 2)
    assert 30 < sum(frame.height for frame in first) < 70
    make(path, "UPDATE t SET r = 7")
    with pytest.raises(SourceError, match="written while it was read"):
        list(second)


def test_text_that_is_no_utf8_is_named_wherever_it_stands(path):
    make(path, SMALL_PAGES, SCHEMA, rows=numbered(100))
    make(path, "UPDATE t SET d = CAST(x'b0ad' AS TEXT) WHERE i = 70")
    streams = source(path).streams(10, 2)
    assert 30 < sum(frame.height for frame in streams[0]) < 70
    with pytest.raises(SourceError) as caught:
        list(streams[1])
    assert caught.value.what == "Row 71 (key 71) holds text in column 'd' that is no UTF-8."


def test_corrupt_pages_are_told_as_such(path):
    make(path, SCHEMA, rows=[(i, f"text {i}" * 30, 1.5, None) for i in range(2000)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 40_000] = b"\x5a" * 40_000
    path.write_bytes(content)
    with pytest.raises(SourceError, match="The file is corrupt"):
        list(source(path).batches(100))


def test_a_stream_that_is_left_lets_the_file_go(path):
    make(path, SCHEMA, rows=numbered(100))
    batches = source(path).batches(10)
    next(batches)
    del batches
    make(path, "DELETE FROM t")
    assert list(source(path).batches()) == []


def test_streams_that_are_closed_let_the_file_go(path):
    make(path, SMALL_PAGES, SCHEMA, rows=numbered(100))
    for key in (None, "s"):
        streams = source(path, key).streams(10, 2)
        assert next(streams[0]).height == 10
        assert next(streams[1]).height == 10
        for stream in streams:
            stream.close()
        make(path, "UPDATE t SET r = r + 1")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("", "none"),
        ("FLOATING POINT", "integer"),
        ("varchar(5)", "text"),
        ("CHARINT", "integer"),
        ("BLOB", "none"),
        ("double precision", "real"),
        ("DECIMAL(10,2)", "numeric"),
        ("STRING", "numeric"),
    ],
)
def test_affinities(declared, expected, path):
    assert affinity(declared) == expected
    # as SQLite itself sees it
    make(path, f"CREATE TABLE t (v {declared})", rows=[("5",), (5,)])
    kinds = {"none": {"text", "integer"}, "text": {"text"}, "real": {"real"}}.get(expected, {"integer"})
    with closing(sqlite3.connect(path)) as connection:
        assert {kind for (kind,) in connection.execute("SELECT typeof(v) FROM t")} == kinds
