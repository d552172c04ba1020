"""What can be loaded from a file: the tables of a database, a CSV file, the arrays of a JSON file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from energy_platform.domain.errors import EnergyPlatformError
from energy_platform.sources.inspect.columns import Column, describe
from energy_platform.sources.inspect.dialect import Dialect, find_dialect
from energy_platform.sources.inspect.numbers import PLAIN, NumberStyle, styles_of
from energy_platform.sources.inspect.text_sample import TextSample, read_sample
from energy_platform.sources.spec import GROUP_COLUMN, KEY_COLUMN, ORDER_COLUMN, Kind, SourceSpec

#: Tables of databases up to so many rows are read whole.
_WHOLE_ROWS = 100_000
_HEAD_ROWS = 10_000
_STYLE_CELLS = 400


#: The first rows of a table, that say how its rows follow each other.
_FIRST_ROWS = 2_000

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class FoundTable:
    """Something with rows and columns.

    Attributes:
        kind: of file.
        file: its path inside the estate, with forward slashes.
        columns: what their values are.
        rows: how many there are, or about how many.
        whole: all rows were looked at.
        table: of a database.
        at: path inside a JSON file.
        dialect: of a CSV file.
        text: of a CSV file: its encoding and line ends.
        styles: of numbers, that fit a CSV file; two where it is not clear which.
        problem: why it cannot be read; empty where it can.
        is_view: of a database.
        path: of the file; None where no rows can be read of it again.
    """

    kind: Kind
    file: str
    columns: tuple[Column, ...] = ()
    rows: int = 0
    whole: bool = True
    table: str | None = None
    at: str | None = None
    dialect: Dialect | None = None
    text: TextSample | None = field(default=None, repr=False)
    styles: tuple[NumberStyle, ...] = (PLAIN,)
    problem: str = ""
    is_view: bool = False
    path: Path | None = None

    @property
    def name(self) -> str:
        """As it stands in the ledger: the file, and what of it."""
        part = self.table if self.table is not None else self.at
        return self.file if part is None else f"{self.file}/{part}"

    @property
    def style(self) -> NumberStyle:
        """Of numbers: the likeliest."""
        return self.styles[0]

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        return next(column for column in self.columns if column.name == name)


def tables_of_database(path: Path, file: str) -> list[FoundTable]:
    """Every table and view of a SQLite file. Raises SourceError where the file cannot be read."""
    from energy_platform.sources.sqlite.reader import SqliteSource

    names = SqliteSource(SourceSpec(file, "sqlite", path, "")).tables()
    found: list[FoundTable] = []
    for name in names:
        source = SqliteSource(SourceSpec(f"{file}/{name}", "sqlite", path, "", table=name))
        try:
            rows = source.estimated_rows()
            if rows is None:
                found.append(FoundTable("sqlite", file, table=name, is_view=True))
                continue
            whole = rows <= _WHOLE_ROWS
            cells = _cells_of(source.batches(_WHOLE_ROWS if whole else _HEAD_ROWS), source.columns(), whole=whole)
            columns, styles = _described(cells)
            found.append(FoundTable("sqlite", file, columns, rows, whole, table=name, styles=styles, path=path))
        except EnergyPlatformError as error:
            found.append(FoundTable("sqlite", file, table=name, problem=error.what))
    return found


def table_of_csv(path: Path, file: str) -> FoundTable | None:
    """A CSV file; None where the text is no table. Raises SourceError where the file cannot be read."""
    sample = read_sample(path, file)
    found = find_dialect(sample)
    if found is None:
        return None
    dialect, rows = found
    width = len(dialect.names)
    columns = [[row[i] for row in rows] for i in range(width)]
    styles = styles_of(column[:_STYLE_CELLS] for column in columns)
    units = dialect.units or ("",) * width
    described = tuple(
        describe(name, i, cells, styles[0], unit)
        for i, (name, cells, unit) in enumerate(zip(dialect.names, columns, units, strict=True))
    )
    # of a compressed file only so much is known
    count = len(rows) if sample.whole else max(len(rows), round(len(rows) * sample.size / sample.sampled))
    return FoundTable(
        "csv", file, described, count, sample.whole, dialect=dialect, text=sample, styles=styles, path=path
    )


def first_rows(table: FoundTable) -> Sequence[Row]:
    """The first rows of a table, as text, one cell for each of its columns."""
    if table.dialect is not None and table.text is not None:
        return _rows_of_csv(table.dialect, table.text)
    if table.path is None:
        return ()
    from energy_platform.sources.opening import open_source

    spec = SourceSpec(table.name, table.kind, table.path, "", table=table.table, at=table.at)
    cells = _cells_of(open_source(spec).batches(_FIRST_ROWS), tuple(c.name for c in table.columns), whole=False)
    return list(islice(zip(*(column.values for column in cells.values()), strict=True), _FIRST_ROWS))


def _rows_of_csv(dialect: Dialect, sample: TextSample) -> Sequence[Row]:
    lines: Iterator[str] = islice(io.StringIO(sample.pieces[0], newline=""), dialect.skip_rows, None)
    if dialect.comment:
        mark = dialect.comment
        lines = (line for line in lines if not line.startswith(mark))
    before = dialect.header + bool(dialect.units)
    width = len(dialect.names) + dialect.dropped_last
    try:
        rows = (row for row in csv.reader(lines, delimiter=dialect.separator) if row)
        found = list(islice(rows, before, before + _FIRST_ROWS))
    except csv.Error:
        return ()
    return [tuple(row[: len(dialect.names)]) for row in found if len(row) == width]


def tables_of_json(path: Path, file: str) -> list[FoundTable]:
    """The arrays of objects in a JSON file, wherever they stand. Raises SourceError where it is no JSON."""
    import json

    from energy_platform.domain.errors import SourceError
    from energy_platform.sources.json.reader import JsonSource
    from energy_platform.sources.text import read_text

    try:
        document = json.loads(read_text(path, file, None))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"It is no valid JSON: {error}.", where=file, remedy="Mend the file.") from None
    found: list[FoundTable] = []
    for at in _arrays(document, ()):
        place = ".".join(at) or None
        spec = SourceSpec(file if place is None else f"{file}/{place}", "json", path, "", at=place)
        if any("." in step for step in at):
            found.append(FoundTable("json", file, at=place, problem="A name on the way to it holds a dot."))
            continue
        try:
            source = JsonSource(spec)
            names = source.columns()
            cells = _cells_of(source.batches(_WHOLE_ROWS), names, whole=True)
            columns, styles = _described(cells)
            found.append(FoundTable("json", file, columns, source.row_count(), at=place, styles=styles, path=path))
        except EnergyPlatformError as error:
            found.append(FoundTable("json", file, at=place, problem=error.what))
    return found


@dataclass(slots=True)
class _Cells:
    """The values of a column as text.

    Attributes:
        values: of the rows that were looked at.
        is_text: some of them were no numbers when they were read.
    """

    values: list[str | None] = field(default_factory=list)
    is_text: bool = False


def _described(cells: Mapping[str, _Cells]) -> tuple[tuple[Column, ...], tuple[NumberStyle, ...]]:
    """What the columns hold, and how those that are text write numbers."""
    styles = styles_of(
        [value or "" for value in column.values[:_STYLE_CELLS]] for column in cells.values() if column.is_text
    )
    columns = tuple(
        describe(name, i, column.values, styles[0] if column.is_text else PLAIN)
        for i, (name, column) in enumerate(cells.items())
    )
    return columns, styles


def _cells_of(frames: Iterator[Any], names: tuple[str, ...], *, whole: bool) -> dict[str, _Cells]:
    """The values of all rows, or of the first frame."""
    import polars as pl

    cells = {name: _Cells() for name in names if name not in {KEY_COLUMN, ORDER_COLUMN}}
    for frame in frames:
        for name, column in cells.items():
            given = frame.get_column(name)
            column.values += given.cast(pl.String).to_list()
            column.is_text = column.is_text or given.dtype == pl.String
        if not whole:
            break
    return cells


def _arrays(value: Any, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Places of arrays of objects, and of objects that hold nothing but such arrays."""
    if _is_array_of_objects(value):
        yield at
    elif isinstance(value, Mapping) and value:
        if len(value) > 1 and all(map(_is_array_of_objects, value.values())) and _alike(value):
            yield at
            return
        for key, inner in value.items():
            yield from _arrays(inner, (*at, str(key)))


def _alike(groups: Mapping[str, Any]) -> bool:
    """The objects of all arrays have about the same keys: the arrays are groups of one table."""
    keys = [set(rows[0]) for rows in groups.values()]
    shared, every = set.intersection(*keys), set.union(*keys)
    return len(shared) * 2 >= len(every)


def _is_array_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, Mapping) for element in value)


__all__ = ["GROUP_COLUMN", "FoundTable", "table_of_csv", "tables_of_database", "tables_of_json"]
