"""Reads a table or view of a SQLite file, strictly read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from energy_platform.domain.errors import SourceError
from energy_platform.sources.naming import listed, suggestion
from energy_platform.sources.source import DEFAULT_BATCH_ROWS, Source, changed, empty_file, file_status, unreadable
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_WAL_VERSION = 2
_EXACT = 2**53
_UNDECODABLE = object()
# few enough to stay in the processor's cache, and to give the garbage collector little to look at
_FETCHED_AT_ONCE = 2_000

#: How long to wait for somebody who writes.
BUSY_SECONDS = 5.0


class SqliteSource(Source):
    """A table or view. Columns take the type of what they hold; a column of several kinds is String."""

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        with self._connection() as connection:
            return self._columns(connection)

    def tables(self) -> tuple[str, ...]:
        """Every table and view of the file, without SQLite's own."""
        with self._connection() as connection:
            return self._tables(connection)

    def row_count(self) -> int:
        """How many rows there are."""
        with self._connection() as connection:
            self._columns(connection)
            return int(connection.execute(f"SELECT count(*) FROM {_quoted(self._table)}").fetchone()[0])

    def version(self) -> str:
        """Size, time of change, inode, change counter, and size and time of the write-ahead log."""
        parts = [super().version(), str(int.from_bytes(_header(self.spec.path, self.spec.name)[24:28], "big"))]
        log = _beside(self.spec.path, "-wal")
        if log.is_file() and (status := log.stat()).st_size:
            parts.append(f"{status.st_size}-{status.st_mtime_ns}")
        return "-".join(parts)

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows, by key, else by rowid; see `Source.batches`."""
        with self._connection() as connection:
            columns = self._columns(connection)
            query, identity = self._query(connection, columns)
            cursor = connection.execute(query)
            row = 0
            while True:
                try:
                    values = _fetched(cursor, batch_rows)
                except (sqlite3.OperationalError, UnicodeDecodeError) as error:
                    if "decode" in str(error).lower():
                        raise self._undecodable(query, columns, identity) from None
                    raise
                if not values:
                    return
                yield _frame(values, columns, row, identity)
                row += len(values[0])

    @property
    def _table(self) -> str:
        return self.spec.table or ""

    def _files(self) -> tuple[Path, ...]:
        log = _beside(self.spec.path, "-wal")
        return (self.spec.path, log) if log.is_file() and log.stat().st_size else (self.spec.path,)

    def _tables(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
        return tuple(sorted(name for (name,) in rows))

    def _columns(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        tables = self._tables(connection)
        if self._table not in tables:
            raise SourceError(
                f"There is no table or view {self._table!r} in {self.spec.path.name}.",
                where=self.spec.name,
                remedy=f"{suggestion(self._table, tables)}Tables are {listed(tables)}.",
            )
        cursor = connection.execute(f"SELECT * FROM {_quoted(self._table)} LIMIT 0")
        return self._check_columns(tuple(column[0] for column in cursor.description))

    def _query(self, connection: sqlite3.Connection, columns: tuple[str, ...]) -> tuple[str, int | None]:
        """The query, and which of its columns identifies the row: the key, else a rowid behind the others."""
        rowid = self._rowid(connection, columns)
        names = [_quoted(name) for name in columns]
        order = [rowid] if rowid else []
        identity: int | None = None
        if self.spec.key is not None:
            identity = columns.index(self.spec.key)
            order.insert(0, names[identity])
        elif rowid:
            identity = len(names)
            names.append(rowid)
        query = f"SELECT {', '.join(names)} FROM {_quoted(self._table)}"
        return f"{query} ORDER BY {', '.join(order)}" if order else query, identity

    def _rowid(self, connection: sqlite3.Connection, columns: tuple[str, ...]) -> str | None:
        """A name of the rowid that no column hides; None for views and tables that have none."""
        kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (self._table,)).fetchone()[0]
        taken = {name.lower() for name in columns}
        for name in ("rowid", "_rowid_", "oid"):
            if kind == "table" and name not in taken:
                try:
                    connection.execute(f"SELECT {name} FROM {_quoted(self._table)} LIMIT 0")
                except sqlite3.OperationalError:
                    return None
                return name
        return None

    def _undecodable(self, query: str, columns: tuple[str, ...], identity: int | None) -> SourceError:
        """Finds the text that is no UTF-8, by reading again without decoding."""
        with self._connection() as connection:
            connection.text_factory = _decoded
            for number, row in enumerate(connection.execute(query), start=1):
                for name, value in zip(columns, row, strict=False):
                    if value is _UNDECODABLE:
                        key = _UNDECODABLE if identity is None else row[identity]
                        known = "" if key is _UNDECODABLE else f" (key {key})"
                        return SourceError(
                            f"Row {number}{known} holds text in column {name!r} that is no UTF-8.",
                            where=self.spec.name,
                            remedy="Mend that text in a copy of the file: SQLite text must be UTF-8.",
                        )
        return SourceError(
            "It holds text that is no UTF-8.", where=self.spec.name, remedy="Mend the text in a copy of the file."
        )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        path, name = self.spec.path, self.spec.name
        if file_status(path, name).st_size == 0:
            raise empty_file(name)
        header = _header(path, name)
        if not header.startswith(_MAGIC):
            raise SourceError(
                "This is no SQLite file.", where=name, remedy="Name a SQLite file, or use `csv:` or `json:` for it."
            )
        log = _beside(path, "-wal")
        # With no log there is nobody who writes; opening it as WAL would create files beside it
        immutable = header[18] == _WAL_VERSION and not (log.exists() and log.stat().st_size)
        before = self.version() if immutable else ""
        address = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"
        try:
            connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._explained(error) from None
        try:
            connection.execute("PRAGMA query_only = 1")
            yield connection
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._explained(error) from None
        finally:
            connection.close()
        if immutable and self.version() != before:
            raise changed(name)

    def _explained(self, error: Exception) -> SourceError:
        name = self.spec.name
        message = " ".join(str(error).split())
        if "locked" in message or "busy" in message:
            return SourceError(
                f"The file is locked by another program, and stayed so for {BUSY_SECONDS:g} s.",
                where=name,
                remedy="Stop the program that writes to it, or copy the file, and run again.",
            )
        if "malformed" in message or "not a database" in message or "corrupt" in message:
            return SourceError(
                f"The file is corrupt: {message}.",
                where=name,
                remedy="Restore it from a backup, or save what is left with `sqlite3 file .recover`.",
            )
        if "unable to open" in message or "readonly" in message:
            return SourceError(
                f"The file cannot be opened for reading alone: {message}.",
                where=name,
                remedy="A writer was interrupted: let `sqlite3` open a copy once, which mends it, and use the copy.",
            )
        return SourceError(f"SQLite cannot read it: {message}.", where=name, remedy="Check the file with `sqlite3`.")


def _header(path: Path, name: str) -> bytes:
    file_status(path, name)
    try:
        with path.open("rb") as stream:
            return stream.read(_HEADER_BYTES)
    except OSError as error:
        raise unreadable(name, error) from None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _decoded(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _UNDECODABLE


def _fetched(cursor: sqlite3.Cursor, count: int) -> list[list[Any]]:
    """The values of at most `count` further rows, by column; empty where there are none."""
    columns: list[list[Any]] = []
    while count > 0 and (rows := cursor.fetchmany(min(count, _FETCHED_AT_ONCE))):
        if not columns:
            columns = [[] for _ in rows[0]]
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
        count -= len(rows)
    return columns


def _frame(values: list[list[Any]], columns: tuple[str, ...], before: int, identity: int | None) -> pl.DataFrame:
    order = pl.int_range(before + 1, before + len(values[0]) + 1, dtype=pl.Int64, eager=True)
    series = [_series(column) for column in values]
    key = order.cast(pl.String)
    if identity is not None:
        key = series[identity].cast(pl.String).zip_with(series[identity].is_not_null(), key)
    named = [column.alias(name) for name, column in zip(columns, series, strict=False)]
    return pl.DataFrame([*named, key.alias(KEY_COLUMN), order.alias(ORDER_COLUMN)])


def _series(values: list[Any]) -> pl.Series:
    """A column in the type of what it holds."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds == {int}:
        return pl.Series(values, dtype=pl.Int64)
    if kinds == {float}:
        return pl.Series(values, dtype=pl.Float64)
    if kinds <= {str}:
        return pl.Series(values, dtype=pl.String)
    if kinds == {int, float} and all(type(value) is not int or -_EXACT <= value <= _EXACT for value in values):
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"0x{value.hex()}" if isinstance(value, bytes) else repr(value)
