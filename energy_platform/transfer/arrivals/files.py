"""The state of files: which version, since when, and whether somebody still writes them. No content is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy_platform.domain.errors import SourceError, SourceMissingError
from energy_platform.sources.opening import open_source
from energy_platform.sources.source import file_status
from energy_platform.sources.spec import SourceSpec

#: Files are watched in so many groups, so that what is remembered of ten thousand of them stays small.
GROUPS: Final = 256


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it is now.

    Attributes:
        name: of the source, or of the file in its folder.
        version: changes when the file was touched; empty where it is gone or cannot be looked at.
        changed_at: when it was last touched here, in seconds since 1970; 0 where that is unknown.
        whole: readers see finished writes only (SQLite), so that nobody has to wait for the writer.
        gone: it is not there.
        problem: why it cannot be looked at.
    """

    name: str
    version: str = ""
    changed_at: float = 0.0
    whole: bool = False
    gone: bool = False
    problem: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether it is there and can be looked at."""
        return bool(self.version)


def source_states(specs: Iterable[SourceSpec]) -> dict[str, FileState]:
    """The state of each source's file, by the name of the source."""
    return {spec.name: _source_state(spec) for spec in specs}


def path_states(folder: Path, paths: Iterable[Path]) -> dict[str, FileState]:
    """The state of files that are no sources, by their path within a folder."""
    states: dict[str, FileState] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        try:
            status = file_status(path, name)
        except SourceError as error:
            states[name] = FileState(name, gone=isinstance(error, SourceMissingError), problem=str(error))
            continue
        version = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
        states[name] = FileState(name, version, max(status.st_mtime, status.st_ctime))
    return states


def _source_state(spec: SourceSpec) -> FileState:
    try:
        version = open_source(spec).version()
        # a file that was moved or copied here with its old time has been touched all the same
        status = spec.path.stat()
    except SourceMissingError:
        return FileState(spec.name, gone=True)
    except (SourceError, OSError) as error:
        return FileState(spec.name, problem=str(error))
    return FileState(spec.name, version, max(status.st_mtime, status.st_ctime), whole=spec.kind == "sqlite")


def group_of(name: str) -> str:
    """The group that a file is watched in."""
    return f"{int.from_bytes(hashlib.sha256(name.encode()).digest()[:2], 'big') % GROUPS:02x}"


def group_marks(versions: Mapping[str, str]) -> dict[str, str]:
    """A mark of each group that changes when a version in it does, or when a file comes or goes."""
    groups: dict[str, list[str]] = {}
    for name, version in versions.items():
        groups.setdefault(group_of(name), []).append(f"{name}\0{version}")
    return {group: mark_of(sorted(lines)) for group, lines in sorted(groups.items())}


def mark_of(parts: Iterable[object]) -> str:
    """A short mark of things in their order."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]


def still_written(
    states: Iterable[FileState], waiting: Mapping[str, tuple[str, float]], settle_seconds: float, now: float
) -> dict[str, tuple[str, float]]:
    """The files that may still be written: their versions, and since when these have been seen.

    Args:
        states: of files that have changed.
        waiting: what this gave the last time; where clocks of machines differ, what we have seen ourselves counts.
        settle_seconds: a file that has stayed the same for so long is finished.
        now: seconds since 1970.
    """
    unsettled: dict[str, tuple[str, float]] = {}
    for state in states:
        if state.whole or not state.is_readable:
            continue
        version, since = waiting.get(state.name, ("", now))
        since = since if version == state.version else now
        untouched = now - state.changed_at
        if max(untouched, now - since) < settle_seconds:
            unsettled[state.name] = (state.version, since)
    return unsettled
