"""Files of one kind: one per building, or one per month, that one pattern reads, and what all of them say together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.naming import taken_apart
from energy_platform.sources.inspect.numbers import PLAIN, STYLES, NumberStyle, reads, styles_of
from energy_platform.sources.inspect.tables import FoundTable, first_rows
from energy_platform.sources.inspect.vocabulary import READINGS

_MONTH_AND_DAY = r"[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01]))?"
_DATED = re.compile(rf"(?<!\d)(?:19|20)\d{{2}}(?:{_MONTH_AND_DAY}|[-_.]?[qQ][1-4])?(?!\d)")
_BORDER = re.compile(r"[^A-Za-z0-9\uac00-\ud7a3]")
_BUILDING_WORDS = READINGS.looks["building"].words
#: So many files, and so many cells of each, say how a kind of files writes its numbers.
_ASKED_FILES, _ASKED_CELLS = 60, 200
_MOST_VALUES = 60
_NUMBERS = frozenset({"integer", "number"})


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Several files with the same columns.

    Attributes:
        tables: of the files; the first one says of its columns what all of them say together.
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


def groups_of(tables: Sequence[FoundTable], files: Iterable[str]) -> tuple[list[FileGroup], list[FoundTable]]:
    """The CSV files and databases of which several are of one kind, and the tables of all that are in no such group.

    Args:
        tables: of the estate.
        files: every file of the estate: a pattern must fit no other one.
    """
    alike: dict[tuple[object, ...], list[FoundTable]] = {}
    for table in tables:
        is_readable = not table.problem and not table.is_view and bool(table.columns)
        if is_readable and (table.kind == "sqlite" or table.dialect is not None):
            alike.setdefault(_likeness(table), []).append(table)
    every = set(files)
    parts = [part for several in alike.values() if len(several) > 1 for part in _written_one_way(several)]
    groups = [group for part in parts if len(part) > 1 and (group := _group(part, every)) is not None]
    grouped = {table.name for group in groups for table in group.tables}
    # what other files of a kind made doubtful is so for a table without a group too
    judged = {table.name: table for part in parts for table in part}
    others = [judged.get(table.name, table) for table in tables if table.name not in grouped]
    return [replace(group, tables=_told_together(group.tables)) for group in groups], others


def _likeness(table: FoundTable) -> tuple[object, ...]:
    path, dialect, text = PurePosixPath(table.file), table.dialect, table.text
    place = (table.kind, table.table, len(path.parts), "".join(path.suffixes[-2:]))
    if dialect is None or text is None:
        return (*place, *((column.name, *_time_likeness(column)) for column in table.columns))
    reading = (dialect.separator, dialect.names, dialect.header, dialect.skip_rows, dialect.comment, dialect.units)
    return (*place, *reading, text.encoding, *map(_time_likeness, table.columns))


def _time_likeness(column: Column) -> tuple[object, ...]:
    """How a column writes times, as far as one entry says it: seconds are not milliseconds, though names are alike."""
    form = column.time
    # numbers that are called otherwise may be epochs by chance
    if form is None or (column.kind in {"integer", "number"} and form.unit is None and form.format is None):
        return ()
    return (form.unit, form.format, form.order is None, form.zoned)


def _written_one_way(tables: Sequence[FoundTable]) -> list[list[FoundTable]]:
    """The tables, divided where one cannot be read like the other: by the order of day and month, and by numbers."""
    divided: dict[tuple[str | None, ...], list[FoundTable]] = {}
    for table in tables:
        divided.setdefault(_orders(table), []).append(table)
    open_ones = [orders for orders in divided if None in orders]
    for orders in open_ones:
        # days up to the twelfth alone are read like those of the other files, where these agree
        fitting = [other for other in divided if None not in other and _agree(orders, other)]
        if len(fitting) == 1:
            divided[fitting[0]] += divided.pop(orders)
    return [part for several in divided.values() for part in _of_one_style(several)]


def _orders(table: FoundTable) -> tuple[str | None, ...]:
    """The order of day and month in each column that has one; None where both fit."""
    forms = [column.time for column in table.columns if column.time is not None and column.time.order is not None]
    return tuple(None if form.doubtful else form.order for form in forms)


def _agree(orders: Sequence[str | None], other: Sequence[str | None]) -> bool:
    return all(one is None or one == two for one, two in zip(orders, other, strict=True))


def _of_one_style(tables: list[FoundTable]) -> list[list[FoundTable]]:
    """Tables whose numbers can be read in one style, that style noted; divided by style where there is none."""
    if len({table.styles for table in tables}) == 1:
        return [tables]
    cells = {table.name: _cells(table) for table in tables[:_ASKED_FILES]}
    columns = zip(*cells.values(), strict=True)
    together = styles_of([cell for of_file in column for cell in of_file] for column in columns)

    def reads_too(table: FoundTable, style: NumberStyle) -> bool:
        return _reads_as_well(cells.get(table.name) or _cells(table), style, table.style)

    def means_the_same(table: FoundTable, style: NumberStyle) -> bool:
        return _means_the_same(cells.get(table.name) or _cells(table), style, table.style)

    if all(reads_too(table, together[0]) and means_the_same(table, together[0]) for table in tables):
        return [[replace(table, styles=together) for table in tables]]
    commas = [style for style in STYLES if style.thousands == "." and any(t.style.decimal == "," for t in tables)]
    divided: dict[tuple[NumberStyle, ...], list[FoundTable]] = {}
    for table in tables:
        # `1.125` is a thousand in the style of the other files: nothing tells which it is
        others = [style for style in commas if reads_too(table, style) and not means_the_same(table, style)]
        styles = (table.style, others[0]) if others and table.style == PLAIN else table.styles
        divided.setdefault(styles, []).append(replace(table, styles=styles))
    return list(divided.values())


def _cells(table: FoundTable) -> list[list[str]]:
    rows = first_rows(table)[:_ASKED_CELLS]
    return [[row[column.position] or "" for row in rows] for column in table.columns]


def _reads_as_well(columns: Sequence[Sequence[str]], style: NumberStyle, own: NumberStyle) -> bool:
    return all(reads(cells, style) or not reads(cells, own) for cells in columns)


def _means_the_same(columns: Sequence[Sequence[str]], style: NumberStyle, own: NumberStyle) -> bool:
    return all(
        number == style.number(cell) or style.number(cell) is None
        for cells in columns
        if reads(cells, own)
        for cell in cells
        if (number := own.number(cell)) is not None
    )


def _told_together(tables: tuple[FoundTable, ...]) -> tuple[FoundTable, ...]:
    """The tables, the first one with columns that hold what those of all together hold."""
    columns = tuple(_merged(column) for column in zip(*(table.columns for table in tables), strict=True))
    return replace(tables[0], columns=columns), *tables[1:]


def _merged(columns: Sequence[Column]) -> Column:
    fullest = max(columns, key=lambda column: column.filled)
    alike = [column for column in columns if column.kind == fullest.kind or {column.kind, fullest.kind} <= _NUMBERS]
    lows = [column.low for column in alike if column.low is not None]
    highs = [column.high for column in alike if column.high is not None]
    values = {value for column in alike for value in column.values}
    decided = [column.time for column in alike if column.time is not None and not column.time.doubtful]
    days = [column.days for column in alike if column.days is not None]
    return replace(
        fullest,
        kind="number" if any(column.kind == "number" for column in alike) else fullest.kind,
        rows=sum(column.rows for column in columns),
        filled=sum(column.filled for column in columns),
        values=tuple(sorted(values)) if all(c.values for c in alike) and len(values) <= _MOST_VALUES else (),
        low=min(lows, default=None),
        high=max(highs, default=None),
        rises=all(column.rises for column in alike),
        is_unique=all(column.is_unique for column in alike),
        time=decided[0] if decided else fullest.time,
        days=(min(day for day, _ in days), max(day for _, day in days)) if days else None,
        marks=frozenset[str]().union(*(column.marks for column in columns)),
        strays=sum(column.strays for column in alike),
    )


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
