"""The beginning of a CSV file: which character separates, what the columns are called, where the data begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from energy_platform.sources.spec import CsvLayout

_SEPARATORS = (",", ";", "\t", "|")
_LINE_ENDS = "\r\n"
_ROWS_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a CSV file.

    Attributes:
        names: of the columns, in order, each once; of several with one name all but the first have a number behind it.
        separator: between columns.
        length: how many characters of the text lie before the data, blank lines and comments included.
        unnamed: how many columns at the end have no name; they may be the work of separators that end a row.
    """

    names: tuple[str, ...]
    separator: str
    length: int
    unnamed: int = 0


@dataclass(frozen=True, slots=True)
class _Record:
    values: tuple[str, ...]
    separator: str
    end: int


def start_of_table(text: str, layout: CsvLayout) -> int | None:
    """Where the first record begins, behind the lines that are skipped; None where the text has not so many."""
    position = 0
    for _ in range(layout.skip_rows):
        end = _end_of_line(text, position)
        if end is None:
            return None
        position = end
    return _start_of_record(text, position, layout.comment)


def read_header(text: str, separator: str | None, layout: CsvLayout, start: int = 0) -> Header | None:
    """The header of a text; None where its end is not in the text.

    Args:
        text: the beginning of the file, or all of it with a line end behind it.
        separator: None to take that of comma, semicolon, tab and bar which stands in the first record most often, or
            that makes as many columns of it as the layout names.
        layout: what stands there beside the data.
        start: of the first record, as `start_of_table` gives it.
    """
    first = _first_record(text, start, separator, len(layout.columns))
    if first is None:
        return None
    if not layout.header:
        surplus = first.values[len(layout.columns) :]
        unnamed = 0 if any(surplus) else len(surplus)
        return Header(tuple(_unique([*layout.columns, *[""] * unnamed])), first.separator, start, unnamed)
    names = list(first.values)
    position = _start_of_record(text, first.end, layout.comment)
    if layout.units_row and (units := _parse(text, position, first.separator)) is not None:
        position = _start_of_record(text, units.end, layout.comment)
    named = max((place for place, name in enumerate(names, start=1) if name), default=1)
    row = _parse(text, position, first.separator)
    if row is not None:
        # a separator behind the last column may end the header alone, or the rows alone
        surplus = len(row.values) - len(names)
        if surplus > 0 and not any(row.values[len(names) :]):
            names += [""] * surplus
        elif surplus < 0 and len(row.values) >= named:
            names = names[: len(row.values)]
    return Header(tuple(_unique(names)), first.separator, position, len(names) - named)


def first_width(text: str, header: Header) -> int | None:
    """How many columns the first row of data has; None where there is none, or its end is not in the text."""
    row = _parse(text, header.length, header.separator)
    return None if row is None else len(row.values)


def _first_record(text: str, start: int, separator: str | None, width: int) -> _Record | None:
    if separator is not None:
        return _parse(text, start, separator)
    found = [_parse(text, start, candidate) for candidate in _SEPARATORS]
    records = [record for record in found if record is not None]
    fitting = [record for record in records if width and len(record.values) == width]
    if len(fitting) > 1:
        # 1,5;2 has two columns either way: the rows that follow tell
        return min(fitting, key=lambda record: _rows_unlike(text, record))
    # the first of equals, so the comma where there is but one column
    best = max(fitting or records, key=lambda record: len(record.values), default=None)
    if best is not None and len(best.values) == 1 and None in found:
        return None  # one of the separators does separate, and opens a quote
    return best


def _rows_unlike(text: str, first: _Record) -> int:
    """How many of the rows that follow have another number of columns."""
    found = 0
    position = first.end
    for _ in range(_ROWS_LOOKED_AT):
        row = _parse(text, position, first.separator)
        if row is None:
            break
        found += len(row.values) != len(first.values)
        position = row.end
    return found


def _start_of_record(text: str, start: int, comment: str) -> int:
    """Where the next record begins, behind blank lines and comments."""
    while True:
        while start < len(text) and text[start] in _LINE_ENDS:
            start += 1
        if not comment or not text.startswith(comment, start):
            return start
        end = _end_of_line(text, start)
        if end is None:
            return len(text)
        start = end


def _end_of_line(text: str, start: int) -> int | None:
    ends = [end for mark in _LINE_ENDS if (end := text.find(mark, start)) >= 0]
    if not ends:
        return None
    end = min(ends)
    return end + (2 if text.startswith("\r\n", end) else 1)


def _unique(names: Sequence[str]) -> Iterator[str]:
    """The names; one that stands there for the second time gets `.2` behind it, and so on."""
    taken = set(names)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            # a column may be called `a.2` by itself
            name = next(other for number in count(2) if (other := f"{name}.{number}") not in taken)  # noqa: PLW2901
            taken.add(name)
        seen.add(name)
        yield name


def _parse(text: str, start: int, separator: str) -> _Record | None:
    # The same rules as the parser of the data: a quote counts at the beginning of a value only, and doubled inside.
    values: list[str] = []
    value: list[str] = []
    quoted = False
    at_start = True
    position = start
    while position < len(text):
        character = text[position]
        position += 1
        if quoted:
            if character != '"':
                value.append(character)
            elif text[position : position + 1] == '"':
                value.append(character)
                position += 1
            else:
                quoted = False
        elif character == '"' and at_start:
            quoted, at_start = True, False
        elif character == separator:
            values.append("".join(value))
            value, at_start = [], True
        elif character in _LINE_ENDS:
            if character == "\r" and text[position : position + 1] == "\n":
                position += 1
            return _Record((*values, "".join(value)), separator, position)
        else:
            value.append(character)
            at_start = False
    return None
