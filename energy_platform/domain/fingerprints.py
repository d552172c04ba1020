"""Fingerprints: one number that says whether two sets of rows are the same, whatever their order.

The hash, version 2 (test vectors: `docs/fingerprints.md`):

1. Each value of a row becomes two 64-bit words:

   ========== ===========================================================================================
   null       0x6e756c6c6e756c6c, 0x6c6c756e6c6c756e
   float      tag 1, IEEE-754 bits of the double, with -0.0 written as 0.0 and every NaN as 0x7ff8000000000000
   integer    tag 2, the number in two's complement
   boolean    tag 3, 0 or 1
   time       tag 4, microseconds since 1970-01-01T00:00:00Z, two's complement
   date       tag 5, days since 1970-01-01, two's complement
   text, json the two words of its UTF-8 bytes as they are, see 2
   ========== ===========================================================================================

   "tag n, w" are the words (n, w).
2. A text of up to 1024 bytes is cut into little-endian 64-bit words, the last one filled up with zero bytes. They are
   the words 1, 2, ...; word 0 is the number of bytes, which tells the filling from zero bytes of the text. Two lanes
   start at A = 0xa4093822299f31d0 and B = 0x082efa98ec4e6c89. For each word w, the i-th:
   A = mix(A xor w); B = mix(B + w + i * 0x9e3779b97f4a7c15). In the end A and B are the two words of the text.
   Those of a longer text are the two little-endian halves of BLAKE2b-128 of its bytes.
3. Two lanes start at the number of columns xor a seed: A at 0x243f6a8885a308d3, B at 0x13198a2e03707344.
   For each column, in the contract's order, with words (w0, w1):
   A = mix(A xor w0); A = mix(A xor w1); B = mix(B + w1); B = mix(B + w0).
4. The row's hash is A * 2^64 + B; the fingerprint of a set of rows is the sum of their hashes modulo 2^128, written as
   32 hexadecimal digits. A sum does not cancel doubled rows as xor does, and needs no order.

All is modulo 2^64, and mix is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): z = (z xor z>>30) *
0xbf58476d1ce4e5b9; z = (z xor z>>27) * 0x94d049bb133111eb; z xor z>>31.

It guards against loss and mistakes; it is no signature against somebody who can choose the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.points import SERIES, SeriesPoints

if TYPE_CHECKING:
    import pyarrow as pa

Words = npt.NDArray[np.uint64]

#: Of the hash; figures of another version are not compared.
VERSION = 2
MODULUS = 1 << 128
_NULL = (np.uint64(0x6E756C6C6E756C6C), np.uint64(0x6C6C756E6C6C756E))
_SEED_A = 0x243F6A8885A308D3
_SEED_B = 0x13198A2E03707344
_MIXING = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST_SHIFT = np.uint64(31)
_TEXT_A = np.uint64(0xA4093822299F31D0)
_TEXT_B = np.uint64(0x082EFA98EC4E6C89)
_GAMMA = 0x9E3779B97F4A7C15
#: Bytes of the longest text that is hashed word by word, side by side with others.
_LONGEST_TEXT = 1024
_CANONICAL_NAN = np.uint64(0x7FF8000000000000)
_TAGS = {"float": 1, "integer": 2, "boolean": 3, "time": 4, "date": 5}
#: Rows that are hashed at a time: the lanes, words and scratch of so many stay in a core's own cache.
_BLOCK = 1 << 15
#: Bytes of texts that are hashed at a time, for the same reason, and so that long ones take no more memory than that.
_BLOCK_BYTES = 1 << 21
#: So many values of a column tell whether its texts repeat.
_SAMPLE = 1 << 12
#: From here on a second thread is worth its start.
_ROWS_FOR_TWO_THREADS = 1 << 17


def fingerprint(frame: pl.DataFrame, columns: Sequence[Column]) -> int:
    """The fingerprint of a frame's rows over these columns: a number below 2^128.

    Args:
        frame: rows in canonical types; columns it lacks count as null.
        columns: of the contract, in its order.
    """
    return sum_of_hashes(*row_hashes(frame, columns))


def sum_of_hashes(high: Words, low: Words) -> int:
    """The sum modulo 2^128 of row hashes: the fingerprint of those rows."""
    return ((_exact_sum(high) << 64) + _exact_sum(low)) % MODULUS


def fingerprint_text(value: int) -> str:
    """A fingerprint as it stands in ledgers and reports: 32 hexadecimal digits."""
    return f"{value:032x}"


def row_hashes(frame: pl.DataFrame, columns: Sequence[Column]) -> tuple[Words, Words]:
    """The 128-bit hash of each row as two arrays of 64-bit words (high, low), each as long as the frame."""
    lanes = np.empty(frame.height, dtype=np.uint64), np.empty(frame.height, dtype=np.uint64)
    start_a, start_b = _start(columns)

    def hash_part(start: int, stop: int) -> None:
        part = lanes[0][start:stop], lanes[1][start:stop]
        part[0].fill(start_a)
        part[1].fill(start_b)
        _take_in(frame[start:stop], columns, part)

    side_by_side(hash_part, frame.height)
    return lanes


def point_hashes(points: SeriesPoints, measurement: Measurement) -> tuple[Words, Words]:
    """The hash of each point: that of `row_hashes` over the points as one frame, the tags hashed once per series."""
    columns = measurement.columns
    tags, others = columns[: len(measurement.tags)], columns[len(measurement.tags) :]
    if tuple(column.name for column in tags) != measurement.tags:
        return row_hashes(points.frame(), columns)
    start_a, start_b = _start(columns)
    count = points.series.height
    of_series = np.full(count, start_a, dtype=np.uint64), np.full(count, start_b, dtype=np.uint64)
    _take_in(points.series, tags, of_series)
    lanes = np.empty(points.height, dtype=np.uint64), np.empty(points.height, dtype=np.uint64)

    def hash_part(start: int, stop: int) -> None:
        part = lanes[0][start:stop], lanes[1][start:stop]
        rows = points.rows[start:stop]
        series = rows.get_column(SERIES).to_numpy()
        for lane, whole in zip(part, of_series, strict=True):
            np.take(whole, series, out=lane, mode="clip")
        _take_in(rows, others, part)

    side_by_side(hash_part, points.height)
    return lanes


def side_by_side(work: Callable[[int, int], object], rows: int) -> None:
    """Do `work(start, stop)` for all rows; in two threads where there are many, as numpy frees the interpreter."""
    if rows < _ROWS_FOR_TWO_THREADS:
        work(0, rows)
        return
    middle = rows // 2
    # a pool for this call only: one that outlives it would not survive a fork
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(work, middle, rows)
        work(0, middle)
        other.result()


class _Values(NamedTuple):
    """A column that is ready to become words, block by block.

    Attributes:
        first: word of all values that are not null.
        second: the second word of all rows where they share one; None where they differ.
        numbers: doubles or 64-bit integers, one per row; 0 where null.
        nulls: which rows are null; None where none is.
        words: of a text column: the first and the second words of its rows, or of its distinct texts.
        positions: where in `words` each row's words stand; None where they are those of the rows.
    """

    first: np.uint64
    second: np.uint64 | None = None
    numbers: npt.NDArray[np.float64] | npt.NDArray[np.int64] | None = None
    nulls: npt.NDArray[np.bool_] | None = None
    words: tuple[Words, Words] | None = None
    positions: npt.NDArray[np.int32] | None = None


class _Scratch(NamedTuple):
    """Buffers of a block, used again and again."""

    first: Words
    second: Words
    mixing: Words

    def cut(self, rows: int) -> _Scratch:
        """The same buffers for a shorter block."""
        return _Scratch(*(buffer[:rows] for buffer in self))


def _start(columns: Sequence[Column]) -> tuple[np.uint64, np.uint64]:
    return np.uint64(len(columns) ^ _SEED_A), np.uint64(len(columns) ^ _SEED_B)


def _take_in(frame: pl.DataFrame, columns: Sequence[Column], lanes: tuple[Words, Words]) -> None:
    """Take the words of these columns into the lanes, in place."""
    if frame.is_empty():
        return
    prepared = [_prepare(frame, column) for column in columns]
    size = min(frame.height, _BLOCK)
    scratch = _Scratch(*(np.empty(size, dtype=np.uint64) for _ in range(3)))
    for start in range(0, frame.height, size):
        lane_a, lane_b = (lane[start : start + size] for lane in lanes)
        if lane_a.size < size:
            scratch = scratch.cut(lane_a.size)
        for values in prepared:
            first, second = _words(values, start, scratch)
            np.bitwise_xor(lane_a, first, out=lane_a)
            _mix(lane_a, scratch.mixing)
            np.bitwise_xor(lane_a, second, out=lane_a)
            _mix(lane_a, scratch.mixing)
            np.add(lane_b, second, out=lane_b)
            _mix(lane_b, scratch.mixing)
            np.add(lane_b, first, out=lane_b)
            _mix(lane_b, scratch.mixing)


def _mix(lane: Words, scratch: Words) -> None:
    """SplitMix64's finalizer, in place."""
    for shift, factor in _MIXING:
        np.right_shift(lane, shift, out=scratch)
        np.bitwise_xor(lane, scratch, out=lane)
        np.multiply(lane, factor, out=lane)
    np.right_shift(lane, _LAST_SHIFT, out=scratch)
    np.bitwise_xor(lane, scratch, out=lane)


