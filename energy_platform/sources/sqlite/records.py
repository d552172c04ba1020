"""Reads rows of a SQLite table as columns, straight from the leaves of its b-tree: no row is ever looked at alone.

Of many rows at once it is found out where each value stands and of which kind it is, and all values of a column are
taken together. What a column of several kinds comes to is left to reading by row (`InexactError`), and so are rows
that go on in pages of their own. Format: https://sqlite.org/fileformat2.html#record_format
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN
from energy_platform.sources.sqlite.btree import (
    LEAF,
    BTreeFile,
    Bytes,
    Integers,
    Level,
    cell_places,
    variable_lengths,
)
from energy_platform.sources.stretches import Stretch, are_within

if TYPE_CHECKING:
    import pyarrow as pa

Affinity = Literal["integer", "text", "none", "real", "numeric"]
Mask = npt.NDArray[np.bool_]

_LEAF_HEADER_BYTES: Final = 8
#: A record of a table that is longer than the page less this goes on elsewhere.
_OVERFLOW: Final = 35
#: Values are taken eight bytes at a time, also those at the end of a page.
_PADDING: Final = 16
#: Half of the rowids that there can be.
_MOST_ROWIDS: Final = 1 << 63
#: So many leaves are read to see how many rows they hold.
_FIRST_LEAVES: Final = 16
_MOST_BYTES: Final = 8 << 20

# Kinds of values, as a record's header names them.
_NULL, _DOUBLE, _ZERO, _ONE, _BLOB, _TEXT = 0, 7, 8, 9, 12, 13
_NUMBERS: Final = frozenset(range(1, 10))
#: Bytes of a value by its kind, as far as that takes one byte.
_SIZES: Final = np.array([0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0, *((kind - _BLOB) // 2 for kind in range(_BLOB, 128))])
#: By how many bits eight bytes are shifted to leave a whole number of the kind.
_SHIFTS: Final = np.array([0, 56, 48, 40, 32, 16, 0, 0, 0, 0])
#: How Arrow views a text: its length, then the text itself if it is short, else its first bytes and where it stands.
_VIEW: Final = np.dtype([("length", "<u4"), ("first", "<u4"), ("rest", "<u8")])
_INLINE_BYTES: Final = 12
#: The bit of each of eight bytes that no character of ASCII has.
_NO_ASCII: Final = np.uint64(0x8080808080808080)
#: What is left of the eight bytes of a view's text, or of its first four, where it has so many bytes.
_FIRST_MASKS: Final = np.array([(1 << 8 * min(n, 4)) - 1 for n in range(_INLINE_BYTES + 1)], dtype=np.uint32)
_REST_MASKS: Final = np.array([(1 << 8 * max(n - 4, 0)) - 1 for n in range(_INLINE_BYTES + 1)], dtype=np.uint64)


class InexactError(Exception):
    """These rows are not to be had as columns of one kind each."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """How a table keeps its rows.

    Attributes:
        path: of the file; nobody writes to it, and it has no write-ahead log.
        root: the first page of the table's b-tree.
        affinities: names of the columns, in order, and what each makes of values that are put into it.
        alias: the column that is the rowid; None where there is none.
        without_default: columns that are null where a row was written before they were added.
    """

    path: Path
    root: int
    affinities: Mapping[str, Affinity]
    alias: str | None
    without_default: frozenset[str]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows by their rowid.

    Attributes:
        after: of a higher rowid only; None for all.
        until: of this rowid at most; None for all.
        stretches: and of those within one of these, in ascending order, both ends included; None for all.
    """

    after: int | None = None
    until: int | None = None
    stretches: tuple[Stretch, ...] | None = None

    def rows_of(self, table: str, rowid: str) -> str:
        """What stands behind FROM, for these rows of a quoted table in the order of their rowid."""
        rowid = f"{table}.{rowid}"
        limits = [f"{rowid} > {self.after}"] if self.after is not None else []
        limits += [f"{rowid} <= {self.until}"] if self.until is not None else []
        where = f" WHERE {' AND '.join(limits)}" if limits else ""
        if self.stretches is None:
            return f"{table}{where} ORDER BY {rowid}"
        # the rows of each stretch are looked up in turn, so that they come in order by themselves
        listed = ", ".join(f"({first}, {last})" for first, last in self.stretches)
        return (
            f"(VALUES {listed}) AS stretch CROSS JOIN {table}"
            f" ON {rowid} BETWEEN stretch.column1 AND stretch.column2{where}"
        )

    def places(self, rowids: Integers) -> Mask | None:
        """Which of these ascending rowids are meant; None where all are."""
        chosen = np.ones(len(rowids), dtype=np.bool_)
        if self.after is not None:
            chosen &= rowids > self.after
        if self.until is not None:
            chosen &= rowids <= self.until
        if self.stretches is not None:
            chosen &= are_within(pl.Series(rowids), self.stretches).to_numpy()
        return None if chosen.all() else chosen

    def leaves(self, level: Level) -> Integers:
        """The leaves that may hold rows of these rowids, in order."""
        lasts = level.lasts
        begin = np.searchsorted(lasts, self.after, side="right") if self.after is not None else 0
        end = np.searchsorted(lasts, self.until) + 1 if self.until is not None else len(lasts)
        chosen = np.zeros(len(lasts), dtype=np.bool_)
        for first, last in self.stretches or [(-_MOST_ROWIDS, _MOST_ROWIDS - 1)]:
            chosen[np.searchsorted(lasts, first) : np.searchsorted(lasts, last) + 1] = True
        return level.pages[begin:end][chosen[begin:end]]


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def affinity(declared: str) -> Affinity:
    """What SQLite derives from a column's declared type."""
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not name or "BLOB" in name:
        return "none"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"


