"""A pickle's bytes as a forward-only stream: bounded, decompressed on the way, never held as a whole."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Protocol

CHUNK_BYTES = 1 << 16
SKIP_BYTES = 1 << 20

# The prefixes by which joblib itself tells how a file is compressed.
COMPRESSION_PREFIXES: dict[str, bytes] = {
    "zlib": b"\x78",
    "gzip": b"\x1f\x8b",
    "bz2": b"BZh",
    "lzma": b"\x5d\x00",
    "xz": b"\xfd7zXZ",
    "lz4": b"\x04\x22\x4d\x18",
}


class UnreadableError(Exception):
    """The pickle cannot be followed any further. The message says why, as the end of a sentence."""


@dataclass(frozen=True)
class Limits:
    """What one inspection may cost, whatever the file says about itself."""

    opcodes: int = 5_000_000
    """Opcodes read, nested pickles included."""
    held_values: int = 2_000_000
    """Values on the stack and in the memo at one time."""
    held_text_bytes: int = 128 << 20
    """Short strings kept because they may turn out to be names."""
    globals: int = 10_000
    """Different names of modules and classes."""
    decompressed_bytes: int = 1 << 30
    """Size of a compressed pickle once decompressed."""
    free_decompressed_bytes: int = 64 << 20
    """Decompressed size below which the ratio is not asked for."""
    compression_ratio: int = 200
    """Decompressed bytes per compressed byte."""


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class _ZlibDecompressor:
    """zlib and gzip with the interface that bz2 and lzma have."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


# A dictionary above this size is refused: xz may declare 4 GiB.
_LZMA_MEMORY_BYTES = 128 << 20


def _decompressor(compression: str) -> _Decompressor:
    if compression == "zlib":
        return _ZlibDecompressor(zlib.MAX_WBITS)
    if compression == "gzip":
        return _ZlibDecompressor(zlib.MAX_WBITS | 16)
    if compression == "bz2":
        return bz2.BZ2Decompressor()
    if compression == "lzma":
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LZMA_MEMORY_BYTES)
    if compression == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY_BYTES)
    raise UnreadableError(f"is compressed with {compression}, which is not read")


class _DecompressedFile(io.RawIOBase):
    """The content of a compressed file, up to the limits."""

    def __init__(self, file: BinaryIO, compression: str, limits: Limits) -> None:
        self._file = file
        self._inner = _decompressor(compression)
        self._limits = limits
        self._read = 0
        self._written = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        while not self._inner.eof:
            data = self._file.read(CHUNK_BYTES) if self._inner.needs_input else b""
            at_end = self._inner.needs_input and not data
            self._read += len(data)
            try:
                content = self._inner.decompress(data, len(target))
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
                raise UnreadableError(f"holds damaged compressed data ({error})") from error
            if content:
                self._account(len(content))
                target[: len(content)] = content
                return len(content)
            if at_end:
                raise UnreadableError("ends in the middle of its compressed data")
        if self._inner.unused_data or self._file.read(1):
            raise UnreadableError("goes on after the end of its compressed data")
        return 0

    def _account(self, count: int) -> None:
        self._written += count
        limits = self._limits
        if self._written > limits.decompressed_bytes:
            raise UnreadableError(f"decompresses to more than {limits.decompressed_bytes} bytes")
        if self._written > limits.free_decompressed_bytes and self._written > limits.compression_ratio * self._read:
            raise UnreadableError(f"decompresses to more than {limits.compression_ratio} times its size")


class ByteStream:
    """Reads forward only. `position` counts the bytes of the pickle, after decompression."""

    def __init__(self, file: BinaryIO, *, size: int, compression: str = "", limits: Limits | None = None) -> None:
        self.position = 0
        self._size = None if compression else size
        self._file: BinaryIO | io.BufferedReader = file
        if compression:
            self._file = io.BufferedReader(_DecompressedFile(file, compression, limits or Limits()), CHUNK_BYTES)

    def read_byte(self) -> bytes:
        """One byte, or nothing at the end."""
        data = self._file.read(1)
        self.position += len(data)
        return data

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes; for small counts only."""
        data = self._file.read(count)
        self.position += len(data)
        if len(data) != count:
            raise UnreadableError(f"ends at byte {self.position}, in the middle of an opcode")
        return data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes without holding them, however many the file claims there are."""
        if self._size is not None:
            if count > self._size - self.position:
                raise UnreadableError(
                    f"declares {count} bytes at byte {self.position}, where {self._size - self.position} are left"
                )
            self._file.seek(count, io.SEEK_CUR)
            self.position += count
            return
        while count:
            data = self._file.read(min(count, SKIP_BYTES))
            if not data:
                raise UnreadableError(f"ends at byte {self.position}, where {count} more bytes were declared")
            self.position += len(data)
            count -= len(data)

    def read_line(self, limit: int) -> bytes | None:
        """A line without its end; None for one longer than `limit`, which is passed over."""
        data = self._file.readline(limit + 1)
        self.position += len(data)
        if data.endswith(b"\n"):
            return data[:-1]
        while data:
            data = self._file.readline(SKIP_BYTES)
            self.position += len(data)
            if data.endswith(b"\n"):
                return None
        raise UnreadableError(f"ends at byte {self.position}, in the middle of a line")

    def at_end(self) -> bool:
        """Whether nothing is left. Reads one byte where something is."""
        return not self._file.read(1)