def _prepare(frame: pl.DataFrame, column: Column) -> _Values:
    if column.name not in frame.columns:
        return _Values(*_NULL)
    series = frame.get_column(column.name)
    absent = series.null_count()
    if absent == series.len():
        return _Values(*_NULL)
    if column.type in {"text", "json"}:
        return _prepare_text(series)
    first = np.uint64(_TAGS[column.type])
    nulls = series.is_null().to_numpy() if absent else None
    if column.type == "float":
        return _Values(first, numbers=series.fill_null(0.0).to_numpy(), nulls=nulls)
    return _Values(first, numbers=series.to_physical().cast(pl.Int64).fill_null(0).to_numpy(), nulls=nulls)


def _prepare_text(series: pl.Series) -> _Values:
    texts: pa.LargeStringArray = series.rename("").to_arrow(compat_level=pl.CompatLevel.oldest())
    if not _repeats(series):
        return _Values(np.uint64(0), words=text_words(texts))
    # each distinct text is hashed once, and its words are spread over the rows
    encoded = texts.dictionary_encode(null_encoding="encode")
    firsts, seconds = text_words(encoded.dictionary)
    if firsts.size == 1:
        return _Values(firsts[0], seconds[0])
    return _Values(np.uint64(0), words=(firsts, seconds), positions=pl.Series(encoded.indices).to_numpy())


