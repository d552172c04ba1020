"""From what a table is taken for to what the estate file says about it, with the questions that this leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from energy_platform.domain.contracts import Contract
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.naming import fit, sensor_type_of, slug, taken_apart
from energy_platform.sources.inspect.numbers import PLAIN
from energy_platform.sources.inspect.proposal import ColumnProposal, Question, SourceProposal
from energy_platform.sources.inspect.roles import Casting, Match
from energy_platform.sources.inspect.tables import FoundTable
from energy_platform.sources.inspect.times import TimeForm, date_format
from energy_platform.sources.inspect.vocabulary import COUNTER_WORDS, INDEX_WORDS, KEY_WORDS
from energy_platform.sources.open_questions import open_question
from energy_platform.sources.spec import GROUP_COLUMN

_CONTRACT_OF = {"readings": "sensor_data", "energy": "energy_consumption"}
#: A whole building that draws less is not measured in watts, one that draws more perhaps not in kilowatts.
_SURELY_KILOWATTS, _HARDLY_KILOWATTS = 100.0, 5_000.0
#: Numbers that never fall are a counter's, where there are more different ones.
_COUNTS_ON = 5
#: Weather in °C does not lie above that in the middle of a year.
_WARMEST_MIDDLE_C = 45.0
_SECTIONS = ("readings", "energy", "alerts", "predictions")
_NO_EXTRA = ("readings", "alerts", "predictions")
_SENSOR_NUMBER = re.compile(r"(?i)[ _-]?sensors?$")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What other files of the estate say.

    Attributes:
        has_register: some source says in which building each sensor is.
        only_building: the code of the only building there is; None where there are more, or none is known.
        name_pattern: for files of one kind: the building stands in their names, where this expression finds it.
        pattern: for files of one kind: what their names have in common, e.g. `meters/*.csv`.
    """

    has_register: bool = False
    only_building: str | None = None
    name_pattern: str | None = None
    pattern: str | None = None


@dataclass(slots=True)
class _Builder:
    """A source proposal in the making."""

    table: FoundTable
    casting: Casting
    around: Surroundings
    made: SourceProposal
    used: set[str] = field(default_factory=set)

    def play(self, role: str, value: Any, match: Match) -> None:
        """A column plays a role."""
        self.made.entry[role] = value
        self.used.add(match.column.name)
        certainty, why = match.certainty, match.why
        if guess := self.made.comments.get(role):
            certainty, why = ("likely" if certainty == "sure" else certainty), f"{why}; {guess}"
        elif certainty == "likely":
            self.made.comments[role] = f"likely: {why}"
        self.made.columns.append(ColumnProposal(match.column.name, role, certainty, why))

    def ask(self, what: str, how: str) -> None:
        self.made.questions.append(Question(self.made.name, what, how))


def propose_source(tables: tuple[FoundTable, ...], casting: Casting, around: Surroundings) -> SourceProposal:
    """What the estate file says about a table, or about several files of one kind."""
    table = tables[0]
    target = casting.target
    made = SourceProposal(target.name, target.is_section, tables)
    builder = _Builder(table, casting, around, made)
    _place(builder)
    _dialect(builder)
    if casting.wide:
        made.entry["shape"] = "wide"
    _key(builder)
    for role, match in casting.matches.items():
        _role(builder, role, match)
    if target.is_section and target.name != "predictions":
        _building(builder)
    if target.name == "readings" and not casting.wide:
        _sensor(builder)
    if casting.wide:
        _wide_values(builder)
    _left_over(builder)
    _strays(builder)
    made.entry = _ordered(made.entry, casting)
    made.columns.sort(key=lambda proposal: _position(table, proposal.name))
    return made


def _place(builder: _Builder) -> None:
    table, entry = builder.table, builder.made.entry
    entry[table.kind] = builder.around.pattern or table.file
    if table.table is not None:
        entry["table"] = table.table
    if table.at is not None:
        entry["at"] = table.at


