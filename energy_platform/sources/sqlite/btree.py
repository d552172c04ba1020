"""The b-trees of a SQLite file, walked level by level; https://sqlite.org/fileformat2.html tells their format.

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
#: So many interior pages are looked at together.
_PAGES_TOGETHER: Final = 1_024
_PADDING: Final = 16
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
            parts = range(0, len(level.pages), _PAGES_TOGETHER)
            below = [
                self._below(Level(*(each[part : part + _PAGES_TOGETHER] for each in level)), kind) for part in parts
            ]
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

    def _below(self, level: Level, kind: int) -> Level:
        """The pages that those of an interior level point to."""
        size, count = self.page_bytes, len(level.pages)
        # some bytes more, so that a number at the very end can be read to its end
        content = np.zeros(count * size + _PADDING, dtype=np.uint8)
        self.read(level.pages, content[:-_PADDING])
        pages = np.arange(count) * size
        headers = pages + np.where(level.pages == 1, FILE_HEADER_BYTES, 0)
        heights, page_of_cell, cells = cell_places(content, pages, headers, _INTERIOR_HEADER_BYTES, size)
        keys, ends = np.full(len(cells), _LAST_ROWID), cells + 4
        if kind == _INTERIOR:
            keys, ends = variable_lengths(content, ends)
        if (ends > page_of_cell + size).any():
            raise ValueError("A cell ends behind its page.")
        # behind the cells of each page comes the page that its header names
        places = np.arange(len(cells)) + np.repeat(np.arange(count), heights)
        last_places = np.cumsum(heights) + np.arange(count)
        below = Level(*np.zeros((2, len(cells) + count), dtype=np.int64))
        below.pages[places], below.lasts[places] = _numbers(content, cells, 4), keys
        below.pages[last_places], below.lasts[last_places] = _numbers(content, headers + 8, 4), level.lasts
        return below


def cell_places(
    content: Bytes, pages: Integers, headers: Integers, header_bytes: int, page_bytes: int
) -> tuple[Integers, Integers, Integers]:
    """How many cells each of some pages has, and of each cell the place of its page and its own.

    Args:
        content: that holds the pages.
        pages: where each begins.
        headers: where the header of each begins.
        header_bytes: of a header.
        page_bytes: of a page.

    Raises:
        ValueError: a page has more cells than it can hold.
    """
    heights = _numbers(content, headers + 3, 2)
    if (headers + header_bytes + 2 * heights > pages + page_bytes).any():
        raise ValueError("A page has more cells than it can hold.")
    in_page = np.arange(heights.sum()) - np.repeat(np.cumsum(heights) - heights, heights)
    page_of_cell = np.repeat(pages, heights)
    pointers = np.repeat(headers + header_bytes, heights) + 2 * in_page
    return heights, page_of_cell, page_of_cell + _numbers(content, pointers, 2)


def _numbers(values: Bytes, places: Integers, length: int) -> Integers:
    """Numbers of so many bytes each, the highest byte first."""
    numbers = values[places].astype(np.int64)
    for position in range(1, length):
        numbers = numbers << 8 | values[places + position]
    return numbers


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
