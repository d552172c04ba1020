"""The registers of meters in an estate file: which column counts, and what is known of how it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energy_platform.domain.registers import HIGHEST_KW, REGISTER, RegisterRule
from energy_platform.domain.units import unit_named
from energy_platform.sources.estate_roles import RoleReading
from energy_platform.sources.estate_values import kind_of
from energy_platform.sources.spec import POWER_COLUMN, Role

_KEYS = ("column", "unit", "strip", "rolls_over_at", "longest_gap", "highest_kw")
_REMEDY = "Write `register: column`, or {column: name, unit: kWh, rolls_over_at: 1000000}."


class RegisterReading(RoleReading):
    """Reads what is said of registers."""

    def register(self, given: Mapping[str, Any], place: str) -> tuple[RegisterRule | None, dict[str, Role]]:
        """What is known of the registers of a source, and the roles that they fill; nothing where it has none."""
        if "register" not in given:
            return None, {}
        if "power_kw" in given:
            self.fail(
                f"{place}.power_kw",
                "Power stands here, and `register:` beside it, which power follows from.",
                "Remove one of the two; a column that is not needed goes under `ignore:`.",
            )
        if isinstance(given.get("extra"), dict) and REGISTER.name in given["extra"]:
            what = f"{REGISTER.name!r} is where the register itself is kept."
            self.fail(f"{place}.extra.{REGISTER.name}", what, "Give the field another name.")
        options = given["register"]
        place = f"{place}.register"
        if isinstance(options, str):
            options = {"column": options}
        if not isinstance(options, dict):
            self.fail(place, f"The name of a column must stand here, not {kind_of(options)}.", _REMEDY)
        self.known(self.mapping(options, place), _KEYS, place)
        if "column" not in options:
            self.fail(f"{place}.column", "This key is missing.", _REMEDY)
        unit = self.unit(options, place, REGISTER)
        rolls_over_at = self.positive(options, "rolls_over_at", place)
        if rolls_over_at is not None and unit is not None and (named := unit_named(unit)) is not None:
            # it is said in the unit of the register
            rolls_over_at = named.to_canonical(rolls_over_at)
        highest_kw = self.positive(options, "highest_kw", place)
        if highest_kw is not None and highest_kw > HIGHEST_KW:
            self.fail(
                f"{place}.highest_kw", f"No power beyond {HIGHEST_KW:g} kW can be loaded.", "Write less, or nothing."
            )
        rule = RegisterRule(rolls_over_at, self.positive(options, "longest_gap", place), highest_kw or HIGHEST_KW)
        strip = self.glued(options["strip"], f"{place}.strip") if "strip" in options else ()
        column = self.text(options["column"], f"{place}.column", empty=True)
        return rule, {
            "power_kw": Role(column=POWER_COLUMN),
            REGISTER.name: Role(column=column, unit=unit, strip=strip),
        }

    def positive(self, options: Mapping[str, Any], name: str, place: str) -> float | None:
        """A number above zero; None where it is not given."""
        number = options.get(name)
        if name not in options:
            return None
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
            self.fail(f"{place}.{name}", f"{number!r} is no number above zero.", "Write a number, or leave it out.")
        return float(number)
