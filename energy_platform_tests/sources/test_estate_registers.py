"""What estate.yaml says of registers of meters, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.domain.errors import EstateError
from energy_platform.domain.registers import HIGHEST_KW, RegisterRule
from energy_platform.sources.estate import Estate, Role, check_estate, read_estate

HEAD = "estate: e\ntimezone: Asia/Seoul\nfirst_day: 2023-01-01\n"


def read(folder: Path, entry: str) -> Estate:
    text = f"{HEAD}energy:\n  - {{csv: a.csv, time: t, building: b, {entry}}}\n"
    (folder / "estate.yaml").write_text(text, encoding="utf-8")
    return read_estate(folder)


def test_a_column_alone_counts_kwh(tmp_path: Path) -> None:
    (spec,) = read(tmp_path, "register: counter").sources
    assert spec.register == RegisterRule(None, None, HIGHEST_KW)
    assert spec.roles["register_kwh"] == Role(column="counter")
    assert spec.fixed_fields == {"register_kwh": "float"}
    assert spec.columns_used() == {"t": "time", "b": "building_id", "counter": "register_kwh"}


def test_what_is_known_of_it(tmp_path: Path) -> None:
    entry = "register: {column: c, unit: MWh, strip: MWh, rolls_over_at: 1000, longest_gap: 1.5, highest_kw: 250}"
    estate = read(tmp_path, entry)
    (spec,) = estate.sources
    assert spec.register == RegisterRule(1_000_000.0, 1.5, 250.0)
    assert spec.roles["register_kwh"] == Role(column="c", unit="MWh", strip=("MWh",))
    assert estate.register_sources() == (spec,)


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("register: c, power_kw: p", "power_kw", "`register:` beside it"),
        ("register: c, extra: {register_kwh: d}", "extra.register_kwh", "where the register itself is kept"),
        ("register: 5", "register", "not the number 5"),
        ("register: {unit: kWh}", "register.column", "missing"),
        ("register: {column: c, unit: kW}", "register.unit", "a unit of power"),
        ("register: {column: c, unit: barrels}", "register.unit", "unknown"),
        ("register: {column: c, rolls_over: 5}", "register.rolls_over", "unknown"),
        ("register: {column: c, rolls_over_at: 0}", "register.rolls_over_at", "no number above zero"),
        ("register: {column: c, rolls_over_at: true}", "register.rolls_over_at", "no number above zero"),
        ("register: {column: c, longest_gap: 1h}", "register.longest_gap", "no number above zero"),
        ("register: {column: c, longest_gap: .nan}", "register.longest_gap", "no number above zero"),
        ("register: {column: c, highest_kw: 1000000}", "register.highest_kw", "No power beyond 100000 kW"),
    ],
)
def test_what_is_wrong(tmp_path: Path, entry: str, place: str, words: str) -> None:
    with pytest.raises(EstateError) as caught:
        read(tmp_path, entry)
    assert f"energy[0].{place}" in caught.value.where
    assert words in caught.value.what
    assert caught.value.remedy


def test_only_meters_have_registers(tmp_path: Path) -> None:
    for text, place in (
        (
            "readings:\n  - {csv: a.csv, time: t, building: b, sensor: s, value: v, register: c}\n",
            "readings[0].register",
        ),
        ("tables: {register_corrections: {csv: a.csv}}\n", "tables.register_corrections"),
    ):
        (tmp_path / "estate.yaml").write_text(HEAD + text, encoding="utf-8")
        with pytest.raises(EstateError) as caught:
            read_estate(tmp_path)
        assert place in caught.value.where


def test_a_register_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,b,counter\n2023-01-01,B1,5\n", encoding="utf-8")
    with pytest.raises(EstateError) as caught:
        check_estate(read(tmp_path, "register: Counter"))
    assert caught.value.where.endswith("energy[0].register")
    assert "counter" in caught.value.remedy
    check_estate(read(tmp_path, "register: counter"))
