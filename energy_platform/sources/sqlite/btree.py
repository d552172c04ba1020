"""The b-trees of a SQLite file, walked page by page; https://sqlite.org/fileformat2.html tells their format.

A table is a b-tree over its rowids; its leaves hold the rows, and are all equally deep. The caller sees to it that
nobody writes meanwhile, and that no write-ahead log stands beside the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

LEAF: Final = 13
INDEX_LEAF: Final = 10
_INTERIOR: Final = 5
_INDEX_INTERIOR: Final = 2
_INTERIOR_HEADER_BYTES: Final = 12
#: The file's own header, before that of the first page.
FILE_HEADER_BYTES: Final = 100
#: A page that begins here is never used: locks are taken on its bytes.
_LOCK_BYTE: Final = 1 << 30
_LAST_ROWID: Final = 2**63 - 1

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Level(NamedTuple):
    """Pages of a b-tree that are equally deep, in order, and the last rowid that may stand in or below each."""

    pages: Integers
    lasts: Integers


class BTreeFile:
    """A SQLite file. Pages are numbered from 1.

    Args:
        descriptor: of the file, open for reading.

    Attributes:
        page_bytes: of a page.
        usable_bytes: of those, the ones that SQLite itself uses.
        pages: how many there are.
        free_pages: how many of them hold nothing.
        locked_pages: how many are never used.
        is_vacuumed_automatically: whether some pages tell where others are pointed to from.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        header = os.pread(descriptor, FILE_HEADER_BYTES, 0)
        # 1 stands for a number that is too large for two bytes
        self.page_bytes = {1: 65_536}.get(size := _number(header, 16, 2), size)
        self.usable_bytes = self.page_bytes - _number(header, 20, 1)
        size = os.fstat(descriptor).st_size
        self.pages = size // self.page_bytes
        self.free_pages = _number(header, 36, 4)
        self.is_vacuumed_automatically = _number(header, 52, 4) != 0
        self.locked_pages = 1 if size > _LOCK_BYTE else 0

    def walked(self, root: int, kind_of: Callable[[Level], int]) -> tuple[int, Level]:
        """How many pages a b-tree has, and its leaves. Of an index the rowids mean nothing.

        Args:
            root: its first page.
            kind_of: the kind that all pages of a level are of.

        Raises:
            ValueError, IndexError: the file is corrupt.
            OSError: it cannot be read.
        """
        level, pages = Level(np.array([root]), np.array([_LAST_ROWID])), 1
        while (kind := kind_of(level)) in (_INTERIOR, _INDEX_INTERIOR):
            pairs = zip(level.pages.tolist(), level.lasts.tolist(), strict=True)
            below = [self._children(page, last, kind) for page, last in pairs]
            level = Level(*(np.concatenate(arrays) for arrays in zip(*below, strict=True)))
            pages += len(level.pages)
            if len(level.pages) > self.pages:
                raise ValueError("A b-tree has more pages than the file.")
        if kind not in (LEAF, INDEX_LEAF):
            raise ValueError(f"Page {level.pages[0]} is none of a b-tree.")
        return pages, level

    def kind(self, page: int) -> int:
        """The kind of a page, by its first byte."""
        begin = FILE_HEADER_BYTES if page == 1 else 0
        return os.pread(self.descriptor, 1, (page - 1) * self.page_bytes + begin)[0]

    def read(self, pages: Integers, into: Bytes) -> None:
        """Read pages, one behind the other in this order; those that are neighbours in the file are read at once.

        Raises:
            ValueError: the file ends before one of them.
        """
        target = into.data
        ends = [*(np.flatnonzero(np.diff(pages) != 1) + 1).tolist(), len(pages)]
        start = 0
        for end in ends:
            place = (int(pages[start]) - 1) * self.page_bytes
            part = target[start * self.page_bytes : end * self.page_bytes]
            while part:
                count = os.preadv(self.descriptor, [part], place)
                if not count:
                    raise ValueError("A b-tree has a page that lies behind the end of the file.")
                part, place = part[count:], place + count
            start = end

    def _children(self, page: int, last: int, kind: int) -> Level:
        content = os.pread(self.descriptor, self.page_bytes, (page - 1) * self.page_bytes)
        begin = FILE_HEADER_BYTES if page == 1 else 0
        places = begin + _INTERIOR_HEADER_BYTES
        values = np.frombuffer(content, dtype=np.uint8)
        cells = big_endian_pairs(values[places : places + 2 * _number(content, begin + 3, 2)])
        pages = np.zeros(len(cells), dtype=np.int64)
        for position in range(4):
            pages = pages << 8 | values[cells + position]
        keys = variable_lengths(values, cells + 4)[0] if kind == _INTERIOR else np.full(len(cells), _LAST_ROWID)
        return Level(np.append(pages, _number(content, begin + 8, 4)), np.append(keys, last))


def big_endian_pairs(values: Bytes) -> Integers:
    """Numbers of two bytes each."""
    return values[::2].astype(np.int64) << 8 | values[1::2]


def variable_lengths(values: Bytes, places: Integers) -> tuple[Integers, Integers]:
    """Signed numbers of one to nine bytes each, seven bits in each byte but the ninth, and the places behind them."""
    numbers, ends = np.zeros(len(places), dtype=np.uint64), places.copy()
    going_on: slice | Integers = slice(None)
    for _ in range(8):
        found = values[ends[going_on]]
        numbers[going_on] = numbers[going_on] << np.uint64(7) | (found & 0x7F)
        ends[going_on] += 1
        is_longer = found >= 0x80
        if not is_longer.any():
            return numbers.view(np.int64), ends
        if not is_longer.all():
            going_on = np.flatnonzero(is_longer) if isinstance(going_on, slice) else going_on[is_longer]
    numbers[going_on] = numbers[going_on] << np.uint64(8) | values[ends[going_on]]
    ends[going_on] += 1
    return numbers.view(np.int64), ends


def _number(content: bytes, place: int, length: int) -> int:
    return int.from_bytes(content[place : place + length], "big")
