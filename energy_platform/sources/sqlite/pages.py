"""Which rows of a SQLite table can have changed, told by the pages of the file: not a row is read for it.

A table is a b-tree over its rowids; its leaves hold the rows. A leaf with the same bytes holds the same rows, so that
of a file of which a day has changed only the leaves of that day need be read. Format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import polars as pl

_LEAF, _INTERIOR, _INDEX_LEAF, _INDEX_INTERIOR = 13, 5, 10, 2
_INTERIOR_HEADER_BYTES: Final = 12
#: The file's own header, before that of the first page.
_FILE_HEADER_BYTES: Final = 100
#: A page that begins here is never used: locks are taken on its bytes.
_LOCK_BYTE: Final = 1 << 30
#: Of the file, so many bytes are looked at together.
_READ_BYTES: Final = 8 << 20
_READERS: Final = 2
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
        trees = {each: file.walked(each, kinds) for each in {1, root, *roots}}
    if sum(pages for pages, _ in trees.values()) + file.free_pages + file.locked_pages != file.pages:
        return None
    leaves = trees[root][1]
    return pl.DataFrame({"last": leaves.lasts, "hash": hashes.gather(leaves.pages - 1)})


class _Level(NamedTuple):
    """Pages of a b-tree that are equally deep, in order, and the last rowid that may stand in or below each (int64)."""

    pages: np.ndarray
    lasts: np.ndarray


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

    def looked_through(self) -> tuple[np.ndarray, pl.Series]:
        """The kind of every page by its number, if it is one of a b-tree, and the hashes of their bytes (UInt64)."""
        import polars as pl
        import pyarrow as pa

        together = max(1, _READ_BYTES // self.page_bytes)

        def look(first: int) -> tuple[bytes, pl.Series]:
            count = min(together, self.pages - first)
            content = os.pread(self._descriptor, count * self.page_bytes, first * self.page_bytes)
            pages = [None, pa.py_buffer(content)]
            rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(self.page_bytes), count, pages)
            kinds = content[:: self.page_bytes]
            if not first:
                kinds = content[_FILE_HEADER_BYTES : _FILE_HEADER_BYTES + 1] + kinds[1:]
            return kinds, pl.Series(pl.from_arrow(rows)).hash(_SEED)

        with ThreadPoolExecutor(_READERS, "energy-platform-pages") as pool:
            found = list(pool.map(look, range(0, self.pages, together)))
        # there is no page 0
        kinds = np.frombuffer(b"\0" + b"".join(kinds for kinds, _ in found), dtype=np.uint8)
        return kinds, pl.concat(hashes for _, hashes in found)

    def walked(self, root: int, kinds: np.ndarray) -> tuple[int, _Level]:
        """How many pages a b-tree has, and its leaves. All leaves are equally deep.

        Of an index the rowids mean nothing.
        """
        level, pages = _Level(np.array([root]), np.array([_LAST_ROWID])), 1
        while (kind := self._kind_of_all(level, kinds)) in (_INTERIOR, _INDEX_INTERIOR):
            pairs = zip(level.pages.tolist(), level.lasts.tolist(), strict=True)
            below = [self._children(page, last, kind) for page, last in pairs]
            level = _Level(*(np.concatenate(arrays) for arrays in zip(*below, strict=True)))
            pages += len(level.pages)
        if kind not in (_LEAF, _INDEX_LEAF):
            raise ValueError(f"Page {level.pages[0]} is none of a b-tree.")
        return pages, level

    def _kind_of_all(self, level: _Level, kinds: np.ndarray) -> int:
        if len(level.pages) > self.pages:
            raise ValueError("A b-tree has more pages than the file.")
        found = np.unique(kinds[level.pages])
        if len(found) > 1:
            raise ValueError("Pages of one depth are of several kinds.")
        return int(found[0])

    def _children(self, page: int, last: int, kind: int) -> _Level:
        content = os.pread(self._descriptor, self.page_bytes, (page - 1) * self.page_bytes)
        begin = _FILE_HEADER_BYTES if page == 1 else 0
        places = begin + _INTERIOR_HEADER_BYTES
        values = np.frombuffer(content, dtype=np.uint8)
        pointers = values[places : places + 2 * _number(content, begin + 3, 2)].astype(np.int64)
        cells = pointers[::2] << 8 | pointers[1::2]
        pages = np.zeros(len(cells), dtype=np.int64)
        for position in range(4):
            pages = pages << 8 | values[cells + position]
        keys = _variable_lengths(values, cells + 4) if kind == _INTERIOR else np.full(len(cells), _LAST_ROWID)
        return _Level(np.append(pages, _number(content, begin + 8, 4)), np.append(keys, last))


def _number(content: bytes, place: int, length: int) -> int:
    return int.from_bytes(content[place : place + length], "big")


def _variable_lengths(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Signed numbers of one to nine bytes each, seven bits in each byte but the ninth, as int64."""
    numbers = np.zeros(len(places), dtype=np.uint64)
    going_on = np.arange(len(places))
    for position in range(8):
        found = values[places[going_on] + position]
        numbers[going_on] = numbers[going_on] << np.uint64(7) | (found & 0x7F)
        going_on = going_on[found >= 0x80]
        if not len(going_on):
            break
    numbers[going_on] = numbers[going_on] << np.uint64(8) | values[places[going_on] + 8]
    return numbers.view(np.int64)