def _dialect(builder: _Builder) -> None:
    """How a CSV file is written: what the reader does not find out by itself."""
    dialect, text, made = builder.table.dialect, builder.table.text, builder.made
    if dialect is None or text is None:
        return
    if text.encoding == "cp1252":
        made.comments["encoding"] = "likely: letters such as ä or é, and no UTF-8"
    options: dict[str, Any] = {
        "encoding": text.encoding if text.declared else None,
        "separator": {",": None, "\t": "tab"}.get(dialect.separator, dialect.separator),
        "skip_rows": dialect.skip_rows,
        "comment": dialect.comment,
        "units_row": bool(dialect.units),
    }
    made.entry |= {key: value for key, value in options.items() if value}
    if not dialect.header:
        made.entry |= {"header": False, "columns": list(dialect.names)}
        made.comments["columns"] = "the file has no header: give them better names here and below, if you like"
    if (count := len(dialect.ragged)) > 0:
        several = f", and {count - 1} more do" if count > 1 else ""
        made.notes.append(
            f"Row {dialect.ragged[0]} has another number of columns than the header{several}: mend it first."
        )
    _numbers(builder)


def _numbers(builder: _Builder) -> None:
    """How a CSV file writes numbers, and what stands where there is none."""
    table, made = builder.table, builder.made
    if len(table.styles) > 1:
        made.entry["decimal"] = open_question(",", ".")
        builder.ask(
            "Is the comma in numbers such as "
            f"{_with_comma(table)!r} a decimal sign, or does it stand between thousands? Both fit.",
            'Write `decimal: ","`; or take the line out and write `thousands: ","`.',
        )
    else:
        signs = {"decimal": (table.style.decimal, PLAIN.decimal), "thousands": (table.style.thousands, PLAIN.thousands)}
        made.entry |= {key: sign for key, (sign, usual) in signs.items() if sign != usual}
    marks, doubtful = _missing_marks(table)
    if marks:
        made.entry["missing"] = marks
        made.comments["missing"] = "texts that mean: nothing was measured"
    if doubtful:
        made.notes.append(
            f"{', '.join(doubtful)} may mean that nothing was measured, but other columns hold such numbers too."
        )


def _with_comma(table: FoundTable) -> str:
    return next((column.example for column in table.columns if "," in column.example), "1,234")


def _missing_marks(table: FoundTable) -> tuple[list[str], list[str]]:
    """Texts that mean null in this file, and numbers that may, but are values elsewhere in it."""
    marks: list[str] = []
    doubtful: list[str] = []
    for column in table.columns:
        if column.kind not in {"integer", "number", "time", "date", "flag"}:
            continue
        for mark in sorted(column.marks):
            number = table.style.number(mark)
            others = [c for c in table.columns if c is not column and mark not in c.marks and c.low is not None]
            if number is not None and any((c.low or 0) <= number <= (c.high or 0) for c in others):
                doubtful.append(mark)
            elif mark not in marks:
                marks.append(mark)
    return marks, doubtful


def _key(builder: _Builder) -> None:
    if builder.casting.target.name not in _SECTIONS:
        return
    playing = {match.column.name for match in builder.casting.matches.values()}
    for column in builder.table.columns:
        numbers = column.kind in {"integer", "text"} and column.is_unique
        if column.name not in playing and numbers and fit(column.words, KEY_WORDS) == 3:
            builder.made.entry["key"] = column.name
            builder.used.add(column.name)
            builder.made.columns.append(ColumnProposal(column.name, "key", "sure", "another value in each row"))
            return


def _role(builder: _Builder, role: str, match: Match) -> None:
    if role == "building" or (role == "sensor" and builder.casting.target.name == "readings"):
        if match.certainty == "unsure":
            _unsure(builder, role, match)
        else:
            builder.play(role, match.column.name, match)
        return
    if role == "time":
        _time(builder, match)
        return
    needed = any(role in group for group in builder.casting.target.needed)
    if match.certainty == "unsure" and not needed:
        return  # it is treated as a column without a role
    if match.certainty == "unsure":
        _unsure(builder, role, match)
        return
    value: Any = match.column.name
    options: dict[str, Any] = {}
    if match.column.glued:
        options["strip"] = match.column.glued
    if role == "power_kw":
        options |= _power(builder, match.column)
    if role == "temperature_c":
        options |= _temperature(builder, match.column)
    if role in {"type", "sensor_type"} and (names := _type_names(match.column)):
        options["map"] = names
    if match.column.time is not None and role not in {"issued_at"} and _time_options(match.column.time):
        options |= _time_options(match.column.time)
    if options:
        value = {"column": match.column.name, **options}
    builder.play(role, value, match)


