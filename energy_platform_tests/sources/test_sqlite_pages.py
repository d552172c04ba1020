"""Leaves of a table that have the same bytes hold the same rows; where that cannot be said, nothing is."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.sources.opening import open_source
from energy_platform.sources.source import Source
from energy_platform.sources.spec import SourceSpec
from energy_platform.sources.sqlite.pages import leaf_pages

FIRST = -(2**63)
ROWS = 400


def make(path: Path, *statements: str, page_bytes: int = 512) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        for statement in statements:
            connection.execute(statement)


def source(path: Path, table: str = "t") -> Source:
    return open_source(SourceSpec(f"{path.name}/{table}", "sqlite", path, "sensor_data", table=table))


def parts(path: Path, table: str = "t") -> pl.DataFrame:
    found = source(path, table).parts()
    assert found is not None
    return found


def rows_by_part(path: Path) -> dict[tuple[int, int, int], list[tuple]]:
    """Every leaf, by what it is known by, with the rows that SQLite itself has there."""
    held: dict[tuple[int, int, int], list[tuple]] = {}
    first = FIRST
    with closing(sqlite3.connect(path)) as connection:
        for last, content in parts(path).iter_rows():
            query = "SELECT rowid, * FROM t WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
            held[first, last, content] = connection.execute(query, (first, last)).fetchall()
            first = last + 1
    return held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


MADE = (
    "CREATE TABLE t (a TEXT, b REAL)",
    "CREATE INDEX t_a ON t (a)",
    f"""WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
    INSERT INTO t (rowid, a, b) SELECT i * 3, 'text ' || i, i / 8.0 FROM n""",
)
ROWID = st.integers(-5, ROWS * 3 + 5)
CHANGES = st.one_of(
    ROWID.map(lambda rowid: f"UPDATE t SET b = b + 1 WHERE rowid = {rowid}"),
    ROWID.map(lambda rowid: f"UPDATE t SET a = a || ' and more of it' WHERE rowid BETWEEN {rowid} AND {rowid + 30}"),
    ROWID.map(lambda rowid: f"DELETE FROM t WHERE rowid BETWEEN {rowid} AND {rowid + 60}"),
    ROWID.map(lambda rowid: f"INSERT OR REPLACE INTO t (rowid, a, b) VALUES ({rowid}, 'new', 1.5)"),
    st.integers(0, 2**63 - 1).map(lambda rowid: f"INSERT OR REPLACE INTO t (rowid, a) VALUES ({rowid}, 'far')"),
    st.integers(FIRST, 0).map(lambda rowid: f"INSERT OR REPLACE INTO t (rowid, a) VALUES ({rowid}, 'before')"),
    st.sampled_from(["VACUUM", "DELETE FROM t", "INSERT INTO t (a) SELECT a FROM t WHERE rowid < 900"]),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=6))
def test_a_leaf_that_is_known_by_the_same_holds_the_same_rows(changes: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        make(path, *MADE)
        before = rows_by_part(path)
        assert sum(map(len, before.values())) == ROWS
        make(path, *changes)
        after = rows_by_part(path)
        with closing(sqlite3.connect(path)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM t").fetchone()
    assert sum(map(len, after.values())) == count
    for known in before.keys() & after.keys():
        assert before[known] == after[known]


def test_only_the_leaf_of_a_changed_row_is_another(path: Path) -> None:
    make(path, *MADE)
    before = parts(path)
    make(path, "UPDATE t SET b = -1 WHERE rowid = 600")
    after = parts(path)
    assert before["last"].to_list() == after["last"].to_list()
    differing = before.filter(before["hash"] != after["hash"])["last"].to_list()
    assert len(differing) == 1
    assert differing[0] >= 600 > [FIRST, *before["last"]][before["last"].to_list().index(differing[0])]


def test_another_default_of_a_column_makes_other_rows_of_the_same_bytes(path: Path) -> None:
    make(path, *MADE)
    before = parts(path)
    make(path, "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new'")
    assert not (before["hash"] == parts(path)["hash"]).any()


@pytest.mark.parametrize(
    ("statements", "table"),
    [
        pytest.param(("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID",), "t", id="without rowid"),
        pytest.param(("CREATE TABLE u (a)", "CREATE VIEW t AS SELECT a FROM u"), "t", id="view"),
        pytest.param((*MADE, "INSERT INTO t (a) VALUES (hex(zeroblob(900)))"), "t", id="a row longer than a page"),
        pytest.param(("PRAGMA auto_vacuum = FULL", *MADE), "t", id="pages that tell of others"),
    ],
)
def test_nothing_is_said_where_rows_may_stand_elsewhere(path: Path, statements: tuple[str, ...], table: str) -> None:
    make(path, *statements)
    assert source(path, table).parts() is None


def test_nothing_is_said_of_a_file_with_an_unmerged_log(path: Path) -> None:
    make(path, *MADE)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE t SET b = 0")
        writer.commit()
        assert source(path).parts() is None


@pytest.mark.parametrize("child", [b"\x00\x00\x00\x02", b"\x7f\x00\x00\x00"], ids=["itself", "beyond the end"])
def test_a_tree_that_is_none_is_an_error(path: Path, child: bytes) -> None:
    make(path, *MADE)
    content = bytearray(path.read_bytes())
    # the last child of the table's root, page 2
    content[512 + 8 : 512 + 12] = child
    path.write_bytes(content)
    with pytest.raises((ValueError, IndexError)):
        leaf_pages(path, 2, [2])


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda ends: tuple(sorted(ends))), max_size=5),
    st.integers(1, 3),
    st.integers(1, 50),
)
def test_stretches_give_the_rows_that_lie_in_them(
    stretches: list[tuple[int, int]], count: int, batch_rows: int
) -> None:
    apart: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        if not apart or first > apart[-1][1]:
            apart.append((first, last))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.db")
        # named like what the query itself names
        make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, column1 TEXT, stretch REAL)")
        make(path, *(f"INSERT INTO t VALUES ({i * 2}, 'x{i}', {i + 0.5})" for i in range(120)))
        opened = source(path)
        everything = pl.concat(opened.batches(1000))
        streams = opened.streams(batch_rows, count, apart)
        assert len(streams) <= count
        found = [frame for stream in streams for frame in stream]
    place = pl.col("@order")
    inside = pl.any_horizontal(pl.lit(value=False), *(place.is_between(first, last) for first, last in apart))
    expected = everything.filter(inside)
    together = pl.concat([expected.clear(), *found], how="vertical_relaxed")
    assert_frame_equal(together, expected)
