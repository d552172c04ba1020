"""Fingerprints: one number that says whether two sets of rows are the same, whatever their order.

The hash, version 1 (test vectors: `docs/fingerprints.md`):

1. Each value of a row becomes two 64-bit words:

   ========== ===========================================================================================
   null       0x6e756c6c6e756c6c, 0x6c6c756e6c6c756e
   float      tag 1, IEEE-754 bits of the double, with -0.0 written as 0.0 and every NaN as 0x7ff8000000000000
   integer    tag 2, the number in two's complement
   boolean    tag 3, 0 or 1
   time       tag 4, microseconds since 1970-01-01T00:00:00Z, two's complement
   date       tag 5, days since 1970-01-01, two's complement
   text, json the two little-endian halves of BLAKE2b-128 of the UTF-8 bytes as they are
   ========== ===========================================================================================

   "tag n, w" are the words (n, w).
2. Two lanes start at the number of columns xor a seed: A at 0x243f6a8885a308d3, B at 0x13198a2e03707344.
   For each column, in the contract's order, with words (w0, w1):
   A = mix(A xor w0); A = mix(A xor w1); B = mix(B + w1); B = mix(B + w0), all modulo 2^64, where mix is the finalizer
   of SplitMix64 (Steele, Lea, Flood 2014): z = (z xor z>>30) * 0xbf58476d1ce4e5b9; z = (z xor z>>27) *
   0x94d049bb133111eb; z xor z>>31.
3. The row's hash is A * 2^64 + B; the fingerprint of a set of rows is the sum of their hashes modulo 2^128, written as
   32 hexadecimal digits. A sum does not cancel doubled rows as xor does, and needs no order.

It guards against loss and mistakes; it is no signature against somebody who can choose the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.contracts import Column

Words = npt.NDArray[np.uint64]

MODULUS = 1 << 128
_NULL = (np.uint64(0x6E756C6C6E756C6C), np.uint64(0x6C6C756E6C6C756E))
_SEED_A = 0x243F6A8885A308D3
_SEED_B = 0x13198A2E03707344
_CANONICAL_NAN = np.uint64(0x7FF8000000000000)
_TAGS = {"float": 1, "integer": 2, "boolean": 3, "time": 4, "date": 5}


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
    lane_a = np.full(frame.height, len(columns) ^ _SEED_A, dtype=np.uint64)
    lane_b = np.full(frame.height, len(columns) ^ _SEED_B, dtype=np.uint64)
    scratch = np.empty(frame.height, dtype=np.uint64)
    for column in columns:
        first, second = _words(frame, column)
        for word in (first, second):
            lane_a ^= word
            _mix(lane_a, scratch)
        for word in (second, first):
            lane_b += word
            _mix(lane_b, scratch)
    return lane_a, lane_b


def _mix(lane: Words, scratch: Words) -> None:
    """SplitMix64's finalizer, in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        np.right_shift(lane, np.uint64(shift), out=scratch)
        np.bitwise_xor(lane, scratch, out=lane)
        np.multiply(lane, np.uint64(factor), out=lane)
    np.right_shift(lane, np.uint64(31), out=scratch)
    np.bitwise_xor(lane, scratch, out=lane)


def _words(frame: pl.DataFrame, column: Column) -> tuple[Words | np.uint64, Words | np.uint64]:
    """The two words of each value of a column; a scalar stands for a word that all rows share."""
    if column.name not in frame.columns:
        return _NULL
    series = frame.get_column(column.name)
    if column.type in {"text", "json"}:
        return _text_words(series)
    tag = np.uint64(_TAGS[column.type])
    nulls = series.is_null().to_numpy() if series.null_count() else None
    if column.type == "float":
        # Adding 0.0 turns -0.0 into 0.0 and leaves every other number as it is.
        numbers = series.fill_null(0.0).to_numpy() + 0.0
        bits = numbers.view(np.uint64)
        not_numbers = np.isnan(numbers)
        second = np.where(not_numbers, _CANONICAL_NAN, bits) if not_numbers.any() else bits
    else:
        second = series.to_physical().cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64)
    if nulls is None:
        return tag, second
    return np.where(nulls, _NULL[0], tag), np.where(nulls, _NULL[1], second)


def _text_words(series: pl.Series) -> tuple[Words | np.uint64, Words | np.uint64]:
    # Tags repeat: each distinct text is hashed once, and its words are spread over the rows.
    texts = series.rename("text").to_frame()
    distinct = texts.unique(maintain_order=False).with_row_index("position")
    digests = [_digest(text) for text in distinct.get_column("text")]
    if len(digests) == 1:
        return digests[0]
    words = np.array(digests, dtype=np.uint64).reshape(-1, 2)
    joined = texts.join(distinct, on="text", how="left", nulls_equal=True, maintain_order="left")
    positions = joined.get_column("position").to_numpy()
    return words[positions, 0], words[positions, 1]


def _digest(text: str | None) -> tuple[np.uint64, np.uint64]:
    if text is None:
        return _NULL
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.uint64(int.from_bytes(digest[:8], "little")), np.uint64(int.from_bytes(digest[8:], "little"))


def _exact_sum(words: Words) -> int:
    """The sum of 64-bit words as a Python integer, exact for up to 2^32 words."""
    low = int(np.bitwise_and(words, np.uint64(0xFFFFFFFF)).sum(dtype=np.uint64))
    high = int(np.right_shift(words, np.uint64(32)).sum(dtype=np.uint64))
    return (high << 32) + low
