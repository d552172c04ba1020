"""Every file of a folder: which kind it is, by its content first and its name second, and why others are no sources."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

FileKind = Literal["sqlite", "csv", "json", "model", "other", "unreadable"]

_SQLITE = b"SQLite format 3\0"
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")
_TABLE_ENDINGS = frozenset({".csv", ".tsv", ".tab", ".psv"})
_MAYBE_TABLES = frozenset({"", ".txt", ".dat", ".log", ".out", ".data", ".asc"})
_MODEL_ENDINGS = frozenset({".pkl", ".pickle", ".joblib"})
#: Data that is read by nothing here: somebody has to convert it, or say that it is not wanted.
_OTHER_DATA = {
    ".xlsx": "an Excel workbook: save its sheets as CSV",
    ".xls": "an Excel workbook: save its sheets as CSV",
    ".parquet": "a Parquet file: export it as CSV",
    ".feather": "a Feather file: export it as CSV",
    ".h5": "an HDF5 file: export it as CSV",
    ".hdf5": "an HDF5 file: export it as CSV",
    ".jsonl": "JSON line by line: write it as one array",
    ".ndjson": "JSON line by line: write it as one array",
    ".xml": "an XML file: export it as CSV",
    ".zip": "an archive: unpack it",
    ".tar": "an archive: unpack it",
    ".7z": "an archive: unpack it",
    ".mdb": "an Access database: export its tables as CSV",
    ".accdb": "an Access database: export its tables as CSV",
}
_NO_DATA = {
    ".md": "describes the folder, holds no data",
    ".rst": "describes the folder, holds no data",
    ".pdf": "a document",
    ".docx": "a document",
    ".html": "a document",
    ".py": "a program",
    ".ipynb": "a notebook",
    ".sh": "a program",
    ".sql": "a program",
    ".png": "a picture",
    ".jpg": "a picture",
    ".jpeg": "a picture",
    ".svg": "a picture",
    ".yaml": "settings",
    ".yml": "settings",
    ".toml": "settings",
    ".ini": "settings",
    ".cfg": "settings",
}
_HASHED_BYTES = 1 << 20
#: What people and systems add to the name of a copy, or call the folder that it is in.
_COPY_MARK = re.compile(r"[\s_.-]*(?:\(\d+\)|\b(?:copy of|copy|backups?|bak|old|archive)\b|복사본|사본|백업)[\s_.-]*")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of the folder.

    Attributes:
        path: of the file.
        name: its path inside the folder, with forward slashes.
        kind: of file.
        why: it is no source; empty where it may be one.
        is_data: it holds data that cannot be read here.
        is_surely_a_table: its name says so: text that is no table is worth a word then.
    """

    path: Path
    name: str
    kind: FileKind
    why: str = ""
    is_data: bool = False
    is_surely_a_table: bool = False


def files_of(folder: Path, estate_file: Path | None = None) -> list[FoundFile]:
    """Every file below a folder, hidden ones left out, copies of others marked.

    Args:
        folder: that is looked at.
        estate_file: an estate file in it, which is no data.
    """
    found: list[FoundFile] = []
    for path in _below(folder):
        if estate_file is not None and path.resolve() == estate_file.resolve():
            continue
        name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
        found.append(_classified(path, name))
    databases = {file.name for file in found if file.kind == "sqlite"}
    kept = [f for f in found if not any(f.name == base + end for base in databases for end in _BESIDE_SQLITE)]
    return _without_copies(kept)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _classified(path: Path, name: str) -> FoundFile:
    ending = path.suffix.lower()
    try:
        if not path.is_file():
            return FoundFile(path, name, "other", "no regular file")
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        return FoundFile(path, name, "unreadable", f"it cannot be read: {error.strerror}", is_data=True)
    if not head:
        return FoundFile(path, name, "other", "empty (0 bytes)")
    if head.startswith(_SQLITE):
        return FoundFile(path, name, "sqlite")
    if ending in _MODEL_ENDINGS:
        return FoundFile(path, name, "model")
    if ending in _OTHER_DATA:
        return FoundFile(path, name, "other", _OTHER_DATA[ending], is_data=True)
    if ending in _NO_DATA:
        return FoundFile(path, name, "other", _NO_DATA[ending])
    if ending == ".json":
        return FoundFile(path, name, "json")
    if ending == ".gz":
        ending = Path(path.stem).suffix.lower()
        if ending == ".json":
            return FoundFile(path, name, "other", "compressed JSON: unpack it", is_data=True)
    if ending in _TABLE_ENDINGS:
        return FoundFile(path, name, "csv", is_surely_a_table=True)
    if ending in _MAYBE_TABLES:
        return FoundFile(path, name, "csv")
    return FoundFile(path, name, "other", "of no kind that holds tables or models")


def _without_copies(files: list[FoundFile]) -> list[FoundFile]:
    """The same files; of two with the same bytes, one called like a copy of the other, that one is no source."""
    alike: dict[tuple[str, int], list[FoundFile]] = {}
    for file in files:
        if file.kind in {"sqlite", "csv", "json"}:
            # files of two meters that measured nothing have the same bytes too: the names must tell
            alike.setdefault((_original_name(file.name), file.path.stat().st_size), []).append(file)
    copies: dict[str, str] = {}
    for several in alike.values():
        originals: dict[str, str] = {}
        # `a.csv` is the original of `a (1).csv` and `a_copy.csv`
        for file in sorted(several, key=lambda one: (len(one.name), one.name)) if len(several) > 1 else ():
            digest = _digest(file.path)
            if digest in originals:
                copies[file.name] = originals[digest]
            else:
                originals[digest] = file.name
    return [
        FoundFile(file.path, file.name, "other", f"the same bytes as {copies[file.name]}")
        if file.name in copies
        else file
        for file in files
    ]


def _original_name(name: str) -> str:
    """The name without what marks a copy: `energy.csv` for `old/Energy (1).csv`."""
    path = PurePosixPath(name.lower().replace("_", " "))
    parts = [_COPY_MARK.sub("", part) for part in (*path.parent.parts, path.name.partition(".")[0])]
    return "/".join([part for part in parts if part] + list(path.suffixes))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_HASHED_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
