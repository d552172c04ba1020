"""What a scan has said of a source, kept in a file for the processes that come later.

A kept scan is no proof and nothing depends on it: where it is missing or cannot be read, the source is read again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.transfer.scanning.digests import Contents, Digest

_FACTS: Final = "facts.json"
#: What reading a damaged file comes to; a single wrong bit may ask for a compression or a password.
_UNREADABLE: Final = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    pl.exceptions.PolarsError,
)


@dataclass(frozen=True)
class Scan:
    """What a source holds.

    Attributes:
        version: of the source, when it was scanned.
        meaning: of its raw rows: what was found holds under the same meaning only.
        now: rows later than this lay in the future.
        next_future: the first time that lay in the future; None where none did.
        contents: of a measurement's source, by local day.
        parts: see `Source.parts`.
        entities: distinct tenants, buildings and sensors of accepted rows, in the order of the source: columns of
            `scanner.ENTITY_SCHEMA`, `@source`, `@order`. None where they were not looked for.
        extra_types: of the extra fields that it feeds; with the entities.
    """

    version: str
    meaning: str
    now: datetime
    next_future: datetime | None = None
    contents: Contents = field(default_factory=Contents)
    parts: pl.DataFrame | None = None
    entities: pl.DataFrame | None = None
    extra_types: Mapping[str, ColumnType] = field(default_factory=dict)

    @cached_property
    def digests(self) -> Mapping[date | None, Digest]:
        """Of the rows by local day; None: of those that fall on none."""
        return self.contents.digests()

    def holds_at(self, now: datetime) -> bool:
        """Whether an unchanged source would be told the same at another time, when less lies in the future."""
        return self.now <= now and (self.next_future is None or now < self.next_future)


def keep_scan(folder: Path, place: tuple[str, ...], scan: Scan) -> None:
    """Write a scan to its file, whole or not at all. A folder that cannot be written to keeps none."""
    frames = {"figures": scan.contents.figures, "parts": scan.parts, "entities": scan.entities}
    facts: dict[str, Any] = {
        "version": scan.version,
        "meaning": scan.meaning,
        "now": scan.now.isoformat(),
        "next_future": scan.next_future and scan.next_future.isoformat(),
        "piece": scan.contents.piece,
        "extra_types": dict(scan.extra_types),
        "frames": [name for name, frame in frames.items() if frame is not None],
    }
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
                archive.writestr(_FACTS, json.dumps(facts))
                for title in facts["frames"]:
                    content = io.BytesIO()
                    frames[title].write_ipc(content, compression="lz4")
                    archive.writestr(title, content.getbuffer())
            Path(name).replace(_file(folder, place))
        finally:
            Path(name).unlink(missing_ok=True)


def kept_scan(folder: Path, place: tuple[str, ...]) -> Scan | None:
    """The scan that was kept last; None where there is none that can be read."""
    try:
        with zipfile.ZipFile(_file(folder, place)) as archive:
            facts = json.loads(archive.read(_FACTS))
            frames = {name: pl.read_ipc(io.BytesIO(archive.read(name))) for name in facts["frames"]}
        return Scan(
            facts["version"],
            facts["meaning"],
            datetime.fromisoformat(facts["now"]),
            facts["next_future"] and datetime.fromisoformat(facts["next_future"]),
            Contents(frames["figures"], facts["piece"]),
            frames.get("parts"),
            frames.get("entities"),
            facts["extra_types"],
        )
    except _UNREADABLE:
        return None


def drop_scan(folder: Path, place: tuple[str, ...]) -> None:
    """Remove the scan that was kept last, if there is one."""
    with suppress(OSError):
        _file(folder, place).unlink(missing_ok=True)


def _file(folder: Path, place: tuple[str, ...]) -> Path:
    return folder / f"{hashlib.sha256(repr(place).encode()).hexdigest()[:32]}.scan"
