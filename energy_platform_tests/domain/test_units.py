"""Units are known by their names, and convert as exactly as a double can."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.units import CANONICAL_UNITS, UNITS, Unit, unit_named


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("W", "W"), ("w", "W"), ("kW", "kW"), ("KW", "kW"), ("kw", "kW"), ("MW", "MW"), ("GW", "GW"),
        ("Wh", "Wh"), ("WH", "Wh"), ("kWh", "kWh"), ("KWH", "kWh"), ("[kWh]", "kWh"), ("MWh", "MWh"), ("MWH", "MWh"),
        ("MJ", "MJ"), ("GJ", "GJ"), ("gcal", "Gcal"),
        ("°C", "°C"), ("℃", "°C"), ("C", "°C"), (" celsius ", "°C"), ("섭씨", "°C"),
        ("°F", "°F"), ("F", "°F"), ("℉", "°F"), ("degF", "°F"), ("K", "K"), ("k", "K"),
        ("mW", None), ("mw", None), ("mWh", None), ("Mw", None), ("mJ", None), ("", None), ("lux", None), ("%", None),
    ],
)  # fmt: skip
def test_names(name: str, unit: str | None) -> None:
    found = unit_named(name)
    assert (found.name if found else None) == unit


@pytest.mark.parametrize(
    ("unit", "number", "canonical"),
    [
        ("W", 1500.0, 1.5), ("kW", 1.1, 1.1), ("MW", 0.25, 250.0), ("Wh", 1.0, 0.001), ("MWh", 2.0, 2000.0),
        ("°F", 32.0, 0.0), ("°F", 212.0, 100.0), ("°F", -40.0, -40.0), ("K", 273.15, 0.0), ("°C", -0.5, -0.5),
        ("MJ", 3.6, 1.0), ("GJ", 0.36, 100.0), ("kJ", 3600.0, 1.0), ("Gcal", 1.0, 1163.0),
    ],
)  # fmt: skip
def test_numbers(unit: str, number: float, canonical: float) -> None:
    known = unit_named(unit)
    assert known is not None
    assert known.to_canonical(number) == canonical
    assert known.canonical == CANONICAL_UNITS[known.quantity]


@given(st.sampled_from(UNITS), st.floats(-1e9, 1e9))
def test_conversions_are_as_exact_as_a_double(unit: Unit, number: float) -> None:
    exact = (Fraction(number) - Fraction(unit.zero)) * Fraction(unit.numerator) / Fraction(unit.denominator)
    size = abs(Fraction(number)) + abs(Fraction(unit.zero))
    tolerance = size * Fraction(unit.numerator) / Fraction(unit.denominator) * Fraction(1, 2**51)
    assert abs(Fraction(unit.to_canonical(number)) - exact) <= tolerance + Fraction(5e-324) * 1000
