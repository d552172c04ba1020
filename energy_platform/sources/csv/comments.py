"""Leaves comment lines out of a CSV file on its way to the parser, wherever they stand between rows."""

from __future__ import annotations

from collections.abc import Iterator

#: A line is not waited for beyond this length: the parser refuses it anyway.
_LONGEST_LINE = 1 << 24


def without_comments(chunks: Iterator[bytes], mark: bytes, separator: bytes) -> Iterator[bytes]:
    """The same text without lines that begin with a mark; such a line inside of a quoted value is no comment.

    Args:
        chunks: UTF-8 from the beginning of a row on.
        mark: that a comment begins with.
        separator: between columns: a quote opens a value behind it, or at the beginning of a row.
    """
    waiting = b""
    quoted = False
    for chunk in chunks:
        data = waiting + chunk
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and len(data) > _LONGEST_LINE:
            end = len(data)
        whole, waiting = data[:end], data[end:]
        kept, quoted = _kept(whole, mark, separator, quoted)
        if kept:
            yield kept
    kept, _ = _kept(waiting, mark, separator, quoted)
    if kept:
        yield kept


def _kept(lines: bytes, mark: bytes, separator: bytes, quoted: bool) -> tuple[bytes, bool]:
    """The lines that are no comments, and whether the last of them leaves a quote open."""
    has_quotes = b'"' in lines
    if not has_quotes and (quoted or mark not in lines):
        return lines, quoted
    kept: list[bytes] = []
    for line in lines.splitlines(keepends=True):
        if not quoted and line.startswith(mark):
            continue
        if has_quotes and b'"' in line:
            quoted = _is_open_behind(line, separator, quoted)
        kept.append(line)
    return b"".join(kept), quoted


def _is_open_behind(line: bytes, separator: bytes, quoted: bool) -> bool:
    """Whether a quoted value goes on behind a line, by the rules of the parser."""
    position = 0
    while True:
        if quoted:
            position = line.find(b'"', position) + 1
            if not position:
                return True
            if line.startswith(b'"', position):
                position += 1
                continue
            quoted = False
        elif line.startswith(b'"', position):
            position += 1
            quoted = True
            continue
        # the rest of the value is plain, whatever stands in it
        position = line.find(separator, position) + 1
        if not position:
            return False
