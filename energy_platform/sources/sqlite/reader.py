"""Reads a table or view of a SQLite file, strictly read-only."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from energy_platform.domain.errors import SourceError
from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.sources.naming import listed, suggestion
from energy_platform.sources.source import (
    DEFAULT_BATCH_ROWS,
    Source,
    changed,
    empty_file,
    file_status,
    unreadable,
)
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN
from energy_platform.sources.sqlite.pages import leaf_pages
from energy_platform.sources.sqlite.records import (
    Affinity,
    InexactError,
    Span,
    TableShape,
    affinity,
    divided,
    quoted,
    record_frames,
)
from energy_platform.sources.sqlite.unmerged import needs_copy, readable_copy
from energy_platform.sources.sqlite.views import tables_behind
from energy_platform.sources.stretches import Stretch

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_WAL_VERSION = b"\x02"
_UNDECODABLE = object()
# few enough to stay in the processor's cache, and to give the garbage collector little to look at
_FETCHED_AT_ONCE = 2_000
# how many frames at most are read by row before the columnar reader is tried again
_MOST_PATIENCE = 64

#: How long to wait for somebody who writes.
BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table is read.

    Attributes:
        columns: names, in order.
        rowid: a name of the rowid; None where there is none.
        by_rowid: rows come by their rowid, and are known by it.
        identity: position in a row of what identifies it to people: the key, else the rowid behind the columns.
        shape: how the rows stand in the file, if they can be read straight from it: nobody seems to write, and they
            are known by their rowid.
        version: of the file before it was opened.
    """

    columns: tuple[str, ...]
    rowid: str | None
    by_rowid: bool
    identity: int | None
    shape: TableShape | None
    version: str


