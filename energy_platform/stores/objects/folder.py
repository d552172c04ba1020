"""Objects as files of a folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from energy_platform.domain.errors import (
    SourceError,
    SourceMissingError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from energy_platform.failpoints import failpoint
from energy_platform.stores.objects.interface import CHUNK_BYTES, ObjectStore, checked_key, hash_of, key_of

# A put that takes longer than this is taken for dead: what it left behind goes.
_LEFTOVER_SECONDS: Final = 24 * 3600
_SETTING: Final = "ENERGY_OBJECTS_URL"


class FolderObjectStore(ObjectStore):
    """Objects below one folder, as `sha256/ab/abcdef…`; files of mode 0600 in folders of mode 0700.

    An object appears by one rename, once its content and then its name are on the disk: a process killed at any
    moment leaves either the whole object or a file in `incoming/`, which is no object and goes after a day.
    """

    def __init__(self, root: Path) -> None:
        """Nothing is made before the first put.

        Args:
            root: the folder; relative ones are taken from the current one, once.
        """
        self.root = root.absolute()
        self._incoming = self.root / "incoming"

    def put_file(self, path: Path) -> str:
        """Keep a copy of a file, whole or not at all; a damaged copy is replaced.

        Args:
            path: the file; it is read only.

        Returns:
            Its key.

        Raises:
            SourceMissingError: there is no such file.
            SourceError: it cannot be read.
            StoreError: the folder is full, or refuses.
        """
        with _source(path) as source:
            key = key_of(hash_of(source))
            size = source.tell()
            if self._has_whole(key, size):
                return key
            source.seek(0)
            with _errors(str(self.root)):
                return self._copy(source)

    def has(self, key: str) -> bool:
        """Whether there is an object with this key."""
        with _errors(key):
            try:
                self._path(key).stat()
            except FileNotFoundError:
                return False
        return True

    def size(self, key: str) -> int:
        """Bytes of an object. Raises StoreError where there is none."""
        with _errors(key):
            return self._path(key).stat().st_size

    def open(self, key: str) -> BinaryIO:
        """An object to read from, as a stream that the caller closes. Raises StoreError where there is none."""
        with _errors(key):
            return self._path(key).open("rb")

    def keys(self) -> Iterator[str]:
        """The keys of all whole objects, sorted. Files that are no objects are passed over."""
        for folder in self._names("sha256"):
            for name in self._names(f"sha256/{folder}"):
                with contextlib.suppress(StoreError):
                    yield checked_key(f"sha256/{folder}/{name}")

    def delete(self, key: str) -> None:
        """Remove an object for good; one that is not there is no error."""
        path = self._path(key)
        with _errors(key):
            if path.exists():
                path.unlink(missing_ok=True)
                _sync_folder(path.parent)

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _names(self, folder: str) -> list[str]:
        with _errors(str(self.root / folder)):
            try:
                return sorted(path.name for path in (self.root / folder).iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return []

    def _has_whole(self, key: str, size: int) -> bool:
        # Trusting a name would keep a damaged copy for ever.
        return self.has(key) and self.size(key) == size and self.verify(key)

    def _copy(self, source: BinaryIO) -> str:
        """Copy by way of `incoming/`. The key is that of the bytes copied: the file may have changed meanwhile."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._incoming.mkdir(mode=0o700, exist_ok=True)
        self._remove_leftovers()
        handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as copy:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            key = key_of(digest.hexdigest())
            target = self._path(key)
            kind = target.parent.parent
            for folder in (kind, target.parent):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, exist_ok=True)
                    _sync_folder(folder.parent)
            failpoint("mid_object")
            Path(name).replace(target)
            _sync_folder(target.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise
        return key

    def _remove_leftovers(self) -> None:
        oldest = time.time() - _LEFTOVER_SECONDS
        for path in self._incoming.iterdir():
            # Another process may be doing the same.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _sync_folder(folder: Path) -> None:
    """A new name survives a loss of power only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _source(path: Path) -> Iterator[BinaryIO]:
    try:
        source = path.open("rb")
    except FileNotFoundError as error:
        raise SourceMissingError("There is no such file.", where=str(path), remedy="Check its path.") from error
    except OSError as error:
        raise SourceError(
            f"The file cannot be read ({error.strerror}).", where=str(path), remedy="Check its permissions."
        ) from error
    with source:
        yield source


@contextlib.contextmanager
def _errors(where: str) -> Iterator[None]:
    """Turns what the system says into what a person can do."""
    try:
        yield
    except FileNotFoundError as error:
        raise StoreError("There is no such object.", where=where, remedy="Put the file again.") from error
    except PermissionError as error:
        raise StoreAccessError(
            "The object store may not be entered or written.",
            where=where,
            remedy=f"Give this user the folder, or name another one in {_SETTING}.",
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                "The disk of the object store is full.", where=where, remedy="Free some space, then run this again."
            ) from error
        raise StoreUnavailableError(
            f"The object store does not work ({error.strerror or error}).",
            where=where,
            remedy=f"Check the folder that {_SETTING} names.",
        ) from error
