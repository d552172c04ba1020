"""SQLite files: what they hold, whatever its kind, and nothing written to them."""

import math
import os
import sqlite3
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import SourceError, SourceMissingError
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec
from energy_platform.sources.sqlite import reader
from energy_platform.sources.sqlite.reader import SqliteSource


def make(path: Path, *statements: str, rows: list[tuple] | None = None) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    if rows:
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()


def source(path: Path, table: str = "t", key: str | None = None) -> SqliteSource:
    opened = open_source(SourceSpec(f"{path.name}/{table}", "sqlite", path, "sensor_data", table=table, key=key))
    assert isinstance(opened, SqliteSource)
    return opened


def whole(opened: SqliteSource) -> pl.DataFrame:
    return pl.concat(opened.batches(1000))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.db"


def refused(path: Path, **facts) -> SourceError:
    with pytest.raises(SourceError) as caught:
        list(source(path, **facts).batches(10))
    assert caught.value.where == f"a.db/{facts.get('table', 't')}"
    assert caught.value.remedy
    return caught.value


def column(path: Path, *values) -> pl.Series:
    path.unlink(missing_ok=True)
    make(path, "CREATE TABLE t (v)", rows=[(value,) for value in values])
    return whole(source(path))["v"]


def test_columns_take_the_type_of_what_they_hold(path):
    assert column(path, 1, None, 2**63 - 1, -(2**63)).to_list() == [1, None, 2**63 - 1, -(2**63)]
    assert column(path, 1, None).dtype == pl.Int64
    assert column(path, 1.5, None).dtype == pl.Float64
    assert column(path, 1.5, 2**53).to_list() == [1.5, float(2**53)]
    assert column(path, 1.5, 2**53 + 1, None).to_list() == ["1.5", "9007199254740993", None]
    assert column(path, "a", 0.1, 7, None, 1e300).to_list() == ["a", "0.1", "7", None, "1e+300"]
    assert column(path, b"\x00\xff", "x", None).to_list() == ["0x00ff", "x", None]
    assert column(path, b"\x00\xff").to_list() == ["0x00ff"]
    assert column(path, None, None).dtype == pl.String
    assert column(path, math.inf, -math.inf).to_list() == [math.inf, -math.inf]
    assert column(path, "", "  ", "a\0b", "온도").to_list() == ["", "  ", "a\0b", "온도"]


def test_types_may_differ_between_batches(path):
    make(path, "CREATE TABLE t (v)", rows=[(1,), (2,), ("x",)])
    assert [frame["v"].dtype for frame in source(path).batches(2)] == [pl.Int64, pl.String]


def test_rows_come_by_key_else_by_rowid(path):
    make(path, "CREATE TABLE t (code TEXT, v)", rows=[("b", 1), ("a", 2), (None, 3), ("a", 4)])
    by_rowid = whole(source(path))
    assert by_rowid["v"].to_list() == [1, 2, 3, 4]
    assert by_rowid["@key"].to_list() == [None] * 4
    assert by_rowid["@order"].to_list() == [1, 2, 3, 4]
    by_key = whole(source(path, key="code"))
    assert by_key["v"].to_list() == [3, 2, 4, 1]
    assert by_key["@key"].to_list() == [None, "a", "a", "b"]
    assert by_key["@order"].to_list() == [1, 2, 3, 4]
    assert by_key.columns == ["code", "v", "@key", "@order"]
    assert by_key.schema["@key"] == pl.String
    assert by_key.schema["@order"] == pl.Int64


def test_the_rowid_stays_when_rows_go(path):
    make(path, "CREATE TABLE t (v)", rows=[(1,), (2,), (3,)])
    make(path, "DELETE FROM t WHERE v = 1")
    assert whole(source(path))["@order"].to_list() == [2, 3]


@pytest.mark.parametrize("table", ["t (v, id INTEGER PRIMARY KEY)", 't (v, id "integer", PRIMARY KEY (id))'])
def test_a_key_that_is_the_rowid_is_the_order(path, table):
    make(path, f"CREATE TABLE {table}", "INSERT INTO t VALUES ('a', 900), ('b', -5), ('c', 17)")
    frame = whole(source(path, key="id"))
    assert frame.schema == {"v": pl.String, "id": pl.Int64, "@key": pl.String, "@order": pl.Int64}
    assert frame.rows() == [("b", -5, None, -5), ("c", 17, None, 17), ("a", 900, None, 900)]


