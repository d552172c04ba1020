"""Units by name: which quantity one measures, and how its numbers become those of the unit that the platform stores.

Power is stored in kW, energy in kWh, temperature in °C. A name is read as people write it: `kW`, `KW` and `kw` are one
unit, but `mW` and `mw` are none, because a thousandth and a million of watts differ by nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Quantity = Literal["power", "energy", "temperature"]

#: The unit that numbers of a quantity are stored in.
CANONICAL_UNITS: Mapping[Quantity, str] = {"power": "kW", "energy": "kWh", "temperature": "°C"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, and the way to the canonical one of its quantity: (number - zero) * numerator / denominator.

    Attributes:
        name: as it is written properly.
        quantity: that it measures.
        numerator: see above; a whole number, so that every step is as exact as a double can be.
        denominator: see above.
        zero: number of this unit at the canonical unit's zero.
    """

    name: str
    quantity: Quantity
    numerator: float = 1.0
    denominator: float = 1.0
    zero: float = 0.0

    @property
    def canonical(self) -> str:
        """The unit that its quantity is stored in."""
        return CANONICAL_UNITS[self.quantity]

    def to_canonical(self, number: float) -> float:
        """A number of this unit in the canonical one."""
        return (number - self.zero) * self.numerator / self.denominator


UNITS: tuple[Unit, ...] = (
    Unit("W", "power", denominator=1000.0),
    Unit("kW", "power"),
    Unit("MW", "power", numerator=1000.0),
    Unit("GW", "power", numerator=1_000_000.0),
    Unit("Wh", "energy", denominator=1000.0),
    Unit("kWh", "energy"),
    Unit("MWh", "energy", numerator=1000.0),
    Unit("GWh", "energy", numerator=1_000_000.0),
    Unit("kJ", "energy", denominator=3600.0),
    Unit("MJ", "energy", numerator=10.0, denominator=36.0),
    Unit("GJ", "energy", numerator=10_000.0, denominator=36.0),
    Unit("Gcal", "energy", numerator=1163.0),
    Unit("°C", "temperature"),
    Unit("°F", "temperature", numerator=5.0, denominator=9.0, zero=32.0),
    Unit("K", "temperature", zero=273.15),
)

_EXACT: Mapping[str, Unit] = {unit.name: unit for unit in UNITS}
_OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("c", "oc", "degc", "celsius", "centigrade", "deg c", "섭씨"), "°C"),
    **dict.fromkeys(("f", "of", "degf", "fahrenheit", "deg f", "화씨"), "°F"),
    "kelvin": "K",
    "watt": "W",
    "watts": "W",
    "kilowatt": "kW",
    "kilowatts": "kW",
    "megawatt": "MW",
    "watt hour": "Wh",
    "kilowatt hour": "kWh",
    "megawatt hour": "MWh",
    "kw·h": "kWh",
    "kw*h": "kWh",
    "kw-h": "kWh",
}
#: Written in small letters these could be another unit.
_BY_CASE_ONLY = frozenset({"mw", "mwh", "mj"})
_ANY_CASE: Mapping[str, Unit] = {
    **{unit.name.casefold(): unit for unit in UNITS if unit.name.casefold() not in _BY_CASE_ONLY},
    **{name: _EXACT[unit] for name, unit in _OTHER_NAMES.items()},
}


def unit_named(name: str) -> Unit | None:
    """The unit that a name means; None where it is not known, or could be two."""
    # ℃ and ℉, and letters of full width, are other characters for the same
    plain = unicodedata.normalize("NFKC", name).strip().strip("[]()").strip()
    found = _EXACT.get(plain)
    if found is not None:
        return found
    folded = plain.casefold()
    # all in capitals is how old devices write everything: nobody means milliwatts with MWH
    if folded in _BY_CASE_ONLY:
        return next((unit for unit in UNITS if plain == unit.name.upper()), None)
    return _ANY_CASE.get(folded)
