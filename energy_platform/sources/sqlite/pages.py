"""Which rows of a SQLite table can have changed, told by the pages of the file: not a row is read for it.

A table is a b-tree over its rowids; its leaves hold the rows. A leaf with the same bytes holds the same rows, so that
of a file of which a day has changed only the leaves of that day need be read. Format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

_LEAF, _INTERIOR, _INDEX_LEAF, _INDEX_INTERIOR = 13, 5, 10, 2
_INTERIOR_HEADER_BYTES: Final = 12
#: The file's own header, before that of the first page.
_FILE_HEADER_BYTES: Final = 100
#: A page that begins here is never used: locks are taken on its bytes.
_LOCK_BYTE: Final = 1 << 30
#: Of the file, so many bytes are looked at together.
_READ_BYTES: Final = 16 << 20
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
        OSError: it cannot be read.
    """
    import polars as pl

    # opened without a buffer, and not mapped: all of it would count as memory of this process
    with path.open("rb", buffering=0) as stream:
        file = _File(stream.fileno())
        if file.is_vacuumed_automatically:
            return None
        kinds, hashes = file.looked_through()
        leaves: list[tuple[int, int]] = []
        used = 0
        for each in {1, root, *roots}:
            pages, found = file.walked(each, kinds)
            used += pages
            leaves = found if each == root else leaves
    if used + file.free_pages + file.locked_pages != file.pages:
        return None
    found = pl.DataFrame(leaves, schema={"page": pl.Int64, "last": pl.Int64}, orient="row")
    return found.select("last", hashes.gather(found.get_column("page") - 1).alias("hash"))


class _File:
    """The b-trees of a SQLite file. Pages are numbered from 1."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        header = os.pread(descriptor, _FILE_HEADER_BYTES, 0)
        # 1 stands for a number that is too large for two bytes
        self.page_bytes = {1: 65_536}.get(size := _number(header, 16, 2), size)
        size = os.fstat(descriptor).st_size
        self.pages = size // self.page_bytes
        self.free_pages = _number(header, 36, 4)
        self.is_vacuumed_automatically = _number(header, 52, 4) != 0
        self.locked_pages = 1 if size > _LOCK_BYTE else 0

    def looked_through(self) -> tuple[bytes, pl.Series]:
        """The kind of every page by its number, if it is one of a b-tree, and the hashes of their bytes (UInt64)."""
        import polars as pl
        import pyarrow as pa

        together = max(1, _READ_BYTES // self.page_bytes)
        # there is no page 0
        kinds = bytearray(1)
        hashes: list[pl.Series] = []
        for first in range(0, self.pages, together):
            count = min(together, self.pages - first)
            content = os.pread(self._descriptor, count * self.page_bytes, first * self.page_bytes)
            kinds += content[:: self.page_bytes]
            if not first:
                kinds[1] = content[_FILE_HEADER_BYTES]
            pages = [None, pa.py_buffer(content)]
            rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(self.page_bytes), count, pages)
            hashes.append(pl.Series(pl.from_arrow(rows)).hash(_SEED))
        return bytes(kinds), pl.concat(hashes)

    def walked(self, root: int, kinds: bytes) -> tuple[int, list[tuple[int, int]]]:
        """How many pages a b-tree has, and the number and last rowid of each of its leaves, in order.

        All leaves are equally deep. Of an index the rowids mean nothing.
        """
        level, pages = [(root, _LAST_ROWID)], 1
        while (kind := self._kind_of_all(level, kinds)) in (_INTERIOR, _INDEX_INTERIOR):
            level = [child for page, last in level for child in self._children(page, last, kind)]
            pages += len(level)
        if kind not in (_LEAF, _INDEX_LEAF):
            raise ValueError(f"Page {level[0][0]} is none of a b-tree.")
        return pages, level

    def _kind_of_all(self, level: Sequence[tuple[int, int]], kinds: bytes) -> int:
        if len(level) > self.pages:
            raise ValueError("A b-tree has more pages than the file.")
        found = {kinds[page] for page, _ in level}
        if len(found) > 1:
            raise ValueError("Pages of one depth are of several kinds.")
        return found.pop()

    def _children(self, page: int, last: int, kind: int) -> list[tuple[int, int]]:
        content = os.pread(self._descriptor, self.page_bytes, (page - 1) * self.page_bytes)
        begin = _FILE_HEADER_BYTES if page == 1 else 0
        places = begin + _INTERIOR_HEADER_BYTES
        found: list[tuple[int, int]] = []
        for place in range(places, places + 2 * _number(content, begin + 3, 2), 2):
            cell = content[place] << 8 | content[place + 1]
            key = _variable_length(content, cell + 4) if kind == _INTERIOR else _LAST_ROWID
            found.append((_number(content, cell, 4), key))
        return [*found, (_number(content, begin + 8, 4), last)]


def _number(content: bytes, place: int, length: int) -> int:
    return int.from_bytes(content[place : place + length], "big")


def _variable_length(content: bytes, place: int) -> int:
    """A signed number of one to nine bytes, seven bits in each but the ninth."""
    number = 0
    for position in range(8):
        byte = content[place + position]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number
    number = number << 8 | content[place + 8]
    return number - (1 << 64) if number >= 1 << 63 else number
