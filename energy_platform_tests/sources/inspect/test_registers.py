"""Registers of meters that inspect finds: proposed where all speaks for it, asked for where something does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from energy_platform.domain.errors import EstateError
from energy_platform.domain.registers import RegisterRule
from energy_platform.sources.estate import Role, check_estate, read_estate
from energy_platform.sources.inspect.estate_text import estate_text
from energy_platform.sources.inspect.inspection import inspect_folder
from energy_platform.sources.inspect.proposal import Proposal

START = datetime(2024, 1, 1)  # noqa: DTZ001  a text without a zone


def written(folder: Path, column: str, *meters: int) -> Path:
    lines = [f"time,building,{'meter,' * bool(meters[1:])}{column}"]
    for number in range(60):
        for meter in meters:
            which = f"M{meter}," * bool(meters[1:])
            lines.append(f"{START + timedelta(minutes=15 * number)},B1,{which}{meter * 1000 + number * 2.5}")
    (folder / "meters.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def inspected(folder: Path) -> Proposal:
    found = inspect_folder(folder, timezone="UTC")
    (folder / "estate.yaml").write_text(estate_text(found), encoding="utf-8")
    return found


@pytest.mark.parametrize(("column", "unit"), [("meter_reading_kwh", "kWh"), ("누적전력량(Wh)", "Wh")])
def test_what_is_surely_a_register_is_proposed(tmp_path: Path, column: str, unit: str) -> None:
    inspected(written(tmp_path, column, 1))
    estate = read_estate(tmp_path)
    check_estate(estate)
    (spec,) = estate.sources
    assert spec.register == RegisterRule()
    assert spec.roles["register_kwh"] == Role(column=column, unit=unit)


def test_numbers_of_several_meters_go_on_each_by_itself(tmp_path: Path) -> None:
    assert not inspected(written(tmp_path, "meter_reading_kwh", 1, 2)).questions
    (spec,) = read_estate(tmp_path).sources
    assert spec.register == RegisterRule()
    assert spec.roles["register_kwh"] == Role(column="meter_reading_kwh", unit="kWh")
    assert spec.roles["meter_id"] == Role(column="meter")


def test_a_register_that_begins_again_at_zero_asks_where(tmp_path: Path) -> None:
    numbers = [(999_500 + 25.5 * number) % 1_000_000 for number in range(60)]
    rows = "".join(f"{START + timedelta(hours=i)};B1;M-1;{number}\n" for i, number in enumerate(numbers))
    (tmp_path / "meters.csv").write_text(f"ReadAt;Building;MeterNo;Counter [kWh]\n{rows}", encoding="utf-8")
    proposal = inspected(tmp_path)
    (source,), (question,) = proposal.sources, proposal.questions
    assert source.entry["meter"] == "MeterNo"
    assert source.entry["register"] == {"column": "Counter [kWh]", "unit": "kWh", "rolls_over_at": "? 1000000"}
    assert "falls from close to 1,000,000 to close to zero" in question.what
    assert "`rolls_over_at: 1000000`" in question.how


def test_what_may_be_one_is_asked_for(tmp_path: Path) -> None:
    # numbers of two meters that no column names rise and fall
    file = written(tmp_path, "meter_reading_kwh", 1, 2) / "meters.csv"
    lines = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text("\n".join(",".join((*line[:2], line[3])) for line in lines), encoding="utf-8")
    (question,) = inspected(tmp_path).questions
    assert "a counter that goes on" in question.what
    assert "`register: {column: meter_reading_kwh, unit: kWh}`" in question.how
    with pytest.raises(EstateError):
        read_estate(tmp_path)
