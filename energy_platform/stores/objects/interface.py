"""What every object store does: keep files under the hash of their content."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from energy_platform.domain.errors import StoreError

CHUNK_BYTES: Final = 1 << 20
_KEY: Final = re.compile(r"sha256/([0-9a-f]{2})/(\1[0-9a-f]{62})")


def key_of(sha256: str) -> str:
    """The key of content with this hash: `sha256/ab/abcdef…`.

    Args:
        sha256: 64 hexadecimal digits, lower case.

    Raises:
        StoreError: it is no such hash.
    """
    return checked_key(f"sha256/{sha256[:2]}/{sha256}")


def checked_key(key: str) -> str:
    """`key` itself, where it is one; a path out of the store never is.

    Raises:
        StoreError: it is no key.
    """
    if not _KEY.fullmatch(key):
        raise StoreError(
            "This is no key of the object store.", where=repr(key)[:100], remedy="Keys look like sha256/ab/abcdef…"
        )
    return key


def sha256_of(key: str) -> str:
    """The hash that `key` promises, 64 hexadecimal digits."""
    return checked_key(key).rpartition("/")[2]


def hash_of(stream: BinaryIO) -> str:
    """SHA-256 of what is left of a stream, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


class ObjectStore(ABC):
    """Files under the hash of their content. What is in it never changes; putting it again costs nothing.

    All methods raise StoreError, StoreAccessError or StoreUnavailableError where the store refuses or fails.
    """

    @abstractmethod
    def put_file(self, path: Path) -> str:
        """Keep a copy of a file, whole or not at all; a damaged copy is replaced.

        Args:
            path: the file; it is read only.

        Returns:
            Its key.
        """

    @abstractmethod
    def has(self, key: str) -> bool:
        """Whether there is an object with this key."""

    @abstractmethod
    def size(self, key: str) -> int:
        """Bytes of an object. Raises StoreError where there is none."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """An object to read from, as a stream that the caller closes. Raises StoreError where there is none."""

    @abstractmethod
    def keys(self) -> Iterator[str]:
        """The keys of all whole objects, sorted."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object for good; one that is not there is no error. Nothing but a person's wish calls this."""

    def read(self, key: str) -> bytes:
        """The content of an object; for small ones. Raises StoreError where there is none."""
        with self.open(key) as stream:
            return stream.read()

    def verify(self, key: str) -> bool:
        """Whether an object is there and still has the content that its key promises: all of it is read."""
        if not self.has(key):
            return False
        with self.open(key) as stream:
            return hash_of(stream) == sha256_of(key)
