"""What the values of a column are: their kind, range and form, whatever the column is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from energy_platform.sources.inspect.naming import Name, Unit, taken_apart, unit_named
from energy_platform.sources.inspect.numbers import PLAIN, NumberStyle, glued_unit, is_missing, missing_number
from energy_platform.sources.inspect.times import ClockForm, TimeForm, clock_form, time_form
from energy_platform.sources.inspect.vocabulary import ColumnKind
from energy_platform.sources.inspect.words import MISSING_MARKS

_SAMPLED = 6_000
_FLAGS = frozenset({"true", "false", "yes", "no", "y", "n", "t", "f", "예", "아니오", "ja", "nein"})
_MANY = 0.9
_EXAMPLES = 3
_MOST_DISTINCT_SHOWN = 60
#: Days that lie apart from all others are faults of a clock where they are so few.
_FEW_ROWS = 0.005
_APART = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Column:
    """What the values of a column are.

    Attributes:
        name: as the reader gives it.
        position: in the row, from 0 on.
        kind: of nearly all of its values.
        rows: how many were looked at.
        filled: how many of them hold something.
        distinct: different values among those looked at.
        values: all different ones, where they are few.
        low: smallest number.
        high: largest number.
        middle: of the numbers.
        rises: the numbers never fall.
        is_unique: each value is another one.
        time: how its values write times, where they may be times; of a column of numbers: epochs.
        clock: how its values write times of day, where they may be such.
        days: the first and the last day of its times, faults of clocks left out.
        glued: the unit behind each number, as it stands there.
        unit: of its numbers, by its name, a row of units, or what is glued to them.
        marks: texts in it that mean that nothing was measured.
        strays: values of another kind.
        numbers: how many of its texts are numbers.
        example: one of its values.
    """

    name: str
    position: int
    kind: ColumnKind
    rows: int
    filled: int
    distinct: int = 0
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    middle: float | None = None
    rises: bool = False
    is_unique: bool = False
    time: TimeForm | None = None
    clock: ClockForm | None = None
    days: tuple[date, date] | None = None
    glued: str | None = None
    unit: Unit | None = None
    marks: frozenset[str] = field(default_factory=frozenset)
    strays: int = 0
    numbers: int = 0
    example: str = ""

    @property
    def words(self) -> Name:
        """The name, taken apart."""
        return taken_apart(self.name)


def describe(
    name: str, position: int, cells: Sequence[str | None], style: NumberStyle = PLAIN, unit: str = ""
) -> Column:
    """What the values of a column are.

    Args:
        name: of the column.
        position: in the row.
        cells: its values as text; None and blank where nothing stands.
        style: in which the file writes numbers.
        unit: that a row of units names.
    """
    held = [cell.strip() for cell in _thinned(cells) if cell is not None and cell.strip()]
    measured = [cell for cell in held if not is_missing(cell)]
    rows = min(len(cells), _SAMPLED)
    known_unit = unit_named(unit) or taken_apart(name).unit
    if not measured:
        return Column(name, position, "empty", rows, 0, unit=known_unit, marks=frozenset(held))
    different = set(measured)
    common = {
        "name": name,
        "position": position,
        "rows": rows,
        "filled": len(measured),
        "distinct": len(different),
        "values": tuple(sorted(different)) if len(different) <= _MOST_DISTINCT_SHOWN else (),
        "is_unique": len(different) == len(measured),
        "example": measured[0],
    }
    marks = frozenset(cell for cell in held if is_missing(cell))
    if different and all(cell.lower() in _FLAGS for cell in different):
        return Column(kind="flag", marks=marks, **common)
    times, clock = time_form(measured), clock_form(measured)
    days = _days(cells, times) if times is not None else None
    glued = glued_unit(measured)
    bare = [cell.removesuffix(glued).strip() for cell in measured] if glued else measured
    numbers = [number for cell in bare if (number := style.number(cell)) is not None]
    if len(numbers) >= _MANY * len(measured):
        missing = missing_number(numbers)
        if missing is not None:
            marks |= {cell for cell in different if style.number(cell) == missing}
            numbers = [number for number in numbers if number != missing]
        whole = all(number.is_integer() for number in numbers) and style.decimal not in "".join(bare[:100])
        return Column(
            kind="integer" if whole else "number",
            low=min(numbers),
            high=max(numbers),
            middle=median(numbers),
            rises=all(one <= other for one, other in pairwise(numbers)),
            time=times if times is not None and times.order is None else None,
            clock=clock,
            days=days,
            glued=glued,
            unit=(unit_named(glued) if glued else None) or known_unit,
            marks=marks,
            strays=len(measured) - len(numbers) if missing is None else 0,
            **common,
        )
    if times is not None:
        strays = sum(times.read(cell) is None for cell in measured[:1000])
        kind: ColumnKind = "time" if times.has_clock else "date"
        return Column(kind=kind, time=times, days=days, marks=marks, strays=strays, **common)
    if clock is not None:
        return Column(kind="clock", clock=clock, marks=marks, **common)
    return Column(kind="text", unit=known_unit, numbers=len(numbers), **common)


def _thinned(cells: Sequence[str | None]) -> Sequence[str | None]:
    """Some of many: the first, the last, and evenly many between."""
    if len(cells) <= _SAMPLED:
        return cells
    edge = _SAMPLED // 3
    step = max(1, (len(cells) - 2 * edge) // edge)
    return [*cells[:edge], *cells[edge:-edge:step][:edge], *cells[-edge:]]


def _days(cells: Sequence[str | None], form: TimeForm) -> tuple[date, date] | None:
    """The first and the last day, of all rows; a few rows far away from the others are left out."""
    counts: dict[str, int] = {}
    for cell in cells:
        if cell:
            text = cell.strip()
            # of texts the day alone is read, once
            key = text if form.unit is not None or form.format is not None else text[:14].rpartition(":")[0] or text
            counts[key] = counts.get(key, 0) + 1
    found: dict[date, int] = {}
    for text, count in counts.items():
        if text.strip().casefold() not in MISSING_MARKS and (time := _read(form, text)) is not None:
            found[time] = found.get(time, 0) + count
    if not found:
        return None
    days, few = sorted(found), max(1, round(_FEW_ROWS * sum(found.values())))
    return _without_strays(days, found, few)


def _read(form: TimeForm, text: str) -> date | None:
    time = form.read(text) or form.read(f"{text}:00")
    return time.date() if time is not None and 1 < time.year < 9999 else None


def _without_strays(days: list[date], counts: dict[date, int], few: int) -> tuple[date, date]:
    first, last = 0, len(days) - 1
    before = after = 0
    for place in range(len(days) - 1):
        before += counts[days[place]]
        if before > few:
            break
        if days[place + 1] - days[place] > _APART:
            first = place + 1
    for place in range(len(days) - 1, first, -1):
        after += counts[days[place]]
        if after > few:
            break
        if days[place] - days[place - 1] > _APART:
            last = place - 1
    return days[first], days[last]