def _unsure(builder: _Builder, role: str, match: Match) -> None:
    builder.play(role, open_question(match.column.name), match)
    builder.ask(
        f"Is {match.column.name!r} ({_shown(match.column)}) the {role} of each row?"
        f" Only this speaks for it: {match.why}.",
        f"Write `{role}: {match.column.name}`, the name of another column, or `{{const: …}}`.",
    )


def _time(builder: _Builder, match: Match) -> None:
    column = match.column
    if builder.casting.date_and_clock is not None:
        _two_columns(builder, match)
        return
    form = column.time
    assert form is not None
    rivals = [rival for rival in builder.casting.rivals.get("time", ()) if rival.time is not None]
    options = _time_options(form)
    if not rivals:
        builder.play("time", {"column": column.name, **options} if options else column.name, match)
    else:
        names = [column.name, *(rival.name for rival in rivals)]
        asked = open_question(*names)
        builder.play("time", {"column": asked, **options} if options else asked, match)
        ignored = builder.made.entry.setdefault("ignore", {})
        for rival in rivals:
            builder.used.add(rival.name)
            ignored[rival.name] = f"another time than {column.name}"
            builder.made.columns.append(ColumnProposal(rival.name, "time?", "unsure", "as good as the other"))
        builder.ask(
            f"Which of {', '.join(map(repr, names))} is the time of the measurement? All fit.",
            f"Write `time: {names[0]}`, and leave the others under the source's `ignore:`.",
        )
    if form.doubtful:
        other = "month first" if form.order == "day_first" else "day first"
        builder.ask(
            f"Are dates in {column.name!r} such as {column.example!r} day first or month first? Both fit"
            f" (they go on more evenly {(form.order or '').replace('_', ' ')}, not {other}).",
            "Write `order: day_first` or `order: month_first` in its `time:`.",
        )


def _time_options(form: TimeForm) -> dict[str, Any]:
    if form.unit is not None:
        return {"unit": form.unit}
    if form.format is not None:
        return {"format": form.format}
    if form.order is not None:
        both = ("day_first", "month_first") if form.order == "day_first" else ("month_first", "day_first")
        return {"order": open_question(*both) if form.doubtful else form.order}
    return {}


def _two_columns(builder: _Builder, match: Match) -> None:
    pair = builder.casting.date_and_clock
    assert pair is not None
    date_column, clock_column = pair
    assert date_column.time is not None
    assert clock_column.clock is not None
    day = date_format(date_column.time, date_column.example) or "%Y-%m-%d"
    form = f"{day} {clock_column.clock.format}"
    if date_column.time.doubtful:
        swapped = form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
        builder.ask(
            f"Are dates in {date_column.name!r} such as {date_column.example!r} day first or month first? Both fit.",
            f"Write `format: {form!r}` or `format: {swapped!r}` in its `time:`.",
        )
        form = open_question(form, swapped)
    builder.play("time", {"date": date_column.name, "time": clock_column.name, "format": form}, match)
    builder.used.add(clock_column.name)
    builder.made.columns.append(ColumnProposal(clock_column.name, "time", "sure", clock_column.clock.what))


