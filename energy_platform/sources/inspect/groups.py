"""Files of one kind: one per building, or one per month, that one pattern reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from energy_platform.sources.inspect.naming import taken_apart
from energy_platform.sources.inspect.tables import FoundTable
from energy_platform.sources.inspect.vocabulary import READINGS

_MONTH_AND_DAY = r"[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01]))?"
_DATED = re.compile(rf"(?<!\d)(?:19|20)\d{{2}}(?:{_MONTH_AND_DAY}|[-_.]?[qQ][1-4])?(?!\d)")
_BORDER = re.compile(r"[^A-Za-z0-9\uac00-\ud7a3]")
_BUILDING_WORDS = READINGS.looks["building"].words


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Several CSV files with the same columns.

    Attributes:
        tables: of the files.
        pattern: that fits them and no other file.
        varying: the parts of the paths in which they differ, without dates.
        name_pattern: a regular expression whose first group is that part; None where the files differ by dates alone.
        is_building: words beside that part say that it is a building.
    """

    tables: tuple[FoundTable, ...]
    pattern: str
    varying: tuple[str, ...]
    name_pattern: str | None
    is_building: bool


def groups_of(tables: Sequence[FoundTable], files: Iterable[str]) -> list[FileGroup]:
    """The CSV files of which several are of one kind; the others are left out.

    Args:
        tables: of the estate.
        files: every file of the estate: a pattern must fit no other one.
    """
    alike: dict[tuple[object, ...], list[FoundTable]] = {}
    for table in tables:
        if table.kind == "csv" and table.dialect is not None and not table.problem:
            alike.setdefault(_likeness(table), []).append(table)
    every = set(files)
    return [group for several in alike.values() if len(several) > 1 and (group := _group(several, every)) is not None]


def _likeness(table: FoundTable) -> tuple[object, ...]:
    dialect, text = table.dialect, table.text
    assert dialect is not None
    assert text is not None
    reading = (dialect.separator, dialect.names, dialect.header, dialect.skip_rows, dialect.comment, dialect.units)
    path = PurePosixPath(table.file)
    return (*reading, text.encoding, table.styles, len(path.parts), "".join(path.suffixes[-2:]))


def _group(tables: list[FoundTable], every: set[str]) -> FileGroup | None:
    tables = sorted(tables, key=lambda table: table.file)
    paths = [table.file for table in tables]
    begin, end = _shared(paths)
    between = [path[len(begin) : len(path) - len(end)] for path in paths]
    if any(not part or part.count("/") != between[0].count("/") for part in between):
        return None
    stars = "/".join("*" for _ in between[0].split("/"))
    pattern = f"{_literal(begin)}{stars}{_literal(end)}"
    fits = re.compile(f"{re.escape(begin)}{'/'.join('[^/]*' for _ in between[0].split('/'))}{re.escape(end)}")
    if {file for file in every if fits.fullmatch(file)} != set(paths):
        return None
    dates = [_DATED.search(part) for part in between]
    if all(dates):
        rest = [_without(part, found) for part, found in zip(between, dates, strict=True) if found]
        if not any(rest):
            return FileGroup(tuple(tables), pattern, (), None, is_building=False)
        varying = tuple(part.strip("-_. ") for part in rest)
        date = _DATED.pattern
        before = all(part.endswith(found[0]) for part, found in zip(between, dates, strict=True) if found)
        inside = rf"(.+?)[-_. ]?{date}" if before else rf"{date}[-_. ]?(.+?)"
    else:
        varying, inside = tuple(between), "([^/]+)" if "/" not in between[0] else "(.+)"
    name_pattern = f"{re.escape(begin.rpartition('/')[2])}{inside}{re.escape(end)}$"
    words = taken_apart(begin.rpartition("/")[2] or begin.rstrip("/").rpartition("/")[2]).words
    singular = {word.removesuffix("s") for word in words}
    is_building = bool(singular & set(_BUILDING_WORDS)) or len(set(varying)) < len(varying)
    return FileGroup(tuple(tables), pattern, varying, name_pattern, is_building)


def _without(part: str, found: re.Match[str]) -> str:
    return (part[: found.start()] + part[found.end() :]).strip("-_. /")


def _shared(paths: Sequence[str]) -> tuple[str, str]:
    """What all paths begin and end with, up to the border of a word: `B001` and `B002` share no `B00`."""
    shortest = min(map(len, paths))
    begin = 0
    while begin < shortest and len({path[begin] for path in paths}) == 1:
        begin += 1
    end = 0
    while end < shortest - begin and len({path[-1 - end] for path in paths}) == 1:
        end += 1
    while begin and not _BORDER.match(paths[0][begin - 1]):
        begin -= 1
    while end and not _BORDER.match(paths[0][len(paths[0]) - end]):
        end -= 1
    # dates are cut at their first digit, not between month and day
    found = [_DATED.search(path) for path in paths]
    if all(found):
        begin = min(begin, *(one.start() for one in found if one))
        end = min(end, *(len(path) - one.end() for path, one in zip(paths, found, strict=True) if one))
    return paths[0][:begin], paths[0][len(paths[0]) - end :]


def _literal(text: str) -> str:
    """Text of a pattern that means itself."""
    return re.sub(r"([*?\[])", r"[\1]", text)
