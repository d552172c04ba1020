"""The values of a source: their units, and the types of sensors."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from energy_platform.domain.units import CANONICAL_UNITS
from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.draft import Draft, shown
from energy_platform.sources.inspect.naming import fit, sensor_type_of, slug, taken_apart
from energy_platform.sources.inspect.proposal import ColumnProposal
from energy_platform.sources.inspect.roles import UNKNOWN, sensor_type
from energy_platform.sources.inspect.words import COUNTER_WORDS, DEVICE_WORDS, ENERGY_WORDS, SENSOR_TYPES
from energy_platform.sources.open_questions import open_question
from energy_platform.sources.spec import GROUP_COLUMN

#: A whole building that draws less is not measured in watts, one that draws more perhaps not in kilowatts.
_SURELY_KILOWATTS, _HARDLY_KILOWATTS = 100.0, 5_000.0
#: Numbers that never fall are a counter's, where there are more different ones.
_COUNTS_ON = 5
_MINUTES_OF_HOUR = 60.0
#: Weather in °C does not lie above that in the middle of a year.
_WARMEST_MIDDLE_C = 45.0
#: Types of sensors that are offered where nothing tells, and how many columns a question names.
_OFFERED_TYPES, _MOST_NAMED = ("temperature", "humidity", "power"), 6
_GROUP_ENDING = re.compile(r"(?i)[ _-]?sensors?$")


def power_options(draft: Draft, column: Column) -> dict[str, Any]:
    """The unit of a column of power: by its name, by the size of its numbers, or by a question."""
    unit = column.unit
    if column.words.words and column.words.words[-1] in {"mw", "mwh"}:
        draft.ask(
            f"Is {column.name!r} in megawatts? Written so it could be milliwatts.", "Write `unit: MW`, or another unit."
        )
        return {"unit": open_question("MW", "kW")}
    if unit is not None and unit.quantity == "power":
        return {} if unit.canonical else {"unit": unit.name}
    if _goes_on(draft, column) or _is_called_counter(column):
        counter = unit.name if unit is not None and unit.quantity == "energy" else "kWh"
        draft.ask(
            f"Is {column.name!r} a counter that goes on, or what each interval used? It looks like a counter.",
            f"Where it goes on, write `register: {{column: {column.name}, unit: {counter}}}` in the place of"
            " `power_kw:`; where it is power, write its unit: `unit: kW`.",
        )
        return {"unit": open_question("kW")}
    if unit is not None and unit.quantity == "energy":
        return _energy_options(draft, column, unit.name)
    if unit is None and fit(column.words, ENERGY_WORDS) and draft.identity.minutes() != _MINUTES_OF_HOUR:
        return _used_or_power(draft, column)
    middle = abs(column.middle or 0.0)
    of_devices = any(fit(other.words, DEVICE_WORDS) for other in draft.table.columns)
    if middle < _SURELY_KILOWATTS and not of_devices:
        draft.made.comments["power_kw"] = f"likely kW: in the middle {middle:g}, too little for watts"
        return {}
    both = ("W", "kW") if of_devices or middle > _HARDLY_KILOWATTS else ("kW", "W")
    draft.ask(
        f"Is {column.name!r} in kW or in W? No name says so; values lie around {middle:g}.",
        "Write `unit: kW` or `unit: W` in its `power_kw:`.",
    )
    return {"unit": open_question(*both)}


def _energy_options(draft: Draft, column: Column, unit: str) -> dict[str, Any]:
    """Energy of intervals becomes mean power, where the times say how long each interval is."""
    minutes = draft.identity.minutes()
    if minutes is not None and minutes <= _MINUTES_OF_HOUR:
        draft.made.comments["power_kw"] = f"likely: energy of each {minutes:g} minutes, as far apart as the times are"
        return {"unit": unit, "per_minutes": _plain(minutes)}
    told = f"Its times lie {minutes:g} minutes apart." if minutes else "Its times do not say how long that is."
    draft.ask(
        f"{column.name!r} is energy ({unit}) of an interval. Of how many minutes? {told}",
        f"Write `unit: {unit}, per_minutes: 60` with the minutes that each number is of, and it becomes mean power; or"
        " put the column under `extra:`.",
    )
    return {"unit": open_question(unit), "per_minutes": _plain(minutes or _MINUTES_OF_HOUR)}


def _used_or_power(draft: Draft, column: Column) -> dict[str, Any]:
    """What is called consumption is energy or power: only of an hour both are the same number."""
    minutes = draft.identity.minutes()
    draft.ask(
        f"Is {column.name!r} energy that each interval used (kWh), or mean power (kW)? No name says so; rows"
        f" {f'lie {minutes:g} minutes' if minutes else 'do not lie an hour'} apart.",
        f"Write `unit: kWh, per_minutes: {minutes or _MINUTES_OF_HOUR:g}` with the minutes of the interval; or"
        " `unit: kW` without `per_minutes:`.",
    )
    return {"unit": open_question("kWh", "kW"), "per_minutes": _plain(minutes or _MINUTES_OF_HOUR)}


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def register_of(draft: Draft, column: Column) -> dict[str, Any]:
    """What to say of a register that a column surely is, by its name, its unit, and numbers that never fall."""
    unit = column.unit
    if unit is None or unit.quantity != "energy" or not (_goes_on(draft, column) and _is_called_counter(column)):
        return {}
    options: dict[str, Any] = {"column": column.name, "unit": unit.name}
    options |= {"strip": column.glued} if column.glued else {}
    if (end := draft.identity.rolls_over_at(column)) is not None:
        options["rolls_over_at"] = open_question(str(end))
        draft.ask(
            f"{column.name!r} falls from close to {end:,} to close to zero. Does it begin again there?",
            f"Write `rolls_over_at: {end}` in its `register:`; or take that out where the meter was set back.",
        )
    return options


def _goes_on(draft: Draft, column: Column) -> bool:
    if column.rises and column.distinct > _COUNTS_ON:
        return True
    # power may rise for long and fall at once, too: only of energy that is a counter
    is_energy = column.unit.quantity == "energy" if column.unit is not None else fit(column.words, ENERGY_WORDS) > 0
    return is_energy and draft.identity.counts_on(column)


def _is_called_counter(column: Column) -> bool:
    return fit(taken_apart(column.name), COUNTER_WORDS) >= 2


def temperature_options(draft: Draft, column: Column) -> dict[str, Any]:
    """The unit of a column of temperatures: by its name, or by a question where they are too high for °C."""
    if column.unit is not None and column.unit.quantity == "temperature":
        return {} if column.unit.canonical else {"unit": column.unit.name.removeprefix("°")}
    if (column.middle or 0.0) > _WARMEST_MIDDLE_C:
        draft.ask(
            f"Is {column.name!r} in °F or in °C? No name says so; values lie around {column.middle:g}.",
            "Write `unit: F` or `unit: C` in its `temperature_c:`.",
        )
        return {"unit": open_question("F", "C")}
    return {}


def unit_options(column: Column, role: str, stored: str) -> dict[str, str]:
    """The unit of a column of other numbers, where it is another name of the quantity that is stored."""
    unit = column.unit
    if unit is None or unit.canonical:
        return {}
    units = {str(quantity): canonical for quantity, canonical in CANONICAL_UNITS.items()}
    fits = unit.quantity in units and (role == "value" or stored == units[unit.quantity])
    return {"unit": unit.name} if fits else {}


def type_names(column: Column) -> dict[str, str]:
    """Names of types that the platform knows under another name."""
    found: dict[str, str] = {}
    for value in column.values:
        plain = _GROUP_ENDING.sub("", value)
        kind = sensor_type_of(plain)
        if kind is not None and kind != value and (column.name == GROUP_COLUMN or _is_synonym(plain, kind)):
            found[value] = kind
    return found


def _is_synonym(text: str, kind: str) -> bool:
    return fit(taken_apart(text), SENSOR_TYPES[kind]) == 3


def add_wide_power(draft: Draft) -> None:
    """Say that each column of a wide source is power, and in which unit."""
    columns = [draft.table.column(name) for name in draft.casting.wide]
    minutes = draft.identity.minutes()
    values: dict[str, Any] = {}
    for column in columns:
        draft.used.add(column.name)
        options: dict[str, Any] = {"strip": column.glued} if column.glued else {}
        unit = column.unit
        if unit is not None and unit.quantity == "energy":
            per_minutes = _plain(minutes) if minutes else open_question("60")
            options |= {"unit": unit.name, "per_minutes": per_minutes}
        elif unit is not None and not unit.canonical:
            options["unit"] = unit.name
        values[column.name] = {"type": "power_kw", **options} if options else "power_kw"
        draft.made.columns.append(ColumnProposal(column.name, "power_kw", "likely", f"{shown(column)}; by the file"))
    unnamed = [column for column in columns if column.unit is None]
    least = min((abs(column.middle or 0.0) for column in unnamed), default=0.0)
    if unnamed and (minutes != _MINUTES_OF_HOUR or least >= _SURELY_KILOWATTS):
        first = unnamed[0].name
        values[first] = {"type": "power_kw", "unit": open_question("kW", "W", "kWh")}
        interval = _plain(minutes or _MINUTES_OF_HOUR)
        draft.ask(
            f"In which unit are columns such as {first!r}? No name says so; values lie around {least:g}.",
            f"Write `{first}: power_kw` where they are in kW. Else write each like {{type: power_kw, unit: W}}, or"
            f" {{type: power_kw, unit: kWh, per_minutes: {interval}}} where it is the energy of an interval.",
        )
    elif any(column.unit is not None and column.unit.quantity == "energy" for column in columns) and not minutes:
        draft.ask(
            "Of how many minutes is the energy in each column? Its times do not say so.",
            "Write the number in each `per_minutes:`.",
        )
    draft.made.entry["values"] = values


def add_wide_values(draft: Draft) -> None:
    """Say what each column of a wide source measures."""
    values: dict[str, Any] = {}
    unknown: list[str] = []
    # a sensor that the rows name measures each quantity once
    counts = Counter(draft.casting.wide.values()) if "sensor" in draft.made.entry else Counter[str]()
    for name, measured in draft.casting.wide.items():
        column = draft.table.column(name)
        twice = counts[measured] > 1 and measured != UNKNOWN
        kind = slug(name, f"{measured}_{column.position + 1}") if twice else measured
        draft.used.add(name)
        values[name] = kind
        if kind == UNKNOWN:
            unknown.append(name)
            values[name] = open_question(*_OFFERED_TYPES)
            draft.made.columns.append(ColumnProposal(name, "value", "unsure", shown(column)))
        else:
            known = kind in SENSOR_TYPES or sensor_type(column) == kind
            why = f"measures {kind}" if known else f"{shown(column)}; its name is taken for the type"
            certainty = "sure" if known else "likely"
            draft.made.columns.append(ColumnProposal(name, f"value of a {kind} sensor", certainty, why))
        options = {"unit": column.unit.name} if column.unit is not None and not column.unit.canonical else {}
        options |= {"strip": column.glued} if column.glued else {}
        if options:
            values[name] = {"type": values[name], **options}
    draft.made.entry["values"] = values
    if unknown:
        names = ", ".join(map(repr, unknown[:_MOST_NAMED])) + (", …" if len(unknown) > _MOST_NAMED else "")
        draft.ask(
            f"What do {names} measure? Nothing says so.",
            "Write the type of each in `values:`, e.g. temperature; or list the file under the top-level `ignore:`.",
        )