def _power(builder: _Builder, column: Column) -> dict[str, Any]:
    unit = column.unit
    if unit is not None and unit.quantity == "power":
        return {} if unit.canonical else {"unit": unit.name}
    if (column.rises and column.distinct > _COUNTS_ON) or fit(taken_apart(column.name), COUNTER_WORDS) >= 2:
        builder.ask(
            f"Is {column.name!r} a counter that goes on, or what each interval used? It looks like a counter.",
            "Write the unit of power as `unit: kW` where it is power; otherwise put the column under `extra:`.",
        )
        return {"unit": open_question("kW")}
    if unit is not None and unit.quantity == "energy":
        power = unit.name.removesuffix("h")
        builder.ask(
            f"{column.name!r} is energy ({unit.name}) of an interval. Is each row one hour? Only then its number is"
            f" the mean power in {power}.",
            f"Write `unit: {power}` where each row is one hour; otherwise put the column under `extra:`.",
        )
        return {"unit": open_question(power)}
    middle = abs(column.middle or 0.0)
    if middle < _SURELY_KILOWATTS:
        builder.made.comments["power_kw"] = f"likely kW: in the middle {middle:g}, too little for watts"
        return {}
    both = ("W", "kW") if middle > _HARDLY_KILOWATTS else ("kW", "W")
    builder.ask(
        f"Is {column.name!r} in kW or in W? No name says so; values lie around {middle:g}.",
        "Write `unit: kW` or `unit: W` in its `power_kw:`.",
    )
    return {"unit": open_question(*both)}


def _temperature(builder: _Builder, column: Column) -> dict[str, Any]:
    if column.unit is not None and column.unit.quantity == "temperature":
        return {} if column.unit.canonical else {"unit": column.unit.name.removeprefix("°")}
    if (column.middle or 0.0) > _WARMEST_MIDDLE_C:
        builder.ask(
            f"Is {column.name!r} in °F or in °C? No name says so; values lie around {column.middle:g}.",
            "Write `unit: F` or `unit: C` in its `temperature_c:`.",
        )
        return {"unit": open_question("F", "C")}
    return {}


def _type_names(column: Column) -> dict[str, str]:
    """Names of types that the platform knows under another name."""
    found: dict[str, str] = {}
    for value in column.values:
        plain = _SENSOR_NUMBER.sub("", value)
        kind = sensor_type_of(plain)
        if kind is not None and kind != value and (column.name == GROUP_COLUMN or _is_synonym(plain, kind)):
            found[value] = kind
    return found


def _is_synonym(text: str, kind: str) -> bool:
    from energy_platform.sources.inspect.vocabulary import SENSOR_TYPES

    return fit(taken_apart(text), SENSOR_TYPES[kind]) == 3


def _building(builder: _Builder) -> None:
    entry, around, made = builder.made.entry, builder.around, builder.made
    if "building" in entry:
        return
    if around.name_pattern is not None:
        entry["building"] = {"from": "name", "pattern": around.name_pattern}
        return
    has_sensor = builder.casting.target.name in {"readings", "alerts"} and "sensor" in builder.casting.matches
    if has_sensor and around.has_register:
        entry["building"] = {"from": "sensor"}
        return
    if around.only_building is not None:
        entry["building"] = {"const": around.only_building}
        made.comments["building"] = "likely: the estate has no other building"
        return
    stem = builder.table.file.rpartition("/")[2].partition(".")[0]
    entry["building"] = {"const": open_question(stem)}
    builder.ask(
        "Which building are these rows of? No column names one.",
        "Write `building: {const: code}` with the code of the building, or the name of the column that holds it.",
    )


def _sensor(builder: _Builder) -> None:
    entry, made = builder.made.entry, builder.made
    if "sensor" in entry:
        return
    kind = builder.casting.column_of("type")
    if kind is not None:
        entry["sensor"] = kind.name
        made.comments["sensor"] = "likely: one sensor of each type in a building, as no column names the sensor"
        return
    stem = builder.table.file.rpartition("/")[2].partition(".")[0]
    entry["sensor"] = {"const": stem}
    made.comments["sensor"] = "likely: one sensor in this file, called like the file"
    column = builder.casting.column_of("value")
    by_unit = column.unit.quantity if column is not None and column.unit is not None else None
    measured = sensor_type_of(stem) or (by_unit if by_unit in {"temperature", "power"} else None)
    if measured is not None:
        entry["type"] = {"const": measured}


