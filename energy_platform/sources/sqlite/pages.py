"""Which rows of a SQLite table can have changed, told by the pages of the file: not a row is read for it.

A table is a b-tree over its rowids; its leaves hold the rows. A leaf with the same bytes holds the same rows, so that
of a file of which a day has changed only the leaves of that day need be read. Format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

_LEAF, _INTERIOR, _INDEX_LEAF, _INDEX_INTERIOR = 13, 5, 10, 2
_HEADER_BYTES: Final = {_LEAF: 8, _INTERIOR: 12, _INDEX_LEAF: 8, _INDEX_INTERIOR: 12}
#: A page that begins here is never used: locks are taken on its bytes.
_LOCK_BYTE: Final = 1 << 30
#: Pages of which the hashes are taken at once.
_HASHED_TOGETHER: Final = 4096
_LAST_ROWID: Final = 2**63 - 1
_SEED: Final = 0x9E3779B9


def leaf_pages(path: Path, root: int, roots: Sequence[int]) -> pl.DataFrame | None:
    """The leaves of a table in the order of the rowid; the caller sees to it that nobody writes meanwhile.

    Args:
        path: of a file without a write-ahead log.
        root: the table's root page.
        roots: the root pages of every table and index of the file.

    Returns:
        a frame of `last` (Int64: the highest rowid that may stand in the leaf; the lowest is one above that of the leaf
        before) and `hash` (UInt64, of its bytes). None where rows may stand elsewhere than in leaves: long ones have
        pages of their own, which are not told from pages that nobody uses.

    Raises:
        ValueError, IndexError: the file is corrupt.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        file = _File(content)
        if file.is_vacuumed_automatically:
            return None
        leaves: list[tuple[int, int]] = []
        used = 0
        for each in {1, root, *roots}:
            pages, found = file.walked(each)
            used += pages
            leaves = found if each == root else leaves
        if used + file.free_pages + file.locked_pages != file.pages:
            return None
        return _hashed(content, file.page_bytes, leaves)


class _File:
    """The b-trees of a SQLite file. Pages are numbered from 1."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.page_bytes = self._number(16, 2)
        if self.page_bytes == 1:
            self.page_bytes = 65_536
        self.pages = len(content) // self.page_bytes
        self.free_pages = self._number(36, 4)
        self.is_vacuumed_automatically = self._number(52, 4) != 0
        self.locked_pages = 1 if len(content) > _LOCK_BYTE else 0

    def walked(self, root: int) -> tuple[int, list[tuple[int, int]]]:
        """How many pages a b-tree has, and the number and last rowid of each of its leaves, in order.

        All leaves are equally deep. Of an index the rowids mean nothing.
        """
        level, pages = [(root, _LAST_ROWID)], 1
        while (kind := self._kind_of_all(level)) in (_INTERIOR, _INDEX_INTERIOR):
            level = [child for page, last in level for child in self._children(page, last)]
            pages += len(level)
        if kind not in (_LEAF, _INDEX_LEAF):
            raise ValueError(f"Page {level[0][0]} is none of a b-tree.")
        return pages, level

    def _kind_of_all(self, level: Sequence[tuple[int, int]]) -> int:
        if len(level) > self.pages:
            raise ValueError("A b-tree has more pages than the file.")
        kinds = {self._content[self._begin(page)] for page, _ in level}
        if len(kinds) > 1:
            raise ValueError("Pages of one depth are of several kinds.")
        return kinds.pop()

    def _children(self, page: int, last: int) -> list[tuple[int, int]]:
        content, start = self._content, self._start(page)
        begin = self._begin(page)
        kind = content[begin]
        cells = self._number(begin + 3, 2)
        places = begin + _HEADER_BYTES[kind]
        offsets = content[places : places + 2 * cells]
        found: list[tuple[int, int]] = []
        for position in range(0, 2 * cells, 2):
            cell = start + (offsets[position] << 8 | offsets[position + 1])
            key = _variable_length(content, cell + 4) if kind == _INTERIOR else _LAST_ROWID
            found.append((int.from_bytes(content[cell : cell + 4], "big"), key))
        return [*found, (self._number(begin + 8, 4), last)]

    def _start(self, page: int) -> int:
        return (page - 1) * self.page_bytes

    def _begin(self, page: int) -> int:
        # the file's own header stands before that of the first page
        return self._start(page) + (100 if page == 1 else 0)

    def _number(self, place: int, length: int) -> int:
        return int.from_bytes(self._content[place : place + length], "big")


def _variable_length(content: mmap.mmap, place: int) -> int:
    """A signed number of one to nine bytes, seven bits in each but the ninth."""
    number = 0
    for position in range(8):
        byte = content[place + position]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number
    number = number << 8 | content[place + 8]
    return number - (1 << 64) if number >= 1 << 63 else number


def _hashed(content: mmap.mmap, page_bytes: int, leaves: Sequence[tuple[int, int]]) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    pages = len(content) // page_bytes
    parts: list[pl.Series] = []
    for first in range(0, pages, _HASHED_TOGETHER):
        count = min(_HASHED_TOGETHER, pages - first)
        together = pa.py_buffer(content[first * page_bytes : (first + count) * page_bytes])
        rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(page_bytes), count, [None, together])
        parts.append(pl.Series(pl.from_arrow(rows)).hash(_SEED))
    found = pl.DataFrame(leaves, schema={"page": pl.Int64, "last": pl.Int64}, orient="row")
    return found.select("last", pl.concat(parts).gather(found.get_column("page") - 1).alias("hash"))
