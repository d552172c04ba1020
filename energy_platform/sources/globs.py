"""Patterns of file names: an entry of the estate file that stands for all files that fit, now and later."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

_GLOB = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether it can stand for several files."""
    return _GLOB.search(text) is not None


def fits(file: str, pattern: str) -> bool:
    """Whether a path is one that a pattern stands for; `**/` stands for any folders, none included."""
    return _compiled(pattern).fullmatch(unicodedata.normalize("NFC", file)) is not None


def fitting_files(folder: Path, pattern: str, ignored: Iterable[str]) -> list[str]:
    """The files below a folder that fit a pattern, sorted by name, with forward slashes; no hidden or ignored ones."""
    unwanted = {unicodedata.normalize("NFC", name).rstrip("/") for name in ignored}
    # a pattern whose first folders are plain names needs no look at the others
    parts = pattern.split("/")[:-1]
    plain = parts[: next((place for place, part in enumerate(parts) if is_glob(part)), len(parts))]
    start = folder.joinpath(*plain)
    found = [
        file for file in _files_below(folder, start, unwanted, deep=len(plain) < len(parts)) if fits(file, pattern)
    ]
    return sorted(found, key=lambda file: unicodedata.normalize("NFC", file))


def _files_below(folder: Path, start: Path, unwanted: set[str], *, deep: bool) -> Iterator[str]:
    prefix = "" if start == folder else f"{start.relative_to(folder).as_posix()}/"
    try:
        entries = list(os.scandir(start))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.name.startswith(".") or unicodedata.normalize("NFC", name) in unwanted:
            continue
        if not entry.is_dir():
            yield name
        elif deep:
            yield from _files_below(folder, start / entry.name, unwanted, deep=True)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    rest = unicodedata.normalize("NFC", pattern)
    found = ""
    while rest:
        if rest.startswith("**/"):
            found, rest = f"{found}(?:[^/]+/)*", rest[3:]
        elif rest.startswith("*"):
            found, rest = f"{found}[^/]*", rest.lstrip("*")
        elif rest.startswith("?"):
            found, rest = f"{found}[^/]", rest[1:]
        elif choice := re.match(r"\[(!?)([^\]/]+)\]", rest):
            # only ranges and single letters have a meaning inside
            letters = re.sub(r"([\\\[^])", r"\\\1", choice[2])
            found, rest = f"{found}[{'^/' if choice[1] else ''}{letters}]", rest[choice.end() :]
        else:
            found, rest = found + re.escape(rest[0]), rest[1:]
    return re.compile(found)
