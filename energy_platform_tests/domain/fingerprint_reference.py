"""The fingerprint as its description reads, in plain Python: slow, and without a line of ours or of numpy's.

`python -m energy_platform_tests.domain.fingerprint_reference` prints the test vectors of docs/fingerprints.md.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

WORD = 2**64
NULL = (0x6E756C6C6E756C6C, 0x6C6C756E6C6C756E)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Value = Any
Row = Sequence[Value]


def words_of(kind: str, value: Value) -> tuple[int, int]:
    """The two words of a value."""
    if value is None:
        return NULL
    if kind == "float":
        if math.isnan(value):
            return 1, 0x7FF8000000000000
        return 1, int.from_bytes(struct.pack(">d", 0.0 if value == 0 else value), "big")
    if kind == "integer":
        return 2, value % WORD
    if kind == "boolean":
        return 3, int(value)
    if kind == "time":
        return 4, (value - EPOCH) // timedelta(microseconds=1) % WORD
    if kind == "date":
        return 5, (value - date(1970, 1, 1)).days % WORD
    return words_of_text(value.encode("utf-8"))


def words_of_text(text: bytes) -> tuple[int, int]:
    """The two words of a text."""
    if len(text) > 1024:
        digest = hashlib.blake2b(text, digest_size=16).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
    lane_a, lane_b = 0xA4093822299F31D0, 0x082EFA98EC4E6C89
    words = [int.from_bytes(text[start : start + 8], "little") for start in range(0, len(text), 8)]
    for number, word in enumerate([len(text), *words]):
        lane_a = mix(lane_a ^ word)
        lane_b = mix((lane_b + word + number * 0x9E3779B97F4A7C15) % WORD)
    return lane_a, lane_b


def mix(state: int) -> int:
    """The finalizer of SplitMix64."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % WORD
    return state ^ (state >> 31)


def row_hash(kinds: Sequence[str], row: Row) -> int:
    """The 128-bit hash of one row."""
    lane_a = len(kinds) ^ 0x243F6A8885A308D3
    lane_b = len(kinds) ^ 0x13198A2E03707344
    for kind, value in zip(kinds, row, strict=True):
        first, second = words_of(kind, value)
        lane_a = mix(mix(lane_a ^ first) ^ second)
        lane_b = mix((mix((lane_b + second) % WORD) + first) % WORD)
    return lane_a * WORD + lane_b


def fingerprint_of(kinds: Sequence[str], rows: Iterable[Row]) -> str:
    """The fingerprint of a set of rows, as it is published."""
    return f"{sum(row_hash(kinds, row) for row in rows) % 2**128:032x}"


#: Rows whose fingerprints are published: name, kinds of the columns, rows.
VECTORS: tuple[tuple[str, tuple[str, ...], tuple[Row, ...]], ...] = (
    ("no rows", ("float",), ()),
    ("null", ("text",), ((None,),)),
    ("empty text", ("text",), (("",),)),
    ("zero", ("float",), ((0.0,),)),
    ("minus zero, the same", ("float",), ((-0.0,),)),
    ("not a number", ("float",), ((math.nan,),)),
    ("infinite", ("float",), ((math.inf,),)),
    ("a number", ("float",), ((21.5,),)),
    ("the whole number 1", ("integer",), ((1,),)),
    ("the whole number -1", ("integer",), ((-1,),)),
    ("true", ("boolean",), ((True,),)),
    ("before 1970", ("time",), ((datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),),)),
    ("an instant", ("time",), ((datetime(2025, 3, 1, 0, 0, 0, 1, tzinfo=UTC),),)),
    ("a day", ("date",), ((date(2025, 3, 1),),)),
    ("Korean text", ("text",), (("온도 경고",),)),
    ("a zero byte", ("text",), (("\0",),)),
    ("eight bytes", ("text",), (("temp_001",),)),
    ("nine bytes", ("text",), (("temp_0010",),)),
    ("a long text", ("text",), (("x" * 1024,),)),
    ("a longer text", ("text",), (("x" * 1025,),)),
    ("JSON", ("json",), (('{"a":1}',),)),
    (
        "a reading",
        ("text", "text", "text", "text", "time", "float", "text", "float", "text"),
        (
            (
                "default",
                "B001",
                "temp_001",
                "temperature",
                datetime(2025, 2, 28, 15, 0, tzinfo=UTC),
                21.5,
                None,
                0.98,
                "normal",
            ),
        ),
    ),
    ("two rows", ("text", "float"), (("B001", 1.0), ("B002", 2.0))),
    ("the same in another order", ("text", "float"), (("B002", 2.0), ("B001", 1.0))),
    ("one row twice", ("text", "float"), (("B001", 1.0), ("B001", 1.0))),
    ("columns swapped", ("float", "float"), ((1.0, 2.0),)),
    ("columns in place", ("float", "float"), ((2.0, 1.0),)),
)


def shown(value: Value) -> str:
    """A value as the document shows it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        if len(value) > 100 and len(set(value)) == 1:
            return f'"{value[0]}" * {len(value)}'
        return '"' + value.replace("\0", "\\0") + '"'
    return str(value)


def lines() -> list[str]:
    """The rows of the table of test vectors."""
    found = []
    for name, kinds, rows in VECTORS:
        content = "; ".join(", ".join(shown(value) for value in row) for row in rows) or "(none)"
        found.append(f"| {name} | {', '.join(kinds)} | `{content}` | `{fingerprint_of(kinds, rows)}` |")
    return found


if __name__ == "__main__":
    print("\n".join(lines()))