@pytest.mark.parametrize("kind", ["INTEGER PRIMARY KEY DESC", "INT PRIMARY KEY", "INTEGER UNIQUE"])
def test_a_whole_number_key_that_is_not_the_rowid_gives_positions(path, kind):
    make(path, f"CREATE TABLE t (id {kind})", "INSERT INTO t VALUES (900), (-5), (17)")
    assert whole(source(path, key="id")).rows() == [(-5, "-5", 1), (17, "17", 2), (900, "900", 3)]


def test_tables_without_rowid_and_views_and_hidden_rowids(path):
    make(
        path,
        "CREATE TABLE w (code TEXT PRIMARY KEY, v) WITHOUT ROWID",
        "INSERT INTO w VALUES ('b', 1), ('a', 2)",
        "CREATE VIEW seen AS SELECT v AS other FROM w ORDER BY v",
        "CREATE TABLE h (rowid TEXT, oid TEXT)",
        "INSERT INTO h VALUES ('x', 'y')",
    )
    assert whole(source(path, "w"))["@key"].to_list() == [None, None]
    assert whole(source(path, "w"))["@order"].to_list() == [1, 2]
    assert whole(source(path, "w", key="code"))["@key"].to_list() == ["a", "b"]
    assert whole(source(path, "seen"))["other"].to_list() == [1, 2]
    assert whole(source(path, "h")).to_dicts() == [{"rowid": "x", "oid": "y", "@key": None, "@order": 1}]
    assert source(path, "w").tables() == ("h", "seen", "w")


def test_names_that_need_quotes(path):
    make(path, 'CREATE TABLE "t ""x""; --" ("a b" INTEGER, "건물 ""1""" TEXT)')
    make(path, 'INSERT INTO "t ""x""; --" VALUES (1, \'v\')')
    opened = source(path, 't "x"; --', key='건물 "1"')
    assert opened.columns() == ("a b", '건물 "1"')
    assert whole(opened)["@key"].to_list() == ["v"]


def test_paths_that_need_encoding(tmp_path):
    path = tmp_path / "건물 100%? #1.db"
    make(path, "CREATE TABLE t (v)", rows=[(1,)])
    assert whole(source(path))["v"].to_list() == [1]


def test_empty_tables_and_counts(path):
    make(path, "CREATE TABLE t (a, b)")
    opened = source(path)
    assert opened.columns() == ("a", "b")
    assert list(opened.batches()) == []
    assert opened.row_count() == 0
    make(path, rows=[(1, 2), (3, 4)])
    assert opened.row_count() == 2


def test_batches_are_no_larger_than_asked_for(path):
    make(path, "CREATE TABLE t (v)", rows=[(i,) for i in range(5001)])
    frames = list(source(path).batches(2500))
    assert [frame.height for frame in frames] == [2500, 2500, 1]
    assert pl.concat(frames)["v"].to_list() == list(range(5001))
    assert pl.concat(frames)["@order"].to_list() == list(range(1, 5002))


def test_tables_and_columns_that_are_not_there(path):
    make(path, "CREATE TABLE readings (a, b)")
    error = refused(path, table="reading")
    assert error.what == "There is no table or view 'reading' in a.db."
    assert error.remedy == "Did you mean 'readings'? Tables are 'readings'."


def test_missing_empty_and_foreign_files(path):
    with pytest.raises(SourceMissingError):
        source(path).columns()
    path.write_bytes(b"")
    assert refused(path).what == "The file is empty (0 bytes)."
    path.write_text("a,b\n1,2\n")
    assert refused(path).what == "This is no SQLite file."
    assert "csv:" in refused(path).remedy


def test_corrupt_files(path):
    make(path, "CREATE TABLE t (v)", rows=[(f"text {i}" * 20,) for i in range(2000)])
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    error = refused(path)
    assert "corrupt" in error.what
    assert "backup" in error.remedy
    content[4096 : len(content)] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    assert "corrupt" in refused(path).what