def divided(shape: TableShape, count: int) -> list[Span]:
    """At most so many spans, which hold all rows together and about equally many leaves each.

    Of a file that is corrupt one span; whoever reads its rows says what is wrong with it.
    """
    with shape.path.open("rb", buffering=0) as stream:
        try:
            leaves = _leaves(BTreeFile(stream.fileno()), shape)
        except (ValueError, IndexError, OSError):
            return [Span()]
    parts = [part for part in np.array_split(leaves.lasts, count) if part.size]
    edges = [None, *(int(part[-1]) for part in parts[:-1]), None]
    return [Span(after, until) for after, until in itertools.pairwise(edges)]


def record_frames(
    shape: TableShape, span: Span, batch_rows: int, finished: Callable[[], None]
) -> Generator[pl.DataFrame, None, None]:
    """Frames of the columns, `@key` and `@order`, all but the last of `batch_rows` rows.

    Args:
        shape: of the table.
        span: which of its rows.
        batch_rows: rows of a frame.
        finished: called behind the last frame, while the file is still open.

    Raises:
        InexactError: rows from here on have to be read by row, or the file is corrupt.
    """
    # opened without a buffer, and not mapped: all of it would count as memory of this process
    with shape.path.open("rb", buffering=0) as stream:
        try:
            file = BTreeFile(stream.fileno())
            for cells in _batches(file, span, span.leaves(_leaves(file, shape)), batch_rows):
                yield _Records(cells, shape).frame()
        except (ValueError, IndexError, OSError) as error:
            raise InexactError(str(error)) from None
        finished()


