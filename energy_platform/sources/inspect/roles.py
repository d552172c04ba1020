"""Which column plays which role: a small table of evidence for each pair, added up, and the best target of a table.

Points of a column for a role: its name (0 to 3), its kind (1 where it fits; else it is out), its range (1 inside, -2
outside), and that a column which ought to repeat its values does not, or repeats what ought to be unique (-2). Four
and more are `sure`, three are `likely`, fewer are `unsure`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.naming import fit, sensor_type_of, slug, taken_apart
from energy_platform.sources.inspect.tables import FoundTable
from energy_platform.sources.inspect.vocabulary import (
    CLOCK_WORDS,
    DATE_WORDS,
    ENERGY,
    NUMBERS,
    READINGS,
    TARGETS,
    Look,
    Target,
)

Certainty = Literal["sure", "likely", "unsure"]

_SURE, _LIKELY = 4, 3
#: What a column for an hour, or for a part of one, is called; clocks go forward on one day of 23.
_HOUR = re.compile(r"(?i)(?:h|hr|hour|hour ending|he)?[ _]?\d{1,2}(?::\d{2}){0,2}(?: ?[ap]m)?(?:h|시)?")
_HOURS_OF_A_DAY = 23
_SMALLEST_UNIQUE = 8
#: Roles that a measurement's row cannot be told apart by.
_WIDE_AT_LEAST = 2
#: The type of a value column that nothing tells.
UNKNOWN = ""
#: More such columns than that are no readings.
_MOST_UNKNOWN = 200


@dataclass(frozen=True, slots=True)
class Match:
    """A column in a role.

    Attributes:
        column: that plays it.
        points: see the module.
        why: what speaks for it, for people.
    """

    column: Column
    points: float
    why: str

    @property
    def certainty(self) -> Certainty:
        """How sure that is, in words."""
        return "sure" if self.points >= _SURE else "likely" if self.points >= _LIKELY else "unsure"


@dataclass(frozen=True, slots=True)
class Casting:
    """What a table is taken for.

    Attributes:
        target: that it feeds.
        matches: by role.
        score: against other targets.
        wide: readings with a column for each sensor: those columns, and the type of each.
        date_and_clock: the columns of a time that stands in two.
        rivals: by role, columns that fit as well.
        called_by_columns: the values are of buildings or meters that their columns are called by.
    """

    target: Target
    matches: Mapping[str, Match]
    score: float
    wide: Mapping[str, str] = field(default_factory=dict)
    date_and_clock: tuple[Column, Column] | None = None
    rivals: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    called_by_columns: bool = False

    def column_of(self, role: str) -> Column | None:
        """The column that plays a role."""
        match = self.matches.get(role)
        return match.column if match is not None else None


def cast(table: FoundTable) -> Casting | None:
    """The target that a table fits best, and its roles; None where it fits none."""
    pair = date_and_clock(table.columns)
    castings = [casting for target in TARGETS if (casting := _casting(table, target, pair)) is not None]
    wide = _wide_casting(table, pair)
    if wide is not None:
        castings.append(wide)
    return max(castings, key=lambda casting: casting.score, default=None) or _unknown_casting(table, pair)


def hours_in_columns(table: FoundTable) -> bool:
    """Whether a row is a day, and its columns are hours: what stands in them is no reading of the row's own time."""
    hours = [column for column in table.columns if column.kind in NUMBERS and _HOUR.fullmatch(column.name.strip())]
    return len(hours) >= _HOURS_OF_A_DAY and not any(column.kind == "time" for column in table.columns)


