"""Rows out of PostgreSQL in large pieces: the server gathers the values of thousands of rows into one message.

A message for each row, which is what COPY sends, costs the client more than all else that is done with the row.
Numbers come as their binary form end to end, texts with a NUL behind each, so that whole columns are read at once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
import pyarrow as pa
from psycopg import sql

Kind = Literal["float", "integer", "boolean", "time", "date", "text"]

#: A not-a-number that no program writes by itself stands for a null, other bytes than any text's for a null text.
_NULL_FLOAT: Final = 0x7FF800000000DEAD
_NULL_TEXT: Final = 0xFF
_EPOCH_MICROSECONDS: Final = 946_684_800_000_000
_EPOCH_DAYS: Final = 10_957

#: What the server sends of each column; flags of the nulls come beside the kinds that have no value to spare.
_SENT: Final[Mapping[Kind, str]] = {
    "float": rf"string_agg(COALESCE(float8send({{}}::float8), '\x{_NULL_FLOAT:016x}'), '')",
    "integer": "string_agg(int8send(COALESCE({}::bigint, 0)), '')",
    "boolean": "string_agg(boolsend(COALESCE({}, false)), '')",
    "time": "string_agg(timestamptz_send(COALESCE({}, 'epoch')), '')",
    "date": "string_agg(date_send(COALESCE({}, 'epoch')), '')",
    "text": rf"string_agg(COALESCE(textsend({{}}::text), '\x{_NULL_TEXT:02x}') || '\x00', '')",
}
_FLAGGED: Final = frozenset[Kind]({"integer", "boolean", "time", "date"})
_NULLS: Final = "string_agg(boolsend({} IS NULL), '')"

#: About how many bytes of a table are gathered into one message.
_MESSAGE_BYTES: Final = 4 << 20
#: Rows of one message where they are found by an index.
_MESSAGE_ROWS: Final = 32_768
_PAGE: Final = 8_192
#: A smaller part of a table is read as a whole, whatever is asked of it.
_SMALL_PAGES: Final = 4_096
#: A name that no column has: a field's holds no line break.
_COUNTER: Final = sql.Identifier("page\nor piece")
_BOUNDS: Final = re.compile(r"FROM \('([^']+)'\) TO \('([^']+)'\)")


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: sql.Identifier
    pages: int
    bytes: int
    first: datetime | None
    after: datetime | None


def gather(
    connection: psycopg.Connection,
    table: tuple[str, str],
    columns: Mapping[str, Kind],
    condition: sql.Composable,
    start: datetime | None = None,
    stop: datetime | None = None,
    *,
    required: frozenset[str] = frozenset(),
) -> Iterator[pl.DataFrame]:
    """Rows of a table, partitioned by ranges of `time` or not at all, in no order.

    Args:
        connection: a transaction; where the table is to be seen at one instant, one of REPEATABLE READ.
        table: schema and name.
        columns: and as what they are read.
        condition: of the rows; it holds the limits of time, too.
        start: limits of time that say which partitions are not needed.
        stop: not included.
        required: columns that hold no null.

    Yields:
        frames of some ten thousand rows.
    """
    for leaf in _leaves(connection, table):
        before = leaf.after is not None and start is not None and leaf.after <= start
        behind = leaf.first is not None and stop is not None and leaf.first >= stop
        if leaf.pages and not before and not behind:
            query = _query(leaf, columns, condition, required, whole=_is_wide(leaf, start, stop))
            with connection.cursor().copy(query) as copy:
                # a message ends before the next begins, so that a piece is decoded while the server makes another
                while message := copy.read():
                    yield from _decoded(bytes(message), columns, required)


def _leaves(connection: psycopg.Connection, table: tuple[str, str]) -> list[_Leaf]:
    rows = connection.execute(
        "SELECT n.nspname, c.relname, pg_relation_size(c.oid), pg_table_size(c.oid),"
        " pg_get_expr(c.relpartbound, c.oid) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        # a table that is not partitioned is no tree at all
        " WHERE c.oid = to_regclass(%s) AND c.relkind = 'r'"
        " OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(%s)) WHERE isleaf) ORDER BY c.relname",
        [sql.Identifier(*table).as_string(connection)] * 2,
    ).fetchall()
    leaves: list[_Leaf] = []
    for schema, name, main, with_long_texts, bounds in rows:
        found = _BOUNDS.search(bounds or "")
        first, after = (datetime.fromisoformat(text) for text in found.groups()) if found else (None, None)
        leaves.append(_Leaf(sql.Identifier(schema, name), -(-main // _PAGE), with_long_texts, first, after))
    return leaves


def _is_wide(leaf: _Leaf, start: datetime | None, stop: datetime | None) -> bool:
    """Whether so much of a partition is asked for that it is read from end to end."""
    if leaf.pages <= _SMALL_PAGES or leaf.first is None or leaf.after is None:
        return leaf.pages <= _SMALL_PAGES or (start is None and stop is None)
    first = leaf.first if start is None else max(start, leaf.first)
    after = leaf.after if stop is None else min(stop, leaf.after)
    return (after - first) * 10 >= leaf.after - leaf.first


def _query(
    leaf: _Leaf, columns: Mapping[str, Kind], condition: sql.Composable, required: frozenset[str], *, whole: bool
) -> sql.Composed:
    sent: list[sql.Composable] = [sql.SQL("count(*)")]
    for name, kind in columns.items():
        column = sql.Identifier(name)
        sent.append(sql.SQL(_SENT[kind]).format(column))  # pyright: ignore[reportArgumentType]  of this module's own
        if kind in _FLAGGED and name not in required:
            sent.append(sql.SQL(_NULLS).format(column))
    gathered = sql.SQL(", ").join(sent)
    if whole:
        # long texts lie beside the pages
        pages = max(1, _MESSAGE_BYTES // max(_PAGE, leaf.bytes // leaf.pages))
        return sql.SQL(
            "COPY (SELECT piece.* FROM generate_series(0, {last}::bigint, {pages}) AS {counter} CROSS JOIN LATERAL ("
            # OFFSET 0: pages first, then the condition; else a server that takes the table for an empty one, as it does
            # after a large load, looks for all its rows by an index again for every piece
            "SELECT {gathered} FROM (SELECT * FROM {leaf} WHERE ctid >= ('(' || {counter} || ',0)')::tid"
            " AND ctid < ('(' || {counter} + {pages} || ',0)')::tid OFFSET 0) AS pages WHERE {condition}"
            ") AS piece WHERE piece.count > 0) TO STDOUT (FORMAT binary)"
        ).format(
            last=sql.Literal(leaf.pages),
            pages=sql.Literal(pages),
            counter=_COUNTER,
            gathered=gathered,
            leaf=leaf.name,
            condition=condition,
        )
    return sql.SQL(
        "COPY (SELECT {gathered} FROM (SELECT *, (row_number() OVER () - 1) / {rows} AS {counter} FROM {leaf}"
        " WHERE {condition}) AS numbered GROUP BY {counter}) TO STDOUT (FORMAT binary)"
    ).format(gathered=gathered, rows=sql.Literal(_MESSAGE_ROWS), counter=_COUNTER, leaf=leaf.name, condition=condition)


def _decoded(message: bytes, columns: Mapping[str, Kind], required: frozenset[str]) -> Iterator[pl.DataFrame]:
    at = 0
    if message.startswith(b"PGCOPY\n\xff\r\n\0"):
        at = 19 + struct.unpack_from(">i", message, 15)[0]
    if len(message) < at + 2 or struct.unpack_from(">h", message, at)[0] < 0:
        return
    at += 2
    fields: list[memoryview] = []
    view = memoryview(message)
    while at < len(message):
        (length,) = struct.unpack_from(">i", message, at)
        at += 4
        fields.append(view[at : at + max(length, 0)])
        at += max(length, 0)
    found = iter(fields)
    (rows,) = struct.unpack(">q", next(found))
    yield pl.DataFrame(
        {
            name: _column(kind, next(found), rows, next(found) if kind in _FLAGGED and name not in required else None)
            for name, kind in columns.items()
        }
    )


def _column(kind: Kind, content: memoryview, rows: int, nulls: memoryview | None) -> pl.Series:
    if kind == "text":
        return _texts(content, rows)
    values: pl.Series
    absent: npt.NDArray[np.bool_] | None = None if nulls is None else np.frombuffer(nulls, dtype=np.bool_)
    if kind == "float":
        bits = np.frombuffer(content, dtype=">u8").astype(np.uint64)
        absent = bits == _NULL_FLOAT
        values = pl.Series(bits.view(np.float64))
    elif kind == "boolean":
        values = pl.Series(np.frombuffer(content, dtype=np.bool_))
    elif kind == "date":
        values = pl.Series(np.frombuffer(content, dtype=">i4").astype(np.int32) + _EPOCH_DAYS).cast(pl.Date)
    else:
        numbers = np.frombuffer(content, dtype=">i8").astype(np.int64)
        values = pl.Series(numbers)
        if kind == "time":
            values = pl.Series(numbers + _EPOCH_MICROSECONDS).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return values if absent is None else _without(values, absent)


def _texts(content: memoryview, rows: int) -> pl.Series:
    codes = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(codes == 0)
    starts = np.empty(rows, dtype=np.int64)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    absent = codes[starts] == _NULL_TEXT
    if absent.all():
        return pl.Series(values=[None], dtype=pl.String).new_from_index(0, rows)
    if absent.any():
        codes = codes.copy()
        codes[starts[absent]] = ord(" ")
    # each text, and the NUL behind it
    offsets = np.empty(2 * rows + 1, dtype=np.int64)
    offsets[0], offsets[1::2], offsets[2::2] = 0, ends, ends + 1
    array: Any = pa.Array.from_buffers(pa.large_binary(), 2 * rows, [None, pa.py_buffer(offsets), pa.py_buffer(codes)])
    values = pl.Series(array).gather_every(2)
    return _without(values, absent).cast(pl.String)


def _without(values: pl.Series, absent: npt.NDArray[np.bool_]) -> pl.Series:
    if not absent.any():
        return values
    frame = pl.DataFrame({"value": values, "absent": pl.Series(absent)})
    return frame.select(pl.when(~pl.col("absent")).then(pl.col("value"))).to_series()