def _leaves(file: BTreeFile, shape: TableShape) -> Level:
    return file.walked(shape.root, lambda level: file.kind(int(level.pages[0])))[1]


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows in some leaves.

    Attributes:
        content: of the leaves, one behind the other, and some bytes more.
        starts: where the record of each row starts.
        ends: and where it ends.
        rowids: of the rows.
    """

    content: Bytes
    starts: Integers
    ends: Integers
    rowids: Integers

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, chosen: slice | Mask) -> _Cells:
        """Some of the rows."""
        return _Cells(self.content, self.starts[chosen], self.ends[chosen], self.rowids[chosen])


def _batches(file: BTreeFile, span: Span, leaves: Integers, batch_rows: int) -> Generator[_Cells, None, None]:
    """The rows of these leaves, all but the last time `batch_rows` together."""
    nothing = np.zeros(0, dtype=np.int64)
    cells = _Cells(np.zeros(_PADDING, dtype=np.uint8), nothing, nothing, nothing)
    most = max(1, _MOST_BYTES // file.page_bytes)
    place = given = 0
    while True:
        while len(cells) < batch_rows and place < len(leaves):
            # as many as hold the missing rows, if they hold as many as those before
            missing, found = batch_rows - len(cells), given + len(cells)
            count = -(-missing * place // found) if found else _FIRST_LEAVES
            further = leaves[place : place + min(max(1, count), most)]
            cells = _with_leaves(file, cells, further, span)
            place += len(further)
        if not len(cells):
            return
        yield cells.part(slice(None, batch_rows))
        given += min(batch_rows, len(cells))
        cells = cells.part(slice(batch_rows, None))


def _with_leaves(file: BTreeFile, cells: _Cells, leaves: Integers, span: Span) -> _Cells:
    """The same rows, and those of further leaves; leaves that hold none of them go."""
    size = file.page_bytes
    begin = int(cells.starts[0]) // size * size if len(cells) else cells.content.size - _PADDING
    kept = cells.content[begin:-_PADDING]
    content = np.zeros(kept.size + len(leaves) * size + _PADDING, dtype=np.uint8)
    content[: kept.size] = kept
    file.read(leaves, content[kept.size : -_PADDING])
    further = _cells_of(file, content, kept.size, len(leaves))
    chosen = span.places(further.rowids)
    if chosen is not None:
        further = further.part(chosen)
    return _Cells(
        content,
        np.append(cells.starts - begin, further.starts),
        np.append(cells.ends - begin, further.ends),
        np.append(cells.rowids, further.rowids),
    )


def _cells_of(file: BTreeFile, content: Bytes, begin: int, count: int) -> _Cells:
    pages = begin + np.arange(count) * file.page_bytes
    if (content[pages] != LEAF).any():
        raise ValueError("A page is none of a table's leaves.")
    _, page_of_cell, cells = cell_places(content, pages, pages, _LEAF_HEADER_BYTES, file.page_bytes)
    lengths, places = variable_lengths(content, cells)
    rowids, starts = variable_lengths(content, places)
    if (lengths > file.usable_bytes - _OVERFLOW).any():
        raise InexactError("A row goes on in pages of its own.")
    ends = starts + lengths
    if (lengths < 0).any() or (ends > page_of_cell + file.usable_bytes).any():
        raise ValueError("A row ends behind its page.")
    return _Cells(content, starts, ends, rowids)


class _Records:
    """The values of some rows, by column."""

    def __init__(self, cells: _Cells, shape: TableShape) -> None:
        self._cells = cells
        self._shape = shape
        self._content = cells.content
        # the bytes from each place on, as one number or one text
        self._eight = self._from_each_place(">u8")
        self._sixteen = self._from_each_place(f"V{_VIEW.itemsize}")

    def frame(self) -> pl.DataFrame:
        """The columns, `@key` and `@order`."""
        kinds, values = self._kinds()
        columns: list[pl.Series] = []
        for name, held in zip(self._shape.affinities, kinds, strict=True):
            columns.append(self._column(name, held, values).alias(name))
            values = values + _sizes(held)
        if (values != self._cells.ends).any():
            raise ValueError("A row is longer or shorter than its values.")
        rowids = pl.Series(self._cells.rowids)
        return pl.DataFrame([*columns, _nulls(rowids.len()).alias(KEY_COLUMN), rowids.alias(ORDER_COLUMN)])

    def _from_each_place(self, kind: npt.DTypeLike) -> npt.NDArray[Any]:
        dtype = np.dtype(kind)
        return np.ndarray(self._content.size - dtype.itemsize + 1, dtype, self._content, strides=(1,))

    def _kinds(self) -> tuple[list[npt.NDArray[Any]], Integers]:
        """The kind of each row's value, by column, and where the values of each row begin."""
        count, starts = len(self._shape.affinities), self._cells.starts
        headers = self._from_each_place(f"V{count + 1}")
        if count + 1 < 0x80 and starts.max() < headers.size:
            # mostly each number takes one byte: those of a row are taken together
            taken = headers[starts].view(np.uint8).reshape(-1, count + 1)
            if (taken[:, 0] == count + 1).all() and taken.max() < 0x80:
                return list(taken.T[1:].copy()), starts + (count + 1)
        length, places = variable_lengths(self._content, starts)
        ends = starts + length
        kinds: list[npt.NDArray[Any]] = []
        for name in self._shape.affinities:
            held, places = self._kinds_of(name, places, ends)
            kinds.append(held)
        if (places != ends).any():
            raise ValueError("A row has more values than its table has columns.")
        return kinds, ends

    def _kinds_of(self, name: str, places: Integers, ends: Integers) -> tuple[Integers, Integers]:
        """The kind of each row's value of a column, and where that of the next one stands."""
        absent = places >= ends
        if not absent.any():
            return variable_lengths(self._content, places)
        if name not in self._shape.without_default:
            raise InexactError("A column was added with a default.")
        kinds = np.full(len(places), _NULL, dtype=np.int64)
        further = places.copy()
        kinds[~absent], further[~absent] = variable_lengths(self._content, places[~absent])
        return kinds, further

    def _column(self, name: str, kinds: npt.NDArray[Any], places: Integers) -> pl.Series:
        held = _distinct(kinds)
        if name == self._shape.alias:
            if held != {_NULL}:
                raise ValueError("A row holds a rowid of its own.")
            return pl.Series(self._cells.rowids)
        present = kinds != _NULL if _NULL in held else None
        held -= {_NULL}
        if not held:
            return _nulls(len(kinds))
        if held == {_TEXT}:
            return self._texts(kinds, places, present)
        if not held <= _NUMBERS:
            raise InexactError("A column holds values of several kinds, or blobs.")
        if held == {_DOUBLE}:
            return _numbers(self._doubles(places), present)
        whole = self._integers(kinds, places)
        is_real = self._shape.affinities[name] == "real"
        if _DOUBLE not in held and not is_real:
            return _numbers(whole, present)
        is_whole = kinds != _DOUBLE
        # in a column of doubles whole numbers only take less room; elsewhere they may have more digits
        if not is_real and (is_whole & ((whole > EXACT_INTEGERS) | (whole < -EXACT_INTEGERS))).any():
            raise InexactError("A whole number among doubles would lose digits.")
        return _numbers(np.where(is_whole, whole, self._doubles(places)), present)

    def _integers(self, kinds: npt.NDArray[Any], places: Integers) -> Integers:
        # eight bytes are taken, and those behind the number are shifted out
        numbers = self._eight[places].astype("<u8").view(np.int64) >> _SHIFTS[kinds]
        numbers[(kinds == _ZERO) | (kinds == _NULL)] = 0
        numbers[kinds == _ONE] = 1
        return numbers

    def _doubles(self, places: Integers) -> npt.NDArray[np.float64]:
        return self._eight[places].astype("<u8").view(np.float64)

    def _texts(self, kinds: npt.NDArray[Any], places: Integers, present: Mask | None) -> pl.Series:
        """Texts as views of the leaves: short ones stand in the views themselves."""
        import pyarrow as pa

        lengths = _sizes(kinds)
        longest, shortest = int(lengths.max()), int(lengths.min())
        # the text itself lies behind four bytes, which are those of its length then
        views = self._sixteen[places - 4].view(_VIEW)
        views["length"] = lengths
        if longest <= _INLINE_BYTES:
            of_length = longest if longest == shortest else lengths
            views["first"] &= _FIRST_MASKS[of_length]
            views["rest"] &= _REST_MASKS[of_length]
        else:
            # of the buffer its number, which is 0, and the place in it
            rest = places.astype(np.uint64) << np.uint64(32)
            if shortest <= _INLINE_BYTES:
                is_short, of_length = lengths <= _INLINE_BYTES, np.minimum(lengths, _INLINE_BYTES)
                views["first"] &= _FIRST_MASKS[of_length]
                rest = np.where(is_short, views["rest"] & _REST_MASKS[of_length], rest)
            views["rest"] = rest
        buffers = [_bitmap(present), pa.py_buffer(views)]
        if longest > _INLINE_BYTES:
            buffers.append(pa.py_buffer(self._content))
        array = pa.Array.from_buffers(pa.string_view(), len(kinds), buffers)
        # short texts of ASCII are told at a glance
        if longest > _INLINE_BYTES or np.bitwise_or.reduce(views.view(np.uint64)) & _NO_ASCII:
            try:
                array.validate(full=True)
            except pa.ArrowInvalid as error:
                raise InexactError(str(error)) from None
        return _from_arrow(array)