def _repeats(series: pl.Series) -> bool:
    """Whether a look at some of the texts says that finding the distinct ones costs less than hashing all."""
    if series.len() <= _SAMPLE:
        return False
    sample = series.gather_every(series.len() // _SAMPLE)
    return sample.n_unique() < 0.75 * sample.len()


def _words(values: _Values, start: int, scratch: _Scratch) -> tuple[Words | np.uint64, Words | np.uint64]:
    """The two words of each value of the block that starts here; a scalar stands for a word that all rows share."""
    if values.second is not None:
        return values.first, values.second
    block = slice(start, start + scratch.first.size)
    if values.words is not None:
        if values.positions is None:
            firsts, seconds = values.words
            return firsts[block], seconds[block]
        positions = values.positions[block]
        for words, out in zip(values.words, (scratch.first, scratch.second), strict=True):
            np.take(words, positions, out=out, mode="clip")
        return scratch.first, scratch.second
    assert values.numbers is not None
    numbers, second = values.numbers[block], scratch.second
    if numbers.dtype == np.float64:
        # Adding 0.0 turns -0.0 into 0.0 and leaves every other number as it is.
        np.add(numbers, 0.0, out=second.view(np.float64))
        if np.isnan(numbers.min()):
            np.copyto(second, _CANONICAL_NAN, where=np.isnan(numbers))
    else:
        second = numbers.view(np.uint64)
    if values.nulls is None:
        return values.first, second
    nulls = values.nulls[block]
    if second is not scratch.second:
        np.copyto(scratch.second, second)
    np.copyto(scratch.second, _NULL[1], where=nulls)
    scratch.first.fill(values.first)
    np.copyto(scratch.first, _NULL[0], where=nulls)
    return scratch.first, scratch.second


def text_words(texts: pa.LargeStringArray) -> tuple[Words, Words]:
    """The two words of each text, made from the bytes where they lie, without an object per text."""
    count = len(texts)
    firsts, seconds = np.empty(count, dtype=np.uint64), np.empty(count, dtype=np.uint64)
    _, offset_buffer, data_buffer = texts.buffers()
    if count and offset_buffer is not None:
        offsets = np.frombuffer(offset_buffer, dtype=np.int64)[texts.offset : texts.offset + count + 1]
        data = np.frombuffer(data_buffer or b"", dtype=np.uint8)
        start = 0
        while start < count:
            # as many texts as a block may hold, and at least one
            full = int(np.searchsorted(offsets, offsets[start] + _BLOCK_BYTES, side="right")) - 1
            stop = min(max(full, start + 1), start + _BLOCK, count)
            _hash_texts(data, offsets[start : stop + 1], firsts[start:stop], seconds[start:stop])
            start = stop
    if texts.null_count:
        # Arrow's own way imports pandas
        nulls = pl.Series(texts.is_null()).to_numpy()
        for words, null in zip((firsts, seconds), _NULL, strict=True):
            np.copyto(words, null, where=nulls)
    return firsts, seconds


def _hash_texts(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], firsts: Words, seconds: Words) -> None:
    """Hash texts that lie one behind the other, from each offset to the next: all first words, all second ones, ..."""
    lengths = np.diff(offsets)
    long = np.flatnonzero(lengths > _LONGEST_TEXT)
    counts = (lengths + 7) >> 3
    counts[long] = 0
    # The texts with the most words come first: those that still have one are always the first so many.
    remaining = counts.size - np.cumsum(np.bincount(counts))
    order = np.argsort((_LONGEST_TEXT // 8 - counts).astype(np.uint8), kind="stable")
    lengths = lengths[order]
    begins = (offsets[:-1] - offsets[0])[order]

    size = int(offsets[-1] - offsets[0])
    padded = np.empty(size // 8 + 2, dtype="<u8")
    padded.view(np.uint8)[:size] = data[offsets[0] : offsets[-1]]
    padded = padded.astype(np.uint64, copy=False)
    # A text begins anywhere: each of its words is made of two neighbours, shifted into place.
    shifts = (begins.view(np.uint64) & np.uint64(7)) << np.uint64(3)
    opposite = np.uint64(63) - shifts
    places = begins >> 3
    lasts = np.uint64(0xFFFFFFFFFFFFFFFF) >> ((-lengths).view(np.uint64) & np.uint64(7)) * np.uint64(8)

    lane_a = lengths.view(np.uint64) ^ _TEXT_A
    lane_b = lengths.view(np.uint64) + _TEXT_B
    near, far, word, scratch = (np.empty(counts.size, dtype=np.uint64) for _ in range(4))
    _mix(lane_a, scratch)
    _mix(lane_b, scratch)
    active = int(remaining[0])
    np.take(padded, places[:active], out=near[:active], mode="clip")
    for number, further in enumerate(remaining.tolist()[1:], start=1):
        near, far, word, scratch = near[:active], far[:active], word[:active], scratch[:active]
        places = places[:active]
        places += 1
        np.take(padded, places, out=far, mode="clip")
        np.right_shift(near, shifts[:active], out=word)
        # in two steps, as a shift by all 64 bits is not defined everywhere
        np.left_shift(far, np.uint64(1), out=scratch)
        np.left_shift(scratch, opposite[:active], out=scratch)
        np.bitwise_or(word, scratch, out=word)
        # what lies behind the end of a text belongs to the next one
        np.bitwise_and(word[further:], lasts[further:active], out=word[further:])
        part = lane_a[:active]
        np.bitwise_xor(part, word, out=part)
        _mix(part, scratch)
        part = lane_b[:active]
        np.add(word, np.uint64(number * _GAMMA % (1 << 64)), out=word)
        np.add(part, word, out=part)
        _mix(part, scratch)
        near, far = far, near
        active = further
    firsts[order] = lane_a
    seconds[order] = lane_b
    for place in long.tolist():
        digest = hashlib.blake2b(data[offsets[place] : offsets[place + 1]].data, digest_size=16).digest()
        firsts[place], seconds[place] = np.frombuffer(digest, dtype="<u8")


def _exact_sum(words: Words) -> int:
    """The sum of 64-bit words as a Python integer, exact for up to 2^32 words."""
    low = int(np.bitwise_and(words, np.uint64(0xFFFFFFFF)).sum(dtype=np.uint64))
    high = int(np.right_shift(words, np.uint64(32)).sum(dtype=np.uint64))
    return (high << 32) + low
