"""Rows taken straight from the pages of a SQLite file are those that SQLite itself gives."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec
from energy_platform.sources.sqlite.reader import SqliteSource

#: Whole numbers are kept in 1, 2, 3, 4, 6 or 8 bytes, 0 and 1 in none.
NUMBERS = [sign * (1 << bits) + more for bits in (7, 15, 23, 31, 47, 62) for sign in (1, -1) for more in (-1, 0, 1)]
WHOLE = st.one_of(st.sampled_from([0, 1, 2, -1, *NUMBERS]), st.integers(-(2**63), 2**63 - 1))
#: Kinds of texts up to 57 bytes take one byte in a row's header; up to 12 bytes a text stands in its view.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=14),
    st.sampled_from([0, 1, 4, 5, 11, 12, 13, 56, 57, 58, 59, 300]).map("온".__mul__),
    st.integers(0, 90).map("x".__mul__),
)
VALUES = {
    "INTEGER": st.one_of(st.none(), WHOLE),
    "REAL": st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**40), 2**40).map(float)),
    "TEXT": st.one_of(st.none(), TEXT),
}


def make(path: Path, *statements: str, page_bytes: int = 4096, rows: list[tuple] | None = None) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        for statement in statements:
            connection.execute(statement)
        if rows:
            connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.commit()


def source(path: Path) -> SqliteSource:
    opened = open_source(SourceSpec("a.db/t", "sqlite", path, "sensor_data", table="t"))
    assert isinstance(opened, SqliteSource)
    return opened


def read(path: Path, batch_rows: int, streams: int = 1) -> list[tuple]:
    """All rows, by the pages alone: reading by row fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteSource, "_by_row", None)
        opened = source(path)
        rows: list[tuple] = []
        for stream in opened.streams(batch_rows, streams):
            for frame in stream:
                rows += frame.drop("@key", "@order").rows()
        return rows


def as_sqlite_gives_them(path: Path) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM t ORDER BY rowid").fetchall()


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_rows_are_those_that_sqlite_gives(data: st.DataObject) -> None:
    declared = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=6))
    rows = data.draw(st.lists(st.tuples(*(VALUES[kind] for kind in declared)), min_size=1, max_size=40))
    page_bytes = data.draw(st.sampled_from([4096, 8192, 65_536]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(declared))
        make(path, f"CREATE TABLE t ({columns})", page_bytes=page_bytes, rows=rows)
        assert read(path, data.draw(st.integers(1, 50)), data.draw(st.integers(1, 3))) == as_sqlite_gives_them(path)


def test_a_table_of_many_columns_and_many_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    columns = [f"c{number}" for number in range(150)]
    rows = [tuple((row * 7 + column) % 1000 for column in range(150)) for row in range(3_000)]
    make(path, f"CREATE TABLE t ({', '.join(columns)})", rows=rows)
    make(path, "DELETE FROM t WHERE c0 % 3 = 0")
    assert read(path, 700, 2) == as_sqlite_gives_them(path)


def test_columns_that_were_added_later_are_null_in_the_rows_of_before(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path, "CREATE TABLE t (a INTEGER)", rows=[(1,), (2,)])
    make(path, "ALTER TABLE t ADD COLUMN b TEXT", "INSERT INTO t VALUES (3, 'x')")
    assert read(path, 10) == [(1, None), (2, None), (3, "x")]


def test_a_default_that_was_added_later_is_asked_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path, "CREATE TABLE t (a INTEGER)", rows=[(1,), (2,)])
    make(path, "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'kWh'", "INSERT INTO t VALUES (3, 'x')")
    (frame,) = source(path).batches(10)
    assert frame["b"].to_list() == ["kWh", "kWh", "x"]


def test_rows_that_are_longer_than_a_page_are_asked_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    rows = [(number, "y" * (9_000 if number == 40 else 5)) for number in range(100)]
    make(path, "CREATE TABLE t (a INTEGER, b TEXT)", rows=rows)
    frames = list(source(path).batches(30))
    assert [row for frame in frames for row in frame.select("a", "b").rows()] == rows


@pytest.mark.parametrize("kept", ["STORED", "VIRTUAL"])
def test_columns_that_follow_from_others_are_asked_of_sqlite(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "a.db"
    make(
        path,
        f"CREATE TABLE t (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) {kept}, c TEXT)",
        "INSERT INTO t (a, c) VALUES (1, 'x'), (2, 'y')",
    )
    (frame,) = source(path).batches(10)
    assert frame.select("a", "b", "c").rows() == [(1, 2, "x"), (2, 4, "y")]


def test_pages_with_room_that_sqlite_does_not_use(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    rows = [(number, f"text {number}") for number in range(2_000)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("VACUUM")
    content = bytearray(path.read_bytes())
    # as programs that encrypt pages leave it
    content[20] = 32
    content[105:107] = (1024 - 32).to_bytes(2, "big")
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.commit()
    assert path.read_bytes()[20] == 32
    assert read(path, 300, 2) == rows
