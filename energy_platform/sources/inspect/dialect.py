"""How a CSV file is written: what separates its columns, where its header is, and what stands around the data."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from energy_platform.sources.inspect.naming import unit_named
from energy_platform.sources.inspect.numbers import is_missing
from energy_platform.sources.inspect.text_sample import TextSample
from energy_platform.sources.inspect.words import UNIT_FILLERS

SEPARATORS = (",", ";", "\t", "|")
_COMMENTS = ("#", "//", "%", "!")
_LOOKED_AT = 200
#: So much of a table's rows have its width, and so much of a column's cells are of its kind.
_LEAST_ALIKE, _MOST = 0.5, 0.8
_LEADING_LINES = 60
_FIELD_CHARACTERS = 8 << 20
# any way to write a number, and a time or date in digits
_NUMERIC = re.compile(r"[+-]?[\d.,' ]*\d[\d.,' ]*(?:[eE][+-]?\d+)?%?|[+-]?(?:inf|nan)", re.IGNORECASE)
_TIMELIKE = re.compile(r"\d{1,4}[-/.년 ]+\d{1,2}[-/.월 ]+\d{1,4}.*|\d{1,2}:\d{2}.*")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        separator: between columns.
        names: of the columns, as the reader gives them; made up where there is no header.
        header: the file has one.
        sure_of_header: that is beyond doubt.
        skip_rows: lines before the header.
        comment: with which lines begin that are no data.
        units: of the columns, by a row below the header; empty where there is none.
        ragged: rows of the sample with another number of columns; the first of them counts from 1.
        dropped_last: the last column has no name and no values.
    """

    separator: str
    names: tuple[str, ...]
    header: bool = True
    sure_of_header: bool = True
    skip_rows: int = 0
    comment: str | None = None
    units: tuple[str, ...] = ()
    ragged: tuple[int, ...] = ()
    dropped_last: bool = False


def find_dialect(sample: TextSample) -> tuple[Dialect, list[list[str]]] | None:
    """The dialect of a file and the rows of data that were read of it; None where it is no table."""
    csv.field_size_limit(_FIELD_CHARACTERS)
    head = sample.pieces[0]
    if not sample.whole:
        head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1]
    beginning = _lines(head, _LOOKED_AT)
    comment = _comment_of(beginning)
    lines = [line for line in beginning if not (comment and line.startswith(comment))]
    separator = _separator_of(lines)
    if separator is None:
        return None
    parsed = _parsed(head, separator, comment)
    width = _width(parsed[:_LOOKED_AT])
    skipped = next((i for i, row in enumerate(parsed[:_LEADING_LINES]) if len(row) == width), None)
    if skipped is None:
        return None
    skip_rows = _lines_before(head, parsed, skipped, comment)
    for piece in sample.pieces[1:]:
        # the piece may begin within a quoted line break
        parsed += [row for row in _parsed(piece, separator, comment) if len(row) == width]
    table = parsed[skipped:]
    ragged = tuple(i for i, row in enumerate(table) if len(row) != width)
    rows = [row for row in table if len(row) == width]
    header, sure = _has_header(rows)
    units: tuple[str, ...] = ()
    if header and len(rows) > 1 and _is_units_row(rows[1], rows[2:_LOOKED_AT]):
        units = tuple(cell.strip() for cell in rows[1])
    data = rows[(1 if header else 0) + bool(units) :]
    names = _distinct(rows[0]) if header else tuple(f"column_{i + 1}" for i in range(width))
    last_is_nothing = header and not rows[0][-1].strip() and width > 1 and all(not row[-1].strip() for row in data)
    if last_is_nothing:
        names, units, data = names[:-1], units[:-1], [row[:-1] for row in data]
    dialect = Dialect(
        separator=separator,
        names=names,
        header=header,
        sure_of_header=sure,
        skip_rows=skip_rows,
        comment=comment,
        units=units,
        ragged=tuple(i - bool(units) + (0 if header else 1) for i in ragged),
        dropped_last=last_is_nothing,
    )
    return dialect, data


def _lines(text: str, count: int) -> list[str]:
    found: list[str] = []
    for line in io.StringIO(text, newline=""):
        found.append(line.rstrip("\r\n"))
        if len(found) == count:
            break
    return found


