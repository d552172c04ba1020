"""The roles of a source: where the values of a canonical column come from, and how they are written there."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Any

from energy_platform.domain.contracts import Column
from energy_platform.domain.time_forms import FormatError, TimeForm, pattern_of
from energy_platform.domain.units import CANONICAL_UNITS, UNITS, unit_named
from energy_platform.sources.estate_values import ValueReading, is_scalar, kind_of, plain_text
from energy_platform.sources.naming import listed
from energy_platform.sources.spec import Role

_ROLE_REMEDY = "Write the name of a column, {const: value} or {column: name, map: {old: new}}."
_TIME_KEYS = ("unit", "format", "order")
_NUMBER_KEYS = ("unit", "strip")
#: What the columns of a wide source may be called by.
_NAMED_BY_COLUMN = ("building_id", "meter_id", "sensor_id")
_LONGEST_INTERVAL_MINUTES = 366 * 24 * 60


class RoleReading(ValueReading):
    """Reads the roles of a source."""

    def role(self, value: Any, place: str, column: Column, path: str) -> Role:
        """Where the values of a canonical column come from.

        Args:
            value: as it stands in the file.
            place: where it stands.
            column: the canonical column.
            path: of the source's file, from the estate's folder on.
        """
        if isinstance(value, str):
            return Role(column=value)
        if not isinstance(value, dict):
            self.fail(
                place,
                f"The name of a column must stand here, not {kind_of(value)}.",
                f"Write it in quotes, or {{const: {value}}} for a constant." if is_scalar(value) else _ROLE_REMEDY,
            )
        given = self.mapping(value, place)
        keys = ["column", "map", "const", "from", "pattern"]
        if column.type in {"time", "date"}:
            keys += ["date", "time", *(key for key in _TIME_KEYS if column.type == "time" or key != "unit")]
        if column.type in {"float", "integer"}:
            keys += _NUMBER_KEYS if column.type == "float" else ["strip"]
            keys += ["per_minutes"] if column.unit == CANONICAL_UNITS["power"] else []
        self.known(given, keys, place)
        if set(given) == {"const"}:
            constant = given["const"]
            if not is_scalar(constant):
                self.fail(f"{place}.const", f"A constant cannot be {kind_of(constant)}.", "Write text or a number.")
            return Role(constant=constant.isoformat() if isinstance(constant, date) else constant)
        if "from" in given:
            return self.derived(given, place, column, path)
        if "date" in given or "time" in given:
            return self.two_columns(given, place)
        if "column" not in given or set(given) & {"const", "pattern"}:
            self.fail(place, f"The keys {listed(given)} do not go together.", _ROLE_REMEDY)
        return Role(
            column=self.text(given["column"], f"{place}.column", empty=True),
            map=self.replacements(given.get("map", {}), f"{place}.map"),
            time=self.time_form(given, place) if column.type in {"time", "date"} else TimeForm(),
            unit=self.unit(given, place, column) if column.type == "float" else None,
            strip=self.glued(given["strip"], f"{place}.strip") if "strip" in given else (),
            per_minutes=self.per_minutes(given, place),
        )

    def per_minutes(self, given: Mapping[str, Any], place: str) -> float | None:
        """The minutes of which each number is the energy; None where it is power."""
        if "per_minutes" not in given:
            return None
        minutes = given["per_minutes"]
        place = f"{place}.per_minutes"
        if isinstance(minutes, bool) or not isinstance(minutes, int | float):
            self.fail(place, f"A number must stand here, not {kind_of(minutes)}.", "Write e.g. 15, or leave it out.")
        if not 0 < minutes <= _LONGEST_INTERVAL_MINUTES:
            self.fail(place, f"{minutes!r} minutes are no interval.", "Write e.g. 15, or leave it out.")
        if "unit" not in given:
            self.fail(place, "It needs a unit of energy beside it.", "Write `unit: kWh`, or whichever it is.")
        return float(minutes)

    def derived(self, given: Mapping[str, Any], place: str, column: Column, path: str) -> Role:
        """A building that follows from its sensor, or a text that the file's name holds."""
        if given["from"] == "sensor" and column.name == "building_id" and set(given) == {"from"}:
            return Role(from_sensor=True)
        if given["from"] == "column" and column.name in _NAMED_BY_COLUMN and set(given) <= {"from", "map"}:
            return Role(from_column=True, map=self.replacements(given.get("map", {}), f"{place}.map"))
        if given["from"] != "name" or column.type != "text" or not set(given) <= {"from", "pattern"}:
            self.fail(
                place,
                "Only a building can be taken from another row, and only from its sensor.",
                "Write `building: {from: sensor}`, or {from: name, pattern: …} where the name of the file says it, or"
                " {from: column} where those of the columns of a wide source do.",
            )
        if "pattern" not in given:
            self.fail(
                f"{place}.pattern", "This key is missing.", "Write e.g. {from: name, pattern: 'meter_(.+)\\.csv'}."
            )
        pattern = self.expression(given["pattern"], f"{place}.pattern")
        found = pattern.search(unicodedata.normalize("NFC", path))
        if found is None or not found[1]:
            self.fail(
                f"{place}.pattern",
                f"{pattern.pattern!r} finds nothing in {path!r}.",
                "Mend the expression; a file that does not belong there goes under `ignore:` with a reason.",
            )
        return Role(constant=found[1])

    def two_columns(self, given: Mapping[str, Any], place: str) -> Role:
        """A time whose date and clock stand in two columns."""
        for name in ("date", "time"):
            if name not in given:
                self.fail(f"{place}.{name}", "This key is missing.", "Write {date: column, time: column}.")
        if not set(given) <= {"date", "time", "format", "order"}:
            self.fail(place, f"The keys {listed(given)} do not go together.", "Write {date: column, time: column}.")
        return Role(
            column=self.text(given["date"], f"{place}.date", empty=True),
            clock=self.text(given["time"], f"{place}.time", empty=True),
            time=self.time_form(given, place),
        )

    def time_form(self, given: Mapping[str, Any], place: str) -> TimeForm:
        """How the times of a column are written."""
        named = [key for key in _TIME_KEYS if key in given]
        if len(named) > 1:
            self.fail(place, f"{' and '.join(named)} stand side by side.", "Write the one that says it all.")
        if "unit" in given:
            return TimeForm(unit=self.choice(given["unit"], ("s", "ms", "us", "ns"), f"{place}.unit"))
        if "order" in given:
            return TimeForm(order=self.choice(given["order"], ("day_first", "month_first"), f"{place}.order"))
        if "format" not in given:
            return TimeForm()
        form = TimeForm(format=self.text(given["format"], f"{place}.format"))
        try:
            pattern_of(form)
        except FormatError as error:
            self.fail(f"{place}.format", f"{form.format!r} cannot be used: {error}.", "Write e.g. '%d.%m.%Y %H:%M:%S'.")
        return form

    def unit(self, options: Mapping[str, Any], place: str, column: Column) -> str | None:
        """A unit whose numbers become those of the column's own; None where none is given."""
        if "unit" not in options:
            return None
        place = f"{place}.unit"
        given = self.text(options["unit"], place)
        unit = unit_named(given)
        if unit is None:
            units = ", ".join(known.name for known in UNITS)
            self.fail(
                place,
                f"The unit {given!r} is unknown.",
                f"Units that are converted are {units}; others are loaded as they are: leave it out.",
            )
        wanted = CANONICAL_UNITS["energy"] if "per_minutes" in options else column.unit
        # a reading may be of any quantity; other columns are of one
        if column.name != "value" and wanted != CANONICAL_UNITS[unit.quantity]:
            own = f"is in {column.unit}" if column.unit else "has no unit"
            what = f"{unit.name} is a unit of {unit.quantity}; {column.name} {own}"
            if unit.quantity == "energy" and column.unit == CANONICAL_UNITS["power"]:
                remedy = "Where each number is the energy of an interval, write its length too: `per_minutes: 15`."
            elif "per_minutes" in options:
                what, remedy = f"{unit.name} is no unit of energy", "Write one, e.g. kWh; or take `per_minutes:` out."
            else:
                remedy = "Leave it out."
            self.fail(place, f"{what}.", remedy)
        return unit.name

    def glued(self, value: Any, place: str) -> tuple[str, ...]:
        """Texts that stand glued to numbers."""
        texts = tuple(text.strip() for text in self.texts(value, place))
        for text in texts:
            if not text or any(character.isdigit() for character in text):
                self.fail(place, f"{text!r} cannot be taken off a number.", "Write the text, e.g. '°C'.")
        return texts

    def values(self, value: Any, place: str, column: Column) -> tuple[dict[str, str], dict[str, Role]]:
        """The columns of a wide source: the sensor type or field of each, and of some how their numbers are written.

        Args:
            value: as it stands in the file.
            place: where it stands.
            column: the canonical column that the values are of.
        """
        keys = ["type", *_NUMBER_KEYS, *(["per_minutes"] if column.unit == CANONICAL_UNITS["power"] else [])]
        types: dict[str, str] = {}
        roles: dict[str, Role] = {}
        for name, given in self.mapping(value, place).items():
            here = f"{place}.{name}"
            if not isinstance(given, dict):
                types[name] = self.text(given, here)
                continue
            self.known(self.mapping(given, here), keys, here)
            if "type" not in given:
                what = "sensor type" if column.name == "value" else column.name
                self.fail(f"{here}.type", "This key is missing.", f"Write {{type: {what}, unit: …}}.")
            types[name] = self.text(given["type"], f"{here}.type")
            unit = self.unit(given, here, column)
            strip = self.glued(given["strip"], f"{here}.strip") if "strip" in given else ()
            roles[name] = Role(column=name, unit=unit, strip=strip, per_minutes=self.per_minutes(given, here))
        return types, roles

    def replacements(self, value: Any, place: str) -> dict[str, str]:
        """Values, and what they become."""
        if not isinstance(value, dict):
            self.fail(place, f"A mapping must stand here, not {kind_of(value)}.", "Write `old: new` lines.")
        for old, new in value.items():
            if not is_scalar(old) or not is_scalar(new):
                self.fail(f"{place}.{old}", f"{new!r} is no single value.", "Write `old: new`.")
        return {plain_text(old): plain_text(new) for old, new in value.items()}