def _distinct(kinds: npt.NDArray[Any]) -> set[int]:
    """The kinds that there are; those of texts of any length as one, and those of blobs."""
    least, most = int(kinds.min()), int(kinds.max())
    if least == most:
        return {least if least < _BLOB else _BLOB + least % 2}
    return set(np.flatnonzero(np.bincount(np.where(kinds < _BLOB, kinds, _BLOB | kinds & 1))).tolist())


def _sizes(kinds: npt.NDArray[Any]) -> Integers:
    """How many bytes values of these kinds have."""
    if kinds.dtype == np.uint8:
        return _SIZES[kinds]
    return np.where(kinds < _BLOB, _SIZES[np.clip(kinds, 0, _BLOB)], kinds - _BLOB >> 1)


def _numbers(values: npt.NDArray[Any], present: Mask | None) -> pl.Series:
    if present is None:
        return pl.Series(values)
    import pyarrow as pa

    kind = pa.float64() if values.dtype == np.float64 else pa.int64()
    return _from_arrow(pa.Array.from_buffers(kind, len(values), [_bitmap(present), pa.py_buffer(values)]))


def _bitmap(present: Mask | None) -> pa.Buffer | None:
    import pyarrow as pa

    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def _nulls(height: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, height)


def _from_arrow(array: pa.Array) -> pl.Series:
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)
    return found