def _comment_of(lines: Sequence[str]) -> str | None:
    for mark in _COMMENTS:
        marked = [line for line in lines if line.startswith(mark)]
        others = [line for line in lines if line.strip() and not line.startswith(mark)]
        if marked and others and len(marked) < len(others) + _LEADING_LINES:
            # `#time,value` above the data is a header
            is_header = len(marked) == 1 and lines[0] == marked[0] and _same_cells(marked[0], others[0])
            return None if is_header else mark
    return None


def _same_cells(one: str, other: str) -> bool:
    return any(one.count(sign) == other.count(sign) > 0 for sign in SEPARATORS)


def _separator_of(lines: Sequence[str]) -> str | None:
    """The separator that makes rows of one width whose cells hold one thing each; `,` where there is one column."""
    scores: dict[str, float] = {}
    shares: dict[str, float] = {}
    text = "\n".join(lines)
    for separator in SEPARATORS:
        rows = _parsed(text, separator, None)
        width = _width(rows)
        if width < 2:
            continue
        alike = [row for row in rows if len(row) == width]
        cells = [cell for row in alike for cell in row]
        # a cell in which another separator stands has not been separated
        clean = sum(1 for cell in cells if not any(other in cell for other in ";\t|" if other != separator))
        # a header that falls into fewer cells than its data speaks against it
        first = len(rows[0]) == width or any(len(row) == width for row in rows[:3])
        shares[separator] = (len(alike) / len(rows)) * (clean / len(cells))
        scores[separator] = shares[separator] * (1.0 if first else 0.5)
    if scores:
        best = max(scores, key=lambda separator: (round(scores[separator], 1), -SEPARATORS.index(separator)))
        return best if shares[best] >= _LEAST_ALIKE else None
    filled = [line for line in lines if line.strip()]
    return "," if len(filled) > 1 and all(len(line) < 80 for line in filled) else None


def _parsed(text: str, separator: str, comment: str | None) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    kept = (line for line in lines if not line.startswith(comment)) if comment else lines
    try:
        return [row for row in csv.reader(kept, delimiter=separator) if row]
    except csv.Error:
        return []


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = Counter(len(row) for row in rows)
    # of equally frequent ones the wider: titles above a short table are narrow
    return max(widths, key=lambda width: (widths[width], width)) if widths else 0


def _lines_before(text: str, parsed: Sequence[Sequence[str]], skipped: int, comment: str | None) -> int:
    """Physical lines that stand before a parsed row; blank ones and comments behind the last title do not count."""
    if not skipped:
        return 0
    seen = 0
    for number, line in enumerate(_lines(text, _LEADING_LINES * 2), start=1):
        if line.strip() and not (comment and line.startswith(comment)):
            seen += 1
        if seen == skipped:
            return number
    return skipped


def _has_header(rows: Sequence[Sequence[str]]) -> tuple[bool, bool]:
    """Whether the first row names the columns, and whether that is sure."""
    first, below = rows[0], rows[1:_LOOKED_AT]
    if not below:
        return not any(_is_datum(cell) for cell in first), False
    votes = 0
    for cell, column in zip(first, zip(*below, strict=True), strict=True):
        held = [text for text in column if text.strip() and not is_missing(text) and unit_named(text) is None]
        data = bool(held) and sum(map(_is_datum, held)) > _MOST * len(held)
        if data and cell.strip() and not is_missing(cell):
            if not _is_datum(cell) and sum(map(_is_time, held)) > _MOST * len(held):
                return True, True  # no row of data is without its time
            # `00:00` above numbers is the name of a column: it is not of their kind
            named = not _is_datum(cell) or (_is_time(cell) and not any(map(_is_time, held)))
            votes += 1 if named else -1
    if votes:
        return votes > 0, True
    # texts alone: names are distinct, and do not come again
    again = any(cell in column for cell, column in zip(first, zip(*below, strict=True), strict=True) if cell.strip())
    return len(set(first)) == len(first) and not again, False


def _is_datum(cell: str) -> bool:
    return bool(_NUMERIC.fullmatch(cell.strip())) or _is_time(cell)


def _is_time(cell: str) -> bool:
    return bool(_TIMELIKE.fullmatch(cell.strip()))


def _is_units_row(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Units stand in it and nothing but units, and below them numbers."""
    named = [i for i, cell in enumerate(row) if unit_named(cell) is not None]
    if not named or not all(
        unit_named(cell) is not None or cell.strip().strip("[]()").lower() in UNIT_FILLERS for cell in row
    ):
        return False
    return not below or any(_is_datum(other[i]) for i in named for other in below)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names as the reader gives them: the second of two is called `name.2`."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return tuple(found)
