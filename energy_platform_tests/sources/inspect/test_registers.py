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


def test_what_may_be_one_is_asked_for(tmp_path: Path) -> None:
    # numbers of two meters rise and fall
    (question,) = inspected(written(tmp_path, "meter_reading_kwh", 1, 2)).questions
    assert "a counter that goes on" in question.what
    assert "`register: {column: meter_reading_kwh, unit: kWh}`" in question.how
    with pytest.raises(EstateError):
        read_estate(tmp_path)