def date_and_clock(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """A column of dates and one of times of day that belong together; None where there are none."""
    if any(column.kind == "time" for column in columns):
        return None
    dates = [c for c in columns if c.time is not None and not c.time.has_clock and _named(c, DATE_WORDS)]
    dates = dates or [c for c in columns if c.kind == "date"]
    clocks = [c for c in columns if c.kind == "clock"]
    clocks = clocks or [c for c in columns if c.clock is not None and _named(c, CLOCK_WORDS)]
    clocks = [column for column in clocks if column not in dates[:1]]
    # dates repeat where a clock stands beside them
    if not dates or not clocks or (dates[0].is_unique and dates[0].filled >= _SMALLEST_UNIQUE):
        return None
    return dates[0], clocks[0]


def _named(column: Column, words: Sequence[str]) -> bool:
    return fit(column.words, words) >= 2


def _casting(table: FoundTable, target: Target, pair: tuple[Column, Column] | None) -> Casting | None:
    taken = set(pair or ())
    if target.timeless and (pair or any(c.kind == "time" and c.position <= 1 and c.is_unique for c in table.columns)):
        return None
    matches: dict[str, Match] = {}
    rivals: dict[str, tuple[Column, ...]] = {}
    candidates = [
        (match.points * look.weight, -column.position, role, match)
        for role, look in target.looks.items()
        if not (role == "time" and pair)
        for column in table.columns
        if column not in taken and (match := evidence(column, look)) is not None
    ]
    candidates.sort(key=lambda candidate: candidate[:2], reverse=True)
    for points, _, role, match in candidates:
        if role in matches or any(other.column is match.column for other in matches.values()):
            continue
        matches[role] = match
        as_good = [m.column for p, _, r, m in candidates if r == role and p == points and m.column is not match.column]
        rivals[role] = tuple(as_good)
    if pair:
        date_column = pair[0]
        matches["time"] = Match(date_column, _SURE, f"dates, and times of day in {pair[1].name!r}")
    _add_by_unit(table, target, matches)
    _add_nameless(table, target, matches)
    if not all(any(role in matches for role in group) for group in target.needed):
        return None
    if target is READINGS and not {"sensor", "type"} & matches.keys() and not _is_single_sensor(table, matches):
        return None
    rivals = {
        role: left
        for role, columns in rivals.items()
        if (left := tuple(c for c in columns if all(m.column is not c for m in matches.values())))
    }
    left_out = sum(1 for c in table.columns if c not in taken and all(m.column is not c for m in matches.values()))
    score = sum(m.points * target.looks[role].weight for role, m in matches.items()) - 0.5 * left_out
    score += 2 * _name_bonus(table, target)
    return Casting(target, matches, score, date_and_clock=pair, rivals=rivals)


def _name_bonus(table: FoundTable, target: Target) -> int:
    part = table.table or (table.at or "").rpartition(".")[2] or ""
    file = taken_apart(table.file.rpartition("/")[2].partition(".")[0])
    return max(fit(taken_apart(part), target.called) if part else 0, fit(file, target.called))


def _is_single_sensor(table: FoundTable, matches: Mapping[str, Match]) -> bool:
    """A file for one sensor: times and values, and nothing that says whose."""
    return table.kind == "csv" and len(table.columns) <= 4 and "value" in matches


def _add_by_unit(table: FoundTable, target: Target, matches: dict[str, Match]) -> None:
    """The only column in a unit of a quantity is of it, whatever it is called: `kW`, `Bezug [kWh]`, `OAT (°F)`."""
    if target is not ENERGY:
        return
    for role, quantities in (("power_kw", {"power", "energy"}), ("temperature_c", {"temperature"})):
        used = {id(match.column) for match in matches.values()}
        measured = [
            (column, column.unit)
            for column in table.columns
            if id(column) not in used
            and column.kind in NUMBERS
            and column.unit is not None
            and column.unit.quantity in quantities
        ]
        if role not in matches and len(measured) == 1:
            (column, unit) = measured[0]
            matches[role] = Match(column, _SURE, f"the only column in a unit of {unit.quantity}: {unit.name}")


def _add_nameless(table: FoundTable, target: Target, matches: dict[str, Match]) -> None:
    """Columns without telling names: the only one of its kind plays the role that needs one."""
    used = {id(match.column) for match in matches.values()}
    free = [column for column in table.columns if id(column) not in used]
    if "time" in target.looks and "time" not in matches:
        times = [column for column in free if column.kind in {"time", "date"}]
        if not times and table.dialect is not None and not table.dialect.header:
            times = [column for column in free if column.time is not None]
        if len(times) == 1:
            matches["time"] = Match(times[0], _SURE, f"the only column of times: {_form(times[0])}")
    if table.dialect is None or table.dialect.header:
        return
    # without a header only the values can tell
    playing = [match.column for match in matches.values()]
    numbers = [column for column in free if column.kind in {"integer", "number"} and column not in playing]
    texts = [column for column in free if column.kind == "text" and not column.is_unique]
    if target is READINGS and "value" not in matches and len(numbers) == 1:
        matches["value"] = Match(numbers[0], _LIKELY, "the only column of numbers")
        for role in ("sensor", "building"):
            if texts and role not in matches:
                matches[role] = Match(texts.pop(0), 2, "codes that repeat; the file has no header")


def _wide_casting(table: FoundTable, pair: tuple[Column, Column] | None) -> Casting | None:
    """Readings with a column for each sensor."""
    energy = _casting(table, ENERGY, pair)
    matches = _wide_matches(table, pair)
    if "time" not in matches:
        return None
    numbers = _wide_numbers(table, pair, matches)
    types = {column.name: sensor_type(column) for column in numbers}
    known = [kind for kind in types.values() if kind is not None]
    if not known or len(known) * 2 < len(numbers):
        return None
    powers = known.count("power")
    if energy is not None and powers == 1 and len(set(known)) == len(known):
        return None  # one meter with the weather beside it
    if len(numbers) < _WIDE_AT_LEAST and len(known) < _WIDE_AT_LEAST and energy is not None:
        return None
    values = {name: kind or slug(name, "sensor") for name, kind in types.items()}
    score = sum(match.points for match in matches.values()) + 3.0 * len(known)
    return Casting(READINGS, matches, score, wide=values, date_and_clock=pair)


def _wide_matches(table: FoundTable, pair: tuple[Column, Column] | None) -> dict[str, Match]:
    matches: dict[str, Match] = {}
    for role in ("time", "building", "sensor", "floor", "room_type", "tenant"):
        look = READINGS.looks[role]
        found = [
            (match.points, -column.position, match)
            for column in table.columns
            if column not in (pair or ()) and (match := evidence(column, look)) is not None
        ]
        if found:
            matches[role] = max(found, key=lambda one: one[:2])[2]
    if pair:
        matches["time"] = Match(pair[0], _SURE, f"dates, and times of day in {pair[1].name!r}")
    _add_nameless(table, ENERGY, matches)
    return matches


def _wide_numbers(table: FoundTable, pair: tuple[Column, Column] | None, matches: Mapping[str, Match]) -> list[Column]:
    """The columns that may be values: numbers and flags without a role."""
    used = {id(match.column) for match in matches.values()} | {id(column) for column in pair or ()}
    return [
        column
        for column in table.columns
        if id(column) not in used and column.kind in {"integer", "number", "flag"} and not _is_row_number(column)
    ]


def _unknown_casting(table: FoundTable, pair: tuple[Column, Column] | None) -> Casting | None:
    """Times and numbers of which nothing says what they are: a person has to."""
    matches = _wide_matches(table, pair)
    numbers = _wide_numbers(table, pair, matches)
    if "time" not in matches or not 0 < len(numbers) <= _MOST_UNKNOWN:
        return None
    by_file = sensor_type_of(table.table or table.file.rpartition("/")[2].partition(".")[0])
    if by_file is not None and len(numbers) >= _WIDE_AT_LEAST and not any(sensor_type_of(c.name) for c in numbers):
        target, kind = (ENERGY, "power_kw") if by_file == "power" else (READINGS, by_file)
        wide = {column.name: kind for column in numbers}
        return Casting(target, matches, 0.0, wide=wide, date_and_clock=pair, called_by_columns=True)
    values = {column.name: by_file or sensor_type(column) or UNKNOWN for column in numbers}
    return Casting(READINGS, matches, 0.0, wide=values, date_and_clock=pair)


def _is_row_number(column: Column) -> bool:
    return (
        column.kind == "integer" and column.is_unique and column.rises and fit(column.words, ("id", "index", "no")) > 0
    )


def sensor_type(column: Column) -> str | None:
    """What the numbers of a column measure, by its name and unit; None where neither tells."""
    from energy_platform.sources.inspect.words import TYPE_OF_QUANTITY

    by_unit = TYPE_OF_QUANTITY.get(column.unit.quantity) if column.unit is not None else None
    by_name = sensor_type_of(column.name)
    if by_unit == "energy" and by_name == "power":
        return by_unit
    return by_name or by_unit


def evidence(column: Column, look: Look) -> Match | None:
    """What speaks for a column in a role; None where it cannot play it."""
    if look.kinds in (("time", "date"),):
        return _time_evidence(column, look)
    named = fit(column.words, look.words) if column.name or "" not in look.words else 2
    if column.name and column.name in look.words:
        named = 3
    if not named or column.kind == "empty":
        return Match(column, named - 1, "the name; the column is empty") if named == 3 else None
    if column.kind not in look.kinds:
        return None
    points = float(named + 1)
    reasons = [
        "the name" if named == 3 else "a part of the name" if column.name else "texts in a column without a name"
    ]
    if column.low is not None and column.high is not None and (look.low, look.high) != (float("-inf"), float("inf")):
        inside = look.low <= column.low and column.high <= look.high
        # a fault among many values is no reason against it
        near = column.middle is not None and look.low <= column.middle <= look.high
        points += 1 if inside else 0 if near else -2
        reasons.append(f"values from {column.low:g} to {column.high:g}")
    if look.few and column.is_unique and column.filled >= _SMALLEST_UNIQUE:
        points -= 2
        reasons.append("though no value comes twice")
    if look.unique:
        # one that comes twice is a fault in a register; many are no register
        points += 1 if column.is_unique else -2 if column.distinct * 2 <= column.filled else -1
        reasons.append("another value in each row" if column.is_unique else "though values come twice")
    return Match(column, points, ", ".join(reasons)) if points > 0 else None


def _time_evidence(column: Column, look: Look) -> Match | None:
    if column.time is None:
        return None
    named = fit(column.words, look.words)
    if column.kind in {"integer", "number"} and not named:
        return None
    points = named + (2 if column.kind == "time" else 1)
    return Match(column, points, f"{'the name, ' if named else ''}{_form(column)}") if named else None


def _form(column: Column) -> str:
    return column.time.what if column.time is not None else column.kind
