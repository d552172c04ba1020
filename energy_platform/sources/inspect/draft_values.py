"""The values of a source: their units, and the types of sensors."""

from __future__ import annotations

import re
from typing import Any

from energy_platform.domain.units import CANONICAL_UNITS
from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.draft import Draft, shown
from energy_platform.sources.inspect.naming import fit, sensor_type_of, taken_apart
from energy_platform.sources.inspect.proposal import ColumnProposal
from energy_platform.sources.inspect.roles import UNKNOWN, sensor_type
from energy_platform.sources.inspect.words import COUNTER_WORDS, SENSOR_TYPES
from energy_platform.sources.open_questions import open_question
from energy_platform.sources.spec import GROUP_COLUMN

#: A whole building that draws less is not measured in watts, one that draws more perhaps not in kilowatts.
_SURELY_KILOWATTS, _HARDLY_KILOWATTS = 100.0, 5_000.0
#: Numbers that never fall are a counter's, where there are more different ones.
_COUNTS_ON = 5
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
    if _goes_on(column) or _is_called_counter(column):
        counter = unit.name if unit is not None and unit.quantity == "energy" else "kWh"
        draft.ask(
            f"Is {column.name!r} a counter that goes on, or what each interval used? It looks like a counter.",
            f"Where it goes on, write `register: {{column: {column.name}, unit: {counter}}}` in the place of"
            " `power_kw:`; where it is power, write its unit: `unit: kW`.",
        )
        return {"unit": open_question("kW")}
    if unit is not None and unit.quantity == "energy":
        power = unit.name.removesuffix("h")
        draft.ask(
            f"{column.name!r} is energy ({unit.name}) of an interval. Is each row one hour? Only then its number is"
            f" the mean power in {power}.",
            f"Write `unit: {power}` where each row is one hour; otherwise put the column under `extra:`.",
        )
        return {"unit": open_question(power)}
    middle = abs(column.middle or 0.0)
    if middle < _SURELY_KILOWATTS:
        draft.made.comments["power_kw"] = f"likely kW: in the middle {middle:g}, too little for watts"
        return {}
    both = ("W", "kW") if middle > _HARDLY_KILOWATTS else ("kW", "W")
    draft.ask(
        f"Is {column.name!r} in kW or in W? No name says so; values lie around {middle:g}.",
        "Write `unit: kW` or `unit: W` in its `power_kw:`.",
    )
    return {"unit": open_question(*both)}


def register_of(column: Column) -> dict[str, Any]:
    """What to say of a register that a column surely is, by its name, its unit, and numbers that never fall."""
    unit = column.unit
    if unit is None or unit.quantity != "energy" or not (_goes_on(column) and _is_called_counter(column)):
        return {}
    glued = {"strip": column.glued} if column.glued else {}
    return {"column": column.name, "unit": unit.name, **glued}


def _goes_on(column: Column) -> bool:
    return column.rises and column.distinct > _COUNTS_ON


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


def add_wide_values(draft: Draft) -> None:
    """Say what each column of a wide source measures."""
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for name, kind in draft.casting.wide.items():
        column = draft.table.column(name)
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