class SqliteSource(Source):
    """A table or view. Columns take the type of what they hold; a column of several kinds is String.

    Rows are known by their rowid (so by their key, where that is the table's INTEGER PRIMARY KEY), which is `@order`
    then. With another key, and in views and tables without a rowid, `@order` is the position.
    """

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        with self._connection() as connection:
            return self._columns(connection)

    def tables(self) -> tuple[str, ...]:
        """Every table and view of the file, without SQLite's own."""
        with self._connection() as connection:
            return self._tables(connection)

    def tables_behind(self) -> frozenset[str]:
        """The tables and views whose rows it shows, itself included."""
        with self._connection() as connection:
            return tables_behind(connection, self._table)

    def row_count(self) -> int:
        """How many rows there are."""
        with self._connection() as connection:
            self._columns(connection)
            return self._counted(connection)

    def estimated_rows(self) -> int | None:
        """How many rows a table has; None for a view, where counting may take as long as reading."""
        with self._connection() as connection:
            self._columns(connection)
            return self._counted(connection) if self._is_table(connection) else None

    def version(self) -> str:
        """Size, time of change, inode, change counter, and size and time of the write-ahead log."""
        parts = [super().version(), str(int.from_bytes(_header(self.spec.path, self.spec.name)[24:28], "big"))]
        log = _beside(self.spec.path, "-wal")
        if log.is_file() and (status := log.stat()).st_size:
            parts.append(f"{status.st_size}-{status.st_mtime_ns}")
        return "-".join(parts)

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows, by rowid, else by key; see `Source.batches`."""
        layout = self._layout()
        if layout.shape is not None:
            yield from self._columnar(layout, layout.shape, Span(), batch_rows)
        else:
            yield from self._by_row(layout, Span(), batch_rows)

    def streams(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, count: int = 1, within: Sequence[Stretch] | None = None
    ) -> list[Iterator[pl.DataFrame]]:
        """The rows in ranges of the rowid, about equally many leaves in each; see `Source.streams`."""
        if count > 1 or within is not None:
            layout = self._layout()
            if (shape := layout.shape) is not None:
                spans = divided(shape, count) if within is None else self._shared_out(layout, within, count)
                return [self._columnar(layout, shape, span, batch_rows) for span in spans]
        return super().streams(batch_rows, count, within)

    def parts(self) -> pl.DataFrame | None:
        """The leaves of the table's b-tree; see `Source.parts`."""
        layout = self._layout()
        if layout.shape is None:
            return None
        with self._connection() as connection:
            found = connection.execute(
                "SELECT name, type, rootpage, sql FROM sqlite_master WHERE rootpage > 0"
            ).fetchall()
        root, schema = next((page, text) for name, kind, page, text in found if (name, kind) == (self._table, "table"))
        try:
            leaves = leaf_pages(self.spec.path, root, [page for _, _, page, _ in found])
        except (ValueError, IndexError, OSError):
            # whoever reads the rows says what is wrong with the file
            return None
        self._check_version(layout)
        # the same bytes are other rows where a column has another default
        token = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], "big")
        return None if leaves is None else leaves.with_columns(pl.col("hash") ^ pl.lit(token, dtype=pl.UInt64))

    def _columnar(
        self, layout: _Layout, shape: TableShape, span: Span, batch_rows: int
    ) -> Generator[pl.DataFrame, None, None]:
        """Frames straight from the file, and by row wherever these are not to be had.

        Locks of a process are dropped when any of its descriptors of the file is closed, and here it is opened twice:
        so what tells that nobody wrote is the version, looked at again before the last lock is given up.
        """
        patience = 1
        while True:
            with self._connection() as connection:
                # a lock is taken by the first read
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                frames = record_frames(shape, span, batch_rows, lambda: self._check_version(layout))
                with closing(frames):
                    while True:
                        try:
                            frame = next(frames, None)
                        except InexactError:
                            break
                        if frame is None:
                            return
                        span = _after(frame, span)
                        patience = max(1, patience // 2)
                        yield frame
            plain = 0
            with closing(self._by_row(layout, span, batch_rows)) as frames:
                for frame in frames:
                    span, plain = _after(frame, span), plain + 1
                    yield frame
                    if plain == patience:
                        break
                else:
                    return
            # a table of which every batch fails costs one batch more at each attempt
            patience = min(4 * patience, _MOST_PATIENCE)

    def _by_row(self, layout: _Layout, span: Span, batch_rows: int) -> Generator[pl.DataFrame, None, None]:
        query = self._query(layout, span)
        with self._connection() as connection:
            # the lock is held until the version was looked at
            connection.execute("BEGIN")
            cursor = connection.execute(query)
            row = 0
            while True:
                try:
                    values = _fetched(cursor, batch_rows)
                except (sqlite3.OperationalError, UnicodeDecodeError) as error:
                    if "decode" in str(error).lower():
                        raise self._undecodable(layout) from None
                    raise
                if not values:
                    break
                yield _frame(values, layout, row)
                row += len(values[0])
            if not self._has_log():
                self._check_version(layout)

    def _check_version(self, layout: _Layout) -> None:
        if self.version() != layout.version:
            raise changed(self.spec.name)

    def _layout(self) -> _Layout:
        version = self.version()
        with self._connection() as connection:
            columns = self._columns(connection)
            rowid = self._rowid(connection, columns)
            key, alias = self.spec.key, self._rowid_alias(connection)
            by_rowid = rowid is not None and (key is None or key == alias)
            identity = columns.index(key) if key is not None else len(columns) if by_rowid else None
            shape = self._shape(connection, alias) if by_rowid else None
        return _Layout(columns, rowid, by_rowid, identity, shape, version)

    def _shape(self, connection: sqlite3.Connection, alias: str | None) -> TableShape | None:
        """How the rows stand in the file; None where it is not for us to say."""
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (self._table,)).fetchone()
        facts = connection.execute(f"PRAGMA table_xinfo({quoted(self._table)})").fetchall()
        # views and virtual tables have no root, and columns that follow from others have no place of their own
        if not root or any(hidden for *_, hidden in facts):
            return None
        if self._has_log() or _holds_something(_beside(self.spec.path, "-journal")):
            return None
        if connection.execute("PRAGMA encoding").fetchone()[0] != "UTF-8":
            return None
        affinities: dict[str, Affinity] = {name: affinity(kind) for _, name, kind, *_ in facts}
        without_default = frozenset(name for _, name, _, _, default, *_ in facts if default is None)
        return TableShape(self.spec.path, root, affinities, alias, without_default)

    def _shared_out(self, layout: _Layout, stretches: Sequence[Stretch], count: int) -> list[Span]:
        """Stretches of rowids in spans that are about equally long, however many rows lie in each."""
        with self._connection() as connection:
            (highest,) = connection.execute(f"SELECT max({layout.rowid}) FROM {quoted(self._table)}").fetchone()
        left = [(first, min(last, highest)) for first, last in stretches if highest is not None and first <= highest]
        length = max(1, -(-sum(last - first + 1 for first, last in left) // count))
        spans: list[Span] = []
        group: list[Stretch] = []
        room = length
        while left:
            first, last = left.pop(0)
            end = min(last, first + room - 1)
            group.append((first, end))
            room -= end - first + 1
            if end < last:
                left.insert(0, (end + 1, last))
            if not room:
                spans.append(_span_of(group))
                group, room = [], length
        return [*spans, _span_of(group)] if group else spans

    @property
    def _table(self) -> str:
        return self.spec.table or ""

    def _files(self) -> tuple[Path, ...]:
        log = _beside(self.spec.path, "-wal")
        return (self.spec.path, log) if _holds_something(log) else (self.spec.path,)

    def _has_log(self) -> bool:
        return _holds_something(_beside(self.spec.path, "-wal"))

    def _counted(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {quoted(self._table)}").fetchone()[0])

    def _is_table(self, connection: sqlite3.Connection) -> bool:
        """Whether the rows are stored in the file: views and virtual tables have no root."""
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (self._table,)).fetchone()
        return bool(found[0])

    def _rowid_alias(self, connection: sqlite3.Connection) -> str | None:
        """The INTEGER PRIMARY KEY, if the table has one."""
        facts = connection.execute(f"PRAGMA table_xinfo({quoted(self._table)})").fetchall()
        keys = [(name, kind) for _, name, kind, _, _, position, _ in facts if position]
        indexes = connection.execute(f"PRAGMA index_list({quoted(self._table)})").fetchall()
        # INTEGER PRIMARY KEY DESC is none: it has an index of its own
        if len(keys) == 1 and keys[0][1].upper() == "INTEGER" and all(origin != "pk" for _, _, _, origin, _ in indexes):
            return keys[0][0]
        return None

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
        cursor = connection.execute(f"SELECT * FROM {quoted(self._table)} LIMIT 0")
        return self._check_columns(tuple(column[0] for column in cursor.description))

    def _query(self, layout: _Layout, span: Span | None = None) -> str:
        """The columns, and the rowid behind them where the rows are known by it."""
        table = quoted(self._table)
        names = [f"{table}.{quoted(name)}" for name in layout.columns]
        if layout.by_rowid:
            assert layout.rowid is not None
            rows = (span or Span()).rows_of(table, layout.rowid)
            return f"SELECT {', '.join(names)}, {table}.{layout.rowid} FROM {rows}"
        order = [layout.rowid] if layout.rowid else []
        if layout.identity is not None:
            order.insert(0, names[layout.identity])
        query = f"SELECT {', '.join(names)} FROM {table}"
        return f"{query} ORDER BY {', '.join(order)}" if order else query

    def _rowid(self, connection: sqlite3.Connection, columns: tuple[str, ...]) -> str | None:
        """A name of the rowid that no column hides; None for views and tables that have none."""
        kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ?", (self._table,)).fetchone()[0]
        taken = {name.lower() for name in columns}
        for name in ("rowid", "_rowid_", "oid"):
            if kind == "table" and name not in taken:
                try:
                    connection.execute(f"SELECT {name} FROM {quoted(self._table)} LIMIT 0")
                except sqlite3.OperationalError:
                    return None
                return name
        return None

    def _undecodable(self, layout: _Layout) -> SourceError:
        """Finds the text that is no UTF-8, by reading again without decoding."""
        identity = layout.identity
        with self._connection() as connection:
            connection.text_factory = _decoded
            for number, row in enumerate(connection.execute(self._query(layout)), start=1):
                for name, value in zip(layout.columns, row, strict=False):
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

    def _nobody_writes(self, header: bytes) -> bool:
        # With no log there is nobody who writes; opening it as WAL would create files beside it
        return header[18:19] == _WAL_VERSION and not self._has_log()

    def _address(self, *, immutable: bool) -> str:
        path = self.spec.path.absolute()
        if self._has_log() and needs_copy(path):
            path = readable_copy(path, self.spec.name, self.version())
        return f"file:{quote(str(path))}?mode=ro{'&immutable=1' if immutable else ''}"

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
        immutable = self._nobody_writes(header)
        before = self.version() if immutable else ""
        address = self._address(immutable=immutable)
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


def _span_of(stretches: list[Stretch]) -> Span:
    (first, _), (_, last) = stretches[0], stretches[-1]
    return Span(first - 1, last, tuple(stretches) if len(stretches) > 1 else None)


def _header(path: Path, name: str) -> bytes:
    file_status(path, name)
    try:
        with path.open("rb") as stream:
            return stream.read(_HEADER_BYTES)
    except OSError as error:
        raise unreadable(name, error) from None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _after(frame: pl.DataFrame, span: Span) -> Span:
    return replace(span, after=frame.item(frame.height - 1, frame.width - 1))


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


def _frame(values: list[list[Any]], layout: _Layout, before: int) -> pl.DataFrame:
    series = [_series(column) for column in values]
    named = [column.alias(name) for name, column in zip(layout.columns, series, strict=False)]
    if layout.by_rowid:
        order = series[-1]
        key = pl.repeat(None, order.len(), dtype=pl.String, eager=True)
    else:
        order = pl.int_range(before + 1, before + len(values[0]) + 1, dtype=pl.Int64, eager=True)
        key = pl.repeat(None, order.len(), dtype=pl.String, eager=True)
        if layout.identity is not None:
            key = series[layout.identity].cast(pl.String)
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
    if kinds == {int, float} and all(
        type(value) is not int or -EXACT_INTEGERS <= value <= EXACT_INTEGERS for value in values
    ):
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"0x{value.hex()}" if isinstance(value, bytes) else repr(value)
