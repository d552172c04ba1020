"""Databases whose log was never merged, on a medium that cannot be written: they are read from a copy.

SQLite needs a file beside the log to read it, and makes it where it is missing; where it cannot, the rows of the log
would be out of reach.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from energy_platform.domain.errors import SourceError

_INDEX = "-shm"
_LOG = "-wal"


def needs_copy(path: Path) -> bool:
    """Whether a database with a log cannot be read where it is."""
    return not Path(f"{path}{_INDEX}").exists() and not os.access(path.parent, os.W_OK)


def readable_copy(path: Path, name: str, version: str) -> Path:
    """A copy of a database and its log, as long as this process lives.

    Args:
        path: of the database.
        name: of the source, for messages.
        version: of the database and its log.

    Raises:
        SourceError: there is no room for it.
    """
    try:
        return Path(_copied(path, version).name, path.name)
    except OSError as error:
        raise SourceError(
            f"Its log was never merged, and it cannot be copied to read it: {error.strerror}.",
            where=name,
            remedy=f"Make room in {tempfile.gettempdir()}, or put the file where this user may write.",
        ) from None


@lru_cache(maxsize=8)
def _copied(path: Path, version: str) -> tempfile.TemporaryDirectory[str]:
    del version
    folder = tempfile.TemporaryDirectory(prefix="energy-platform-")
    try:
        for ending in ("", _LOG):
            # contents alone: a copy of the rights could not be written either
            shutil.copyfile(f"{path}{ending}", Path(folder.name, f"{path.name}{ending}"))
    except OSError:
        folder.cleanup()
        raise
    return folder
