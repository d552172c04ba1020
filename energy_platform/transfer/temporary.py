"""Temporary files of loads, which go with the load, or with the next one where a process was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_FOLDER_PREFIX: Final = "energy-platform-staging-"


def new_folder() -> Path:
    """A folder for temporary files; those that killed processes have left behind go."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_FOLDER_PREFIX}*"):
        process = left.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=base))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
