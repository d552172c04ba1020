"""Temporary files of loads, which go with the load, or with the next one where a process was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import polars as pl

from energy_platform.domain.errors import StoreError

_FOLDER_PREFIX: Final = "energy-platform-staging-"


def new_folder() -> Path:
    """A folder for temporary files; those that killed processes have left behind go."""
    try:
        base = Path(tempfile.gettempdir())
    except OSError as error:
        raise _not_written("the temporary folder", error) from None
    for left in base.glob(f"{_FOLDER_PREFIX}*"):
        process = left.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    try:
        return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir=base))
    except OSError as error:
        raise _not_written(str(base), error) from None


def write_rows(rows: pl.DataFrame, path: Path, *, batch_rows: int | None = None) -> None:
    """Write rows into a temporary file, in batches of so many rows.

    Raises:
        StoreError: the disk is full, or refuses.
    """
    try:
        rows.write_ipc(path, compression="lz4", record_batch_size=batch_rows)
    except OSError as error:
        raise _not_written(str(path.parent), error) from None


def _not_written(folder: str, error: OSError) -> StoreError:
    return StoreError(
        f"A temporary file cannot be written ({error.strerror or error}).",
        where=folder,
        remedy="Free some space, or let TMPDIR name a folder on a larger disk, and run it again; a higher"
        " ENERGY_SPILL_ROWS keeps more rows in memory.",
    )


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
