"""The first record of a CSV file: which character separates, what the columns are called, where the data begins."""

from __future__ import annotations

from dataclasses import dataclass

_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a CSV file.

    Attributes:
        names: of the columns, in order.
        separator: between columns.
        length: how many characters of the text it takes, its line end and blank lines before it included.
    """

    names: tuple[str, ...]
    separator: str
    length: int


def read_header(text: str, separator: str | None) -> Header | None:
    """The header at the beginning of a text; None where its end is not in the text, or nothing but blank lines is.

    Args:
        text: the beginning of the file, or all of it with a line end behind it.
        separator: None to take that of comma, semicolon and tab which stands in the header most often.
    """
    start = len(text) - len(text.lstrip("\r\n"))
    if separator is not None:
        return _parse(text, start, separator)
    found = [_parse(text, start, candidate) for candidate in _SEPARATORS]
    # the first of equals, so the comma where there is but one column
    best = max((header for header in found if header is not None), key=lambda header: len(header.names), default=None)
    if best is not None and len(best.names) == 1 and None in found:
        return None  # one of the separators does separate, and opens a quote
    return best


def _parse(text: str, start: int, separator: str) -> Header | None:
    # The same rules as the parser of the data: a quote counts at the beginning of a value only, and doubled inside.
    names: list[str] = []
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
            names.append("".join(value))
            value, at_start = [], True
        elif character in "\r\n":
            if character == "\r" and text[position : position + 1] == "\n":
                position += 1
            return Header((*names, "".join(value)), separator, position)
        else:
            value.append(character)
            at_start = False
    return None
