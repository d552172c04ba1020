"""Text files of any encoding as a stream of UTF-8: which encoding it is, and where it is broken.

A file that begins as gzip does is read as what was packed into it.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from energy_platform.domain.errors import SourceError
from energy_platform.sources.source import empty_file, file_status, unreadable

_CHUNK_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's mark
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: An estate may have a file per building and month.
_KNOWN_FILES = 1 << 16
_GZIP = b"\x1f\x8b"
_ENCODING_REMEDY = "Say `encoding:` in the estate file, or save the file as UTF-8."


def detect_encoding(path: Path, name: str, declared: str | None) -> str:
    """The encoding of a text file, after the whole of it was decoded once.

    A declared one is taken as it is; else a byte order mark decides; else it is UTF-8, and CP949 where it is not.

    Raises:
        SourceError: the file is empty, holds NUL characters, or bytes that are no text in that encoding.
    """
    status = file_status(path, name)
    if status.st_size == 0:
        raise empty_file(name)
    return _detected(path, name, declared, (status.st_size, status.st_mtime_ns, status.st_ino))


@lru_cache(maxsize=_KNOWN_FILES)
def _detected(path: Path, name: str, declared: str | None, version: tuple[int, int, int]) -> str:
    # decoding a large file takes a while: once is enough, as long as nobody touches it
    del version
    if declared is None:
        with _opened(path, name) as stream:
            head = stream.read(4)
        declared = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    if declared is not None:
        if fault := _first_fault(path, name, declared):
            raise SourceError(f"It is no valid {declared.upper()}: {fault}.", where=name, remedy=_ENCODING_REMEDY)
        return declared
    as_utf8 = _first_fault(path, name, "utf-8")
    if as_utf8 is None:
        return "utf-8"
    as_korean = _first_fault(path, name, "cp949")
    if as_korean is None:
        return "cp949"
    raise SourceError(f"It is neither UTF-8 ({as_utf8}) nor CP949 ({as_korean}).", where=name, remedy=_ENCODING_REMEDY)


def read_text(path: Path, name: str, declared: str | None) -> str:
    """The whole text of a file, without its byte order mark. Raises SourceError as `detect_encoding` does."""
    encoding = detect_encoding(path, name, declared)
    with _opened(path, name) as stream:
        return stream.read().decode(encoding).removeprefix("\ufeff")


def read_beginning(path: Path, name: str, size: int) -> tuple[bytes, int]:
    """The first bytes of a text, and how many bytes of the file they take. Raises SourceError."""
    with _opened(path, name) as stream:
        head = stream.read(size)
        return head, stream.packed.tell() if isinstance(stream, _Unpacked) else len(head)


class Utf8Stream(io.RawIOBase):
    """A text file as UTF-8 bytes without byte order mark, with something put behind its end.

    Args:
        path: of the file.
        name: of the source, for messages.
        encoding: as `detect_encoding` found it.
        skip: how many bytes of the UTF-8 to leave out at the beginning.
        length: how many bytes to give behind those; None for all.
        tail: bytes behind the end.
        edited: what becomes of the bytes between the two.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        encoding: str,
        *,
        skip: int = 0,
        length: int | None = None,
        tail: bytes = b"",
        edited: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
    ) -> None:
        super().__init__()
        self._stream = _opened(path, name)
        self._rest = b""
        self._left = length
        # UTF-8 has been validated as a whole: its bytes pass as they are, uncopied
        self._direct = encoding == "utf-8" and edited is None
        if encoding == "utf-8":
            mark = len(codecs.BOM_UTF8) if self._stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
            self._stream.seek(mark + skip)
            chunks = self._plain()
        else:
            chunks = self._decoded(encoding, skip)
        chunks = chunks if length is None else self._limited(chunks)
        self._chunks = chain(chunks if edited is None else edited(chunks), (tail,) if tail else ())

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; all that are left where it is negative."""
        if size < 0:
            everything = self._rest + b"".join(self._chunks)
            self._rest = b""
            return everything
        if self._direct:
            data = self._stream.read(size if self._left is None else min(size, self._left))
            if self._left is not None:
                self._left -= len(data)
            if len(data) == size:
                return data
            self._direct, self._rest = False, data
        parts: list[bytes] = []
        missing = size
        while missing:
            if not self._rest:
                self._rest = next(self._chunks, b"")
                if not self._rest:
                    break
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
        super().close()

    def _plain(self) -> Iterator[bytes]:
        while chunk := self._stream.read(_CHUNK_BYTES):
            yield chunk

    def _limited(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            part = chunk[: self._left]
            if not part:
                break
            self._left = (self._left or 0) - len(part)
            yield part

    def _decoded(self, encoding: str, skip: int) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)()
        first = True
        while True:
            data = self._stream.read(_CHUNK_BYTES)
            last = not data
            chunk = decoder.decode(data, last).encode()
            if first and chunk:
                chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
            chunk, skip = chunk[skip:], max(0, skip - len(chunk))
            if chunk:
                yield chunk
            if last:
                break


def _opened(path: Path, name: str) -> Any:
    file_status(path, name)
    try:
        stream = path.open("rb")
        packed = stream.read(len(_GZIP)) == _GZIP
        stream.seek(0)
    except OSError as error:
        raise unreadable(name, error) from None
    return _Unpacked(stream, name) if packed else stream


class _Unpacked(gzip.GzipFile):
    """What was packed into a gzip file; a fault in it is told with the name of the source."""

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self.packed = stream
        # the file is closed with what was packed into it
        self.myfileobj = stream
        self._source = name

    def read(self, size: int | None = -1) -> bytes:
        """As of any stream. Raises SourceError."""
        try:
            return super().read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceError(
                f"The gzip file is cut off or damaged: {error}.",
                where=self._source,
                remedy="Copy it again, or pack it anew.",
            ) from None


def _first_fault(path: Path, name: str, encoding: str) -> str | None:
    """What is wrong with the file as text of that encoding, e.g. `byte 17, line 2`; None where nothing is.

    Raises SourceError for NUL characters, which are no text in any encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    fed = lines = 0
    with _opened(path, name) as stream:
        while True:
            chunk = stream.read(_CHUNK_BYTES)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                before = bytes(error.object[: error.start]).decode(encoding, "replace")
                return f"byte {fed - held + error.start + 1}, line {lines + _line_ends(before) + 1}"
            if (position := text.find("\0")) >= 0:
                line = lines + _line_ends(text[:position]) + 1
                raise SourceError(
                    f"Line {line} holds a NUL character, which is no text.",
                    where=name,
                    remedy="Say `encoding: utf-16-le` in the estate file where it is UTF-16, else export it again.",
                )
            lines += _line_ends(text)
            fed += len(chunk)
            if not chunk:
                return None


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")
