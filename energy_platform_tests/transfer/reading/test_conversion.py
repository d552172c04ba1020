"""Numbers that people write are read exactly, or refused: never guessed."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_platform.domain.units import UNITS, Unit, unit_named
from energy_platform.sources.spec import NumberForm
from energy_platform.transfer.reading.conversion import ColumnForm, Converted, convert

SEOUL = ZoneInfo("Asia/Seoul")
FORMS = st.sampled_from(
    [NumberForm(",", "."), NumberForm(".", ","), NumberForm(",", " "), NumberForm(".", "'"), NumberForm(",")]
)


def floats(texts: list[str | None], form: ColumnForm) -> list[float | None]:
    return convert(pl.Series(texts, dtype=pl.String), "float", SEOUL, form).values.to_list()


def written(number: float, form: NumberForm, *, grouped: bool) -> str:
    text = f"{number:,.6f}" if grouped else f"{number:.6f}"
    return text.replace(",", "\0").replace(".", form.decimal).replace("\0", form.thousands)


@given(FORMS, st.lists(st.tuples(st.floats(-1e12, 1e12), st.booleans()), max_size=10))
@settings(max_examples=100, deadline=None)
def test_numbers_of_a_form_come_back(form: NumberForm, numbers: list[tuple[float, bool]]) -> None:
    texts = [written(number, form, grouped=grouped) for number, grouped in numbers]
    assert floats([*texts, None], ColumnForm(numbers=form)) == [
        *[float(f"{number:.6f}") for number, _ in numbers],
        None,
    ]


@given(FORMS, st.lists(st.text("0123456789.,'+- e", max_size=9), min_size=1, max_size=10))
@settings(max_examples=200, deadline=None)
def test_what_is_no_number_of_a_form_is_refused(form: NumberForm, texts: list[str]) -> None:
    expected = [by_python(text.strip(), form) for text in texts]
    found = convert(pl.Series(texts), "float", SEOUL, ColumnForm(numbers=form))
    assert found.values.to_list() == expected
    assert refused_of(found) == [
        number is None and text.strip() != "" for text, number in zip(texts, expected, strict=True)
    ]


def refused_of(found: Converted) -> list[bool | None]:
    return [False] * found.values.len() if found.refused is None else found.refused.to_list()


def by_python(text: str, form: NumberForm) -> float | None:
    sign, rest = re.fullmatch(r"([+-]?)(.*)", text, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
    mantissa, mark, exponent = rest.partition("e")
    whole, _, fraction = mantissa.partition(form.decimal)
    if form.thousands and form.thousands in whole:
        groups = whole.split(form.thousands)
        if not (1 <= len(groups[0]) <= 3) or groups[0][0] == "0" or any(len(group) != 3 for group in groups[1:]):
            return None
        whole = "".join(groups)
    digits = whole + fraction
    if not re.fullmatch("[0-9]+", digits) or (mark and not re.fullmatch("[+-]?[0-9]{1,3}", exponent)):
        return None
    try:
        return float(f"{sign}{whole}.{fraction}{mark}{exponent}")
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "form", "number"),
    [
        ("1.234,5", NumberForm(",", "."), 1234.5),
        ("1.5", NumberForm(",", "."), None),
        ("0.123", NumberForm(",", "."), None),
        ("1.5", NumberForm(","), None),
        ("-1 234 567,5", NumberForm(",", " "), -1234567.5),
        ("-1\u00a0234\u202f567,5", NumberForm(",", " "), -1234567.5),
        ("12 34", NumberForm(",", " "), None),
        ("1,2,3", NumberForm(","), None),
        ("1'000", NumberForm(".", "'"), 1000.0),
        ("inf", NumberForm(",", "."), float("inf")),
        ("-Infinity", NumberForm(","), float("-inf")),
        ("1,5e3", NumberForm(","), 1500.0),
        (",5", NumberForm(","), 0.5),
        ("NA", NumberForm(","), None),
    ],
)
def test_numbers(text: str, form: NumberForm, number: float | None) -> None:
    assert floats([text], ColumnForm(numbers=form)) == [number]


def test_glued_units_are_taken_off() -> None:
    form = ColumnForm(strip=("°C", "C", "€"))
    texts = ["21.5 °C", "21.5°C", "21.5C", " 21.5 ", "€ 5", "70 °F", "°C", "", "21.5 °C °C"]
    found = convert(pl.Series(texts), "float", SEOUL, form)
    assert found.values.to_list() == [21.5, 21.5, 21.5, 21.5, 5.0, None, None, None, None]
    assert refused_of(found) == [False, False, False, False, False, True, True, False, True]
    assert floats(["1.234,5 kWh"], ColumnForm(strip=("kWh",), numbers=NumberForm(",", "."))) == [1234.5]


@given(st.lists(st.none() | st.floats(allow_nan=False), max_size=20), st.sampled_from(UNITS))
@settings(deadline=None)
@example([41.5, 0.1, None, 1e308, -40.0], UNITS[0])
@example([0.1, 98.6, 20.6, None], UNITS[13])
def test_units_are_converted_by_steps_that_are_rounded_once(numbers: list[float | None], unit: Unit) -> None:
    """As Python does it, to the last bit."""
    raw = pl.Series(numbers, dtype=pl.Float64)
    found = convert(raw, "float", SEOUL, ColumnForm(unit=unit)).values.to_list()
    own = unit.name == unit.canonical
    assert found == [n if n is None or own else unit.to_canonical(n) for n in numbers]


def test_energy_of_a_part_of_an_hour_is_multiplied_exactly() -> None:
    kwh = unit_named("kWh")
    numbers = [n / 1000 for n in range(2000)]
    for minutes, times in ((15.0, 4), (30.0, 2), (60.0, 1)):
        found = floats([str(n) for n in numbers], ColumnForm(unit=kwh, per_minutes=minutes))
        assert found == [n * times for n in numbers]
    assert floats(["7", None], ColumnForm(unit=kwh, per_minutes=1440)) == [7 / 24, None]


def test_units_are_converted() -> None:
    assert floats(["212", "x", None], ColumnForm(unit=unit_named("F"))) == [100.0, None, None]
    assert convert(pl.Series([1500, None]), "float", SEOUL, ColumnForm(unit=unit_named("W"))).values.to_list() == [
        1.5,
        None,
    ]
    assert floats(["0.1"], ColumnForm(unit=unit_named("kW"))) == [0.1]


def test_whole_numbers_of_a_form() -> None:
    form = ColumnForm(numbers=NumberForm(",", "."))
    found = convert(pl.Series(["1.234", "1,5", "9.007.199.254.740.993"]), "integer", SEOUL, form)
    assert found.values.to_list() == [1234, None, 9007199254740993]
    assert refused_of(found) == [False, True, False]
