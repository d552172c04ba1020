"""Frames as rows of PostgreSQL's binary COPY: made column by column, and cheaper for the server to take than text.

A row is the number of its fields, and of each field its length (-1: null) and its content, big-endian.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.compute as arrow
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.failpoints import failpoint

Bytes = npt.NDArray[np.uint8]

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
#: Rows of one piece on its way to the server, and how many pieces are made ahead of it: some 10 MB each.
_PIECE_ROWS: Final = 50_000
_PIECES_AHEAD: Final = 3
#: PostgreSQL counts from the year 2000.
_EPOCH_MICROSECONDS: Final = 946_684_800_000_000
_EPOCH_DAYS: Final = 10_957
_BIG_ENDIAN: Final[dict[ColumnType, str]] = {
    "float": ">f8",
    "integer": ">i8",
    "boolean": "u1",
    "time": ">i8",
    "date": ">i4",
}


def copy_binary(
    connection: psycopg.Connection,
    table: sql.Composable,
    columns: Sequence[tuple[str, ColumnType]],
    frame: pl.DataFrame | Iterable[pl.DataFrame],
    *,
    heads: pl.Series | None = None,
    head_columns: Sequence[str] = (),
    head_of_row: str = "",
) -> None:
    """Append rows to a table. The next piece is made while the server takes the one before it.

    Args:
        connection: the connection.
        table: quoted name.
        columns: of the frame that are copied, and their types, which must be those of the table.
        frame: in canonical types; texts without the NUL character. Several come one after the other.
        heads: what many rows have in common, once: bytes of the columns `head_columns` (see `text_fields`).
        head_columns: their names.
        head_of_row: the column of the frame that holds each row's position in `heads`.
    """
    ordered = [*(c for c in columns if c[1] in _BIG_ENDIAN), *(c for c in columns if c[1] not in _BIG_ENDIAN)]
    width = struct.pack(">h", len(head_columns) + len(ordered))
    names = [*head_columns, *(name for name, _ in ordered)]
    arrow_heads = None if heads is None else _as_bytes(heads)

    def piece(part: pl.DataFrame) -> Bytes:
        beginnings: pa.Array | None = None
        if arrow_heads is not None:
            beginnings = arrow_heads.take(part.get_column(head_of_row).to_arrow())
        return _rows(part, ordered, width, beginnings)

    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        table, sql.SQL(", ").join(sql.Identifier(name) for name in names)
    )
    with ThreadPoolExecutor(1, "energy-platform-copy") as pool, connection.cursor().copy(statement) as copy:
        copy.write(_SIGNATURE)
        for content in _ahead(pool, piece, _pieces(frame)):
            copy.write(memoryview(content))  # type: ignore[arg-type]
            failpoint("mid_copy")
        copy.write(_TRAILER)


def text_fields(frame: pl.DataFrame) -> pl.Series:
    """All columns, texts without nulls, as fields of a row: one Binary for each row."""
    fields = [(struct.pack(">i", len(text)) + text for text in map(str.encode, column)) for column in frame]
    return pl.Series(map(b"".join, zip(*fields, strict=True)), dtype=pl.Binary)


def _pieces(frames: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for frame in [frames] if isinstance(frames, pl.DataFrame) else frames:
        yield from frame.iter_slices(_PIECE_ROWS)


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[pl.DataFrame], Bytes], parts: Iterator[pl.DataFrame]
) -> Iterator[Bytes]:
    pending: deque[Future[Bytes]] = deque()
    try:
        for part in parts:
            pending.append(pool.submit(work, part))
            if len(pending) >= _PIECES_AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for unwanted in pending:
            unwanted.cancel()


def _rows(
    frame: pl.DataFrame, columns: Sequence[tuple[str, ColumnType]], width: bytes, heads: pa.Array | None
) -> Bytes:
    """The rows, one after the other. Columns of fixed length come first."""
    height = frame.height
    pieces: list[Any] = []
    # the fields of fixed length up to the next text, the length of that text included
    words: list[tuple[Any, str, npt.NDArray[np.bool_] | None]] = []
    if heads is None:
        words.append((np.frombuffer(width, dtype=">i2")[0], ">i2", None))
    else:
        pieces.append(_scalar(width))
        pieces.append(heads)
    for name, type_ in columns:
        values = frame.get_column(name)
        nulls = values.is_null().to_numpy() if values.null_count() else None
        if type_ in _BIG_ENDIAN:
            kind = np.dtype(_BIG_ENDIAN[type_])
            lengths: Any = kind.itemsize if nulls is None else np.where(nulls, -1, kind.itemsize)
            words.append((lengths, ">i4", None))
            words.append((_numbers(values, type_), kind.str, nulls))
            continue
        if type_ == "json":
            # the version of jsonb's binary form
            values = pl.Series(values.rename("text").to_frame().select(pl.lit("\x01") + pl.col("text")).to_series())
        lengths = values.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
        words.append((lengths if nulls is None else np.where(nulls, -1, lengths), ">i4", None))
        pieces.append(_block(words, height))
        pieces.append(_as_bytes(values.fill_null("").cast(pl.Binary)))
        words = []
    if words:
        pieces.append(_block(words, height))
    joined = pieces[0] if len(pieces) == 1 else arrow.call_function("binary_join_element_wise", [*pieces, _scalar(b"")])
    content, offsets = joined.buffers()[2], np.frombuffer(joined.buffers()[1], dtype=np.int64)
    return np.frombuffer(content, dtype=np.uint8)[offsets[joined.offset] : offsets[joined.offset + height]]


def _numbers(values: pl.Series, type_: ColumnType) -> npt.NDArray[Any]:
    if type_ == "float":
        return values.fill_null(0.0).to_numpy()
    numbers = values.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
    if type_ == "time":
        return numbers - _EPOCH_MICROSECONDS
    return numbers - _EPOCH_DAYS if type_ == "date" else numbers


def _scalar(content: bytes) -> pa.Scalar:
    """Bytes as Arrow has them. Its own `scalar` and `array` import pandas if it is there: a hundred MiB for nothing."""
    return pl.Series([content], dtype=pl.Binary).to_arrow().cast(pa.large_binary())[0]


def _block(words: Sequence[tuple[Any, str, npt.NDArray[np.bool_] | None]], height: int) -> pa.Array:
    """Words side by side, one element for each row; a word that is absent takes no room."""
    layout = np.dtype([(f"f{index}", kind) for index, (_, kind, _) in enumerate(words)])
    block = np.empty(height, dtype=layout)
    absent: list[tuple[int, int, npt.NDArray[np.bool_]]] = []
    start = 0
    for index, (values, kind, nulls) in enumerate(words):
        block[f"f{index}"] = values
        size = np.dtype(kind).itemsize
        if nulls is not None:
            absent.append((start, size, nulls))
        start += size
    content = block.view(np.uint8)
    if absent:
        kept = np.ones((height, layout.itemsize), dtype=np.bool_)
        sizes = np.full(height, layout.itemsize, dtype=np.int64)
        for start, size, nulls in absent:
            kept[nulls, start : start + size] = False
            sizes -= nulls * np.int64(size)
        content = content[kept.ravel()]
        offsets = np.concatenate(([0], np.cumsum(sizes)))
    else:
        offsets = np.arange(height + 1, dtype=np.int64) * layout.itemsize
    return pa.Array.from_buffers(pa.large_binary(), height, [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def _as_bytes(values: pl.Series) -> pa.Array:
    return values.cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())