def _wide_values(builder: _Builder) -> None:
    values: dict[str, str] = {}
    for name, kind in builder.casting.wide.items():
        column = builder.table.column(name)
        values[name] = kind if kind != "unknown" else slug(name, "sensor")
        certainty = "likely" if kind == "unknown" else "sure"
        why = "numbers; its name is taken for the type" if kind == "unknown" else f"measures {kind}"
        builder.used.add(name)
        builder.made.columns.append(ColumnProposal(name, f"value of a {values[name]} sensor", certainty, why))
        if column.unit is not None and not column.unit.canonical:
            builder.made.notes.append(
                f"{name!r} is in {column.unit.name}: a wide source's values are loaded as they are."
            )
    builder.made.entry["values"] = values


def _left_over(builder: _Builder) -> None:
    table, made, casting = builder.table, builder.made, builder.casting
    section = casting.target.name
    contract = _contract(section)
    ignored: dict[str, str] = made.entry.setdefault("ignore", {})
    extra: dict[str, str] = {}
    for column in table.columns:
        name = column.name
        if name in builder.used:
            continue
        if column.name.lower() in INDEX_WORDS and column.kind == "integer" and column.is_unique:
            ignored[name] = "numbers the rows"
            made.columns.append(ColumnProposal(name, "ignored", "sure", "numbers the rows"))
        elif column.kind == "empty":
            ignored[name] = "empty" if table.whole else "empty in all rows that were looked at"
            made.columns.append(ColumnProposal(name, "ignored", "sure" if table.whole else "likely", "empty"))
        elif section in _NO_EXTRA:
            ignored[name] = f"nothing of {section} is called so"
            made.columns.append(ColumnProposal(name, "ignored", "likely", f"{_shown(column)}; {ignored[name]}"))
        else:
            field_name = _field(name, column, {*contract.column_names, *extra})
            extra[field_name] = name
            made.columns.append(ColumnProposal(name, f"extra {field_name}", "likely", _shown(column)))
    if extra:
        made.entry["extra"] = extra
    if not ignored:
        del made.entry["ignore"]


def _contract(section: str) -> Contract:
    name = _CONTRACT_OF.get(section, section)
    return MEASUREMENTS[name] if name in MEASUREMENTS else TABLES[name]


def _field(name: str, column: Column, taken: Iterable[str]) -> str:
    base = slug(name, f"column_{column.position + 1}")
    known, number, found = set(taken), 1, base
    while found in known:
        number += 1
        found = f"{base}_{number}"
    return found


def _strays(builder: _Builder) -> None:
    """Columns that hold values of several kinds."""
    for column in builder.table.columns:
        if column.strays and column.name in builder.used:
            builder.made.notes.append(
                f"{column.name!r} holds values of another kind in {column.strays} of {column.filled} rows that were"
                " looked at: they go to the quarantine."
            )
        number_marks = [mark for mark in column.marks if column.kind in {"integer", "number"}]
        if builder.table.kind != "csv" and number_marks:
            builder.made.notes.append(f"{', '.join(sorted(number_marks))} in {column.name!r} may mean: not measured.")


def _shown(column: Column) -> str:
    """The values of a column in short, without showing what may be personal."""
    if column.low is not None and column.high is not None:
        finite = isfinite(column.low) and isfinite(column.high)
        return f"numbers from {column.low:g} to {column.high:g}" if finite else "numbers"
    if column.kind == "text":
        return f"texts, {column.distinct:,} different"
    return {"flag": "flags", "time": "times", "date": "dates", "clock": "times of day"}.get(column.kind, column.kind)


_FIRST_KEYS = ("sqlite", "csv", "json", "table", "at", "encoding", "separator", "skip_rows", "comment", "header")
_NEXT_KEYS = ("columns", "units_row", "decimal", "thousands", "missing", "shape", "key")


def _ordered(entry: Mapping[str, Any], casting: Casting) -> dict[str, Any]:
    """The keys of an entry as people would write them: the file, how it is written, the roles, the rest."""
    roles = list(casting.target.looks)
    order = [*_FIRST_KEYS, *_NEXT_KEYS, *roles, "values", "extra", "ignore"]
    return {key: entry[key] for key in sorted(entry, key=order.index)}


def _position(table: FoundTable, name: str) -> int:
    return next((column.position for column in table.columns if column.name == name), len(table.columns))
