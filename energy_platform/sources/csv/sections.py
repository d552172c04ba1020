"""Sections of a plain CSV file: which of its rows can have changed, told without parsing them, and where each begins.

Plain is a file in which every line that is not blank is a row: no quoted value goes on in the next line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from io import RawIOBase
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from energy_platform.sources.stretches import Stretch, merged

#: Rows of a section.
SECTION_ROWS: Final = 4096
_CHUNK_BYTES: Final = 1 << 22
_LINE_FEED: Final = 10
_RETURN: Final = 13
_QUOTE: Final = 34


class Section(NamedTuple):
    """Rows that follow each other.

    Attributes:
        start: where its first byte stands, counted from the first row of data.
        stop: where the byte behind its last one stands.
        rows_before: how many rows stand before it.
        last: the number of its last row, the first row of data being 1.
        hash: of its bytes, 64 bits.
    """

    start: int
    stop: int
    rows_before: int
    last: int
    hash: int


def sections_of(stream: RawIOBase, separator: str) -> list[Section] | None:
    """The sections of a CSV file in UTF-8; None where the file is not plain.

    Args:
        stream: stands at the first row of data.
        separator: between columns, one byte.
    """
    found: list[Section] = []
    begun = _Begun()
    for chunk in _whole_lines(stream):
        ends = _ends_of_rows(chunk)
        if ends is None or (b'"' in chunk and not _quotes_end_with_lines(chunk, ends, ord(separator))):
            return None
        at = 0
        # the rows that complete a section
        for end in ends[SECTION_ROWS - begun.rows - 1 :: SECTION_ROWS].tolist():
            found.append(begun.ended(chunk[at:end], SECTION_ROWS - begun.rows))
            begun, at = _Begun(found[-1]), end
        begun.add(chunk[at:], len(ends) - int(np.searchsorted(ends, at, side="right")))
    if begun.rows:
        found.append(begun.ended(b"", 0))
    return found


def frame_of(sections: list[Section], token: int) -> pl.DataFrame:
    """Sections as `Source.parts` has them; under another token the same bytes are other rows."""
    return pl.DataFrame(
        {"last": [section.last for section in sections], "hash": [section.hash ^ token for section in sections]},
        schema={"last": pl.Int64, "hash": pl.UInt64},
    )


def covering(sections: list[Section], stretches: Sequence[Stretch]) -> Iterator[Section]:
    """What has to be read for the rows of stretches, which are in order and apart: sections side by side are one."""
    lasts = np.array([section.last for section in sections], dtype=np.int64)
    wanted: list[Stretch] = []
    for first, last in stretches:
        one, other = (int(np.searchsorted(lasts, row)) for row in (first, last))
        if one < len(sections):
            wanted.append((one, min(other, len(sections) - 1)))
    for one, other in merged(wanted):
        first, last = sections[one], sections[other]
        yield Section(first.start, last.stop, first.rows_before, last.last, 0)


class _Begun:
    """A section that is not complete yet, behind another one."""

    def __init__(self, before: Section | None = None) -> None:
        self.rows = 0
        self.bytes = 0
        self._start, self._rows_before = (before.stop, before.last) if before else (0, 0)
        self._digest = hashlib.sha256()

    def add(self, content: bytes | memoryview, rows: int) -> None:
        self._digest.update(content)
        self.bytes += len(content)
        self.rows += rows

    def ended(self, content: bytes | memoryview, rows: int) -> Section:
        self.add(content, rows)
        return Section(
            self._start,
            self._start + self.bytes,
            self._rows_before,
            self._rows_before + self.rows,
            int.from_bytes(self._digest.digest()[:8], "big"),
        )


def _whole_lines(stream: RawIOBase) -> Iterator[bytes]:
    """The content in chunks that end with a line, but for the last one."""
    waiting: list[bytes] = []
    while data := stream.read(_CHUNK_BYTES):
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join([*waiting, data[:end]])
            waiting = []
        waiting.append(data[end:])
    if rest := b"".join(waiting):
        yield rest


def _ends_of_rows(chunk: bytes) -> np.ndarray | None:
    """Where the line of each row ends in a chunk, behind its line feed; None where a return alone ends a line."""
    values = np.frombuffer(chunk, dtype=np.uint8)
    ends = np.flatnonzero(values == _LINE_FEED) + 1
    if not chunk.endswith(b"\n"):
        ends = np.append(ends, len(chunk))
    lengths = np.diff(ends, prepend=0)
    # a line feed, and a return before it, make no row
    blank = lengths == 1
    if b"\r" in chunk:
        before = values[np.maximum(ends - 2, 0)] == _RETURN
        returned = before & (lengths > 1) & (values[ends - 1] == _LINE_FEED)
        if int(returned.sum()) != chunk.count(b"\r"):
            return None
        blank |= returned & (lengths == 2)
    if not chunk.endswith(b"\n"):
        blank[-1] = False
    return ends[~blank]


def _quotes_end_with_lines(chunk: bytes, ends: np.ndarray, separator: int) -> bool:
    """Whether every quote opens a value, ends it, or is half of a doubled one, and none is open where a line ends."""
    values = np.frombuffer(chunk, dtype=np.uint8)
    quotes = np.flatnonzero(values == _QUOTE)
    if (np.searchsorted(quotes, ends) % 2).any():
        return False
    opening, closing = quotes[::2], quotes[1::2]
    # what may stand before a quote that opens a value, and behind one that ends it
    allowed = np.zeros(256, dtype=np.bool_)
    allowed[[separator, _LINE_FEED, _QUOTE]] = True
    is_opened = allowed[values[np.maximum(opening - 1, 0)]] | (opening == 0)
    allowed[_RETURN] = True
    is_ended = allowed[values[np.minimum(closing + 1, len(values) - 1)]]
    return bool(is_opened.all() and is_ended.all())