def test_a_locked_file(path, monkeypatch):
    make(path, "CREATE TABLE t (v)", rows=[(1,)])
    monkeypatch.setattr(reader, "BUSY_SECONDS", 0.1)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        error = refused(path)
    finally:
        writer.close()
    assert error.what == "The file is locked by another program, and stayed so for 0.1 s."
    assert "Stop the program" in error.remedy


def test_text_that_is_no_utf8(path):
    make(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, raw BLOB, name TEXT)")
    make(path, "INSERT INTO t VALUES (5, x'ff', 'good'), (9, x'ff', CAST(x'b0ad' AS TEXT))")
    error = refused(path)
    assert error.what == "Row 2 (key 9) holds text in column 'name' that is no UTF-8."
    assert refused(path, key="name").what == "Row 2 holds text in column 'name' that is no UTF-8."


def test_utf16_databases(path):
    make(path, "PRAGMA encoding = 'UTF-16le'", "CREATE TABLE t (v)", rows=[("온도 °C 😀",)])
    assert whole(source(path))["v"].to_list() == ["온도 °C 😀"]


def test_reserved_column_names(path):
    make(path, 'CREATE TABLE t ("@key" TEXT)')
    assert "'@key', which is reserved" in refused(path).what


def test_a_write_ahead_log_without_a_writer_leaves_the_folder_as_it_is(path):
    make(path, "PRAGMA journal_mode = wal", "CREATE TABLE t (v)", rows=[(1,)])
    assert [file.name for file in path.parent.iterdir()] == ["a.db"]
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert whole(source(path))["v"].to_list() == [1]
        assert [file.name for file in path.parent.iterdir()] == ["a.db"]
    finally:
        path.parent.chmod(0o700)


def test_rows_in_the_write_ahead_log_are_read(path):
    make(path, "PRAGMA journal_mode = wal", "CREATE TABLE t (v)", rows=[(1,)])
    writer = sqlite3.connect(path)
    opened = source(path)
    version, digest = opened.version(), opened.content_hash()
    writer.execute("INSERT INTO t VALUES (2)")
    writer.commit()
    assert whole(opened)["v"].to_list() == [1, 2]
    assert opened.version() != version
    assert opened.content_hash() != digest
    writer.close()


def test_an_interrupted_writer(path):
    make(path, "CREATE TABLE t (v)", rows=[(1,)])
    # a rollback journal that is hot: it has to be played back before anybody may read
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN")
    writer.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,) for _ in range(500)])
    copy = path.with_name("copy")
    copy.mkdir()
    for name in ("a.db", "a.db-journal"):
        (copy / name).write_bytes((path.parent / name).read_bytes())
    writer.close()
    before = sorted(file.name for file in copy.iterdir()), (copy / "a.db").read_bytes()
    with pytest.raises(SourceError) as caught:
        list(source(copy / "a.db").batches())
    assert "opened for reading alone" in caught.value.what
    assert "interrupted" in caught.value.remedy
    assert (sorted(file.name for file in copy.iterdir()), (copy / "a.db").read_bytes()) == before


def test_a_file_that_changes_while_it_is_read_without_locks(path):
    make(path, "PRAGMA journal_mode = wal", "CREATE TABLE t (v)", rows=[(i,) for i in range(10)])
    batches = source(path).batches(2)
    next(batches)
    make(path, "INSERT INTO t VALUES (99)")
    with pytest.raises(SourceError, match="written while it was read"):
        list(batches)


def test_version_knows_changes_of_the_same_size_and_time(path):
    make(path, "CREATE TABLE t (v)", rows=[(1,)])
    opened = source(path)
    status, version = path.stat(), opened.version()
    make(path, "UPDATE t SET v = 2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert opened.version() != version


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
    st.binary(max_size=4),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=8))
def test_mixed_values_are_exact(values):
    with tempfile.TemporaryDirectory() as folder:
        found = column(Path(folder, "a.db"), *values)
        for value, got in zip(values, found.to_list(), strict=True):
            if value is None:
                assert got is None
            elif isinstance(value, bytes):
                assert got == "0x" + value.hex()
            elif isinstance(value, str):
                assert got == value
            elif found.dtype == pl.String:
                assert type(value)(got) == value
                assert got == repr(value)
            else:
                assert got == value
                assert not isinstance(value, int) or int(got) == value
