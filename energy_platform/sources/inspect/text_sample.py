"""A piece of a text file: whole where it is small, else its beginning, middle and end, in the encoding that fits."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from energy_platform.domain.errors import SourceError
from energy_platform.sources.source import empty_file, file_status, unreadable

#: Files up to this size are read whole.
WHOLE_BYTES = 16 << 20
_HEAD_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10
_GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# letters of Western European languages between two plain ones: Gebäude, Größe
_WESTERN = re.compile(r"[A-Za-z][À-ÖØ-öø-ÿ][a-z]|[À-ÖØ-Þ][a-z]{2}|°[CF]")
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class TextSample:
    """What was read of a text file.

    Attributes:
        pieces: its beginning first; the further ones begin and end with whole lines.
        encoding: of the file.
        declared: the estate file has to name the encoding.
        marked: a byte order mark stands at the beginning.
        compressed: it is gzip.
        whole: the first piece is the file.
        size: of the file, in bytes as they lie on the disk.
        sampled: bytes that were looked at.
        line_end: most of its lines end with it.
    """

    pieces: tuple[str, ...]
    encoding: str
    declared: bool
    marked: bool
    compressed: bool
    whole: bool
    size: int
    sampled: int
    line_end: str


def read_sample(path: Path, name: str) -> TextSample:
    """Read a piece of a file.

    Raises:
        SourceError: the file is empty, cannot be read, or is no text.
    """
    size = file_status(path, name).st_size
    if not size:
        raise empty_file(name)
    try:
        raw, whole, compressed = _bytes_of(path, size)
    except OSError as error:
        raise unreadable(name, error) from None
    except (EOFError, zlib.error):
        raise SourceError(
            "It begins like gzip, and cannot be decompressed.", where=name, remedy="Compress it again."
        ) from None
    encoding, marked, declared = _encoding(raw[0])
    head = _decoded(raw[0], encoding, cut=not whole) if encoding is not None else "\0"
    if encoding is None or "\0" in head:
        raise SourceError("This is no text.", where=name, remedy="Ignore it in the estate file, with a reason.")
    pieces = [head, *(_whole_lines(_decoded(piece, encoding, cut=True)) for piece in raw[1:])]
    ends = [("\r\n", head.count("\r\n")), ("\n", head.count("\n") - head.count("\r\n"))]
    ends.append(("\r", head.count("\r") - head.count("\r\n")))
    line_end = max(ends, key=lambda end: end[1])[0]
    return TextSample(tuple(pieces), encoding, declared, marked, compressed, whole, size, sum(map(len, raw)), line_end)


def _bytes_of(path: Path, size: int) -> tuple[list[bytes], bool, bool]:
    with path.open("rb") as stream:
        if stream.read(2) == _GZIP:
            with gzip.open(path) as text:
                head = text.read(WHOLE_BYTES)
                return [head], not text.read(1), True
        stream.seek(0)
        if size <= WHOLE_BYTES:
            return [stream.read()], True, False
        pieces = [stream.read(_HEAD_BYTES)]
        for place in (size // 2, size - _PIECE_BYTES):
            # an even place: no character of UTF-16 is cut in two
            stream.seek(place - place % 4)
            pieces.append(stream.read(_PIECE_BYTES))
        return pieces, False, False


def _encoding(head: bytes) -> tuple[str | None, bool, bool]:
    """The encoding, whether a mark says so, and whether the estate file has to."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, True, False
    beginning = head[:4096]
    nulls = beginning.count(b"\0")
    if nulls:
        odd, even = beginning[1::2].count(b"\0"), beginning[::2].count(b"\0")
        if nulls > len(beginning) // 5 and (not even or not odd):
            return ("utf-16-le" if odd else "utf-16-be"), False, True
        return None, False, False
    if _fits(head, "utf-8"):
        return "utf-8", False, False
    western = head.decode("cp1252", "ignore") if _fits(head, "cp1252") else ""
    if _fits(head, "cp949") and (_fits(head, "euc_kr") or not _WESTERN.search(western)):
        return "cp949", False, True
    if western and not _controls(western):
        return "cp1252", False, True
    return None, False, False


def _fits(data: bytes, encoding: str) -> bool:
    try:
        # a character may be cut at the end of the piece
        codecs.getincrementaldecoder(encoding)().decode(data, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _controls(text: str) -> bool:
    return any(ord(character) < 32 and character not in "\t\r\n\f" for character in text[:4096])


def _decoded(data: bytes, encoding: str, *, cut: bool) -> str:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data, final=not cut)
    return text.removeprefix("\ufeff")


def _whole_lines(text: str) -> str:
    first = _LINE_END.search(text)
    last = max(text.rfind("\n"), text.rfind("\r"))
    return text[first.end() : last + 1] if first and last > first.end() else ""
