"""Cells of a CSV file that a spreadsheet opens: what it would take for a formula is told apart, and back again.

A text that begins with `=`, `+`, `-`, `@`, a tab or a line end gets an apostrophe before it, unless it is a number. One
that begins with apostrophes and goes on like that gets one more, so that taking one away always gives the text.
"""

from __future__ import annotations

import re

#: Columns of an exported file that say which row of which source a line is.
OURS = "quarantine_"
SOURCE, ROW, PARTITION, REASON, EXPLANATION, FIRST_SEEN, IDENTITY = (
    f"{OURS}{name}" for name in ("source", "row", "day", "reason", "explanation", "first_seen", "id")
)
COLUMNS = (SOURCE, ROW, PARTITION, REASON, EXPLANATION, FIRST_SEEN, IDENTITY)

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|\.\d+)([eE][+-]?\d+)?")
_TAKEN = re.compile(rf"(raw_)*{OURS}")
_MOVED = re.compile(rf"raw_(raw_)*{OURS}")


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` has given."""
    return cell[1:] if _GUARDED.match(cell) and not _NUMBER.fullmatch(cell) else cell


def header_of(column: str) -> str:
    """The header of a source's column, where some are taken by our own."""
    return guarded(f"raw_{column}" if _TAKEN.match(column) else column)


def column_of(header: str) -> str:
    """The source's column that a header names."""
    name = unguarded(header)
    return name.removeprefix("raw_") if _MOVED.match(name) else name
