"""Registers of meters all the way into both stores: power as computed by hand, every correction on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from energy_platform.quality.measurements import check_measurement
from energy_platform.quality.subject import Subject
from energy_platform.quality.tables import check_table
from energy_platform.settings import Settings
from energy_platform.transfer.arrivals.days import touched_days
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify

ENERGY = "timeseries/energy_consumption"
CORRECTIONS = "postgres/register_corrections"
ESTATE = """estate: {name}
timezone: UTC
first_day: 2024-05-01
last_day: 2024-05-31
tenant: {{code: {name}, name: Registers}}
energy:
  - csv: meters.csv
    time: when
    building: {{const: B1}}
    meter: meter
    register: {{column: counter, unit: Wh, rolls_over_at: 1000000, longest_gap: 24, highest_kw: 50}}
"""
READINGS = """when,meter,counter
2024-05-01 00:00,M1,990000
2024-05-01 12:00,M1,996000
2024-05-02 00:00,M1,8000
2024-05-02 12:00,M1,x
2024-05-03 00:00,M1,32000
2024-05-03 12:00,M1,3000
2024-05-04 00:00,M1,940000000
2024-05-04 12:00,M1,940006000
2024-05-04 12:00,M1,940006000
2024-05-06 12:00,M1,940018000
2024-05-01 06:00,M2,0
2024-05-01 12:00,M2,3000
"""


def estate(folder: Path, readings: str) -> Path:
    """An estate of one file."""
    folder.mkdir()
    (folder / "estate.yaml").write_text(ESTATE.format(name=folder.name), encoding="utf-8")
    (folder / "meters.csv").write_text(readings, encoding="utf-8")
    return folder


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000_000)


def corrections(settings: Settings, tenant: str) -> list[tuple[Any, ...]]:
    with store.connect(settings) as connection:
        rows = connection.execute(
            "SELECT * FROM energy.register_corrections WHERE tenant_id = %s ORDER BY meter_id, time", [tenant]
        ).fetchall()
    assert {(row["building_id"], row["source"], row["estate"]) for row in rows} <= {("B1", "meters.csv", tenant)}
    names = ("kind", "before_kwh", "after_kwh", "added_kwh")
    return [(row["meter_id"], f"{row['time']:%d %H:%M}", *(row[name] for name in names)) for row in rows]


def loaded_again(reports: Mapping[str, Any]) -> list[str]:
    return [verdict.partition for verdict in reports[ENERGY].verdicts if not verdict.skipped]


@pytest.fixture
def registers(target: Settings, estates: Path) -> tuple[Settings, Path]:
    folder = estates / f"registers_{kind_of(target)}"
    return target, folder if folder.exists() else estate(folder, READINGS)


def test_registers_become_power_and_corrections_a_table(registers: tuple[Settings, Path]) -> None:
    settings, folder = registers
    reports = load(settings, folder, max_error_ratio=0.2)
    account = reports[ENERGY].accounts["meters.csv"]
    assert (account.read, account.loaded, account.duplicates) == (12, 10, 1)
    assert account.reasons == {"not_a_number": 1}
    points = store.points_in(settings, folder.name)["energy_consumption"]
    assert points == {
        (folder.name, "B1", meter, at(f"2024-05-{when}")): {
            "register_kwh": register,
            **({} if power is None else {"power_kw": power}),
        }
        for meter, when, register, power in [
            ("M1", "01 00:00", 990.0, None),
            ("M1", "01 12:00", 996.0, 0.5),
            # 4 kWh up to the rollover, 8 behind it
            ("M1", "02 00:00", 8.0, 1.0),
            # 24 kWh in the 24 hours since the reading before the one that cannot be read
            ("M1", "03 00:00", 32.0, 1.0),
            ("M1", "03 12:00", 3.0, 0.25),
            ("M1", "04 00:00", 940_000.0, None),
            ("M1", "04 12:00", 940_006.0, 0.5),
            ("M1", "06 12:00", 940_018.0, None),
            ("M2", "01 06:00", 0.0, None),
            ("M2", "01 12:00", 3.0, 0.5),
        ]
    }
    assert corrections(settings, folder.name) == [
        ("M1", "02 00:00", "rollover", 996.0, 8.0, 1000.0),
        ("M1", "03 12:00", "reset", 32.0, 3.0, 32.0),
        ("M1", "04 00:00", "exchange", 3.0, 940_000.0, -939_997.0),
        ("M1", "06 12:00", "gap", 940_006.0, 940_018.0, 0.0),
    ]
    found = verify(settings, folder)
    assert found.proved, found.findings
    assert CORRECTIONS in found.assets
    assert reports[CORRECTIONS].proved
    (note,) = reports[CORRECTIONS].warnings
    assert note.startswith("meters.csv: corrections of registers: rollover 1, reset 1, exchange 1, gap 1; ")
    # nothing has changed: nothing is read
    again = load(settings, folder, max_error_ratio=0.2)
    assert loaded_again(again) == []
    assert again[CORRECTIONS].rows_written == 0


STEADY = [f"2024-05-0{day} {hour:02}:00,M{meter},{(day * 24 + hour) * 1000 * meter}" for meter in (1, 2)
          for day in range(1, 7) for hour in (6, 18)]  # fmt: skip


def test_a_changed_reading_reopens_its_day_and_the_next(target: Settings, estates: Path) -> None:
    folder = estate(estates / f"reopened_{kind_of(target)}", "\n".join(["when,meter,counter", *STEADY]))
    first = load(target, folder)
    assert loaded_again(first) == [f"2024-05-0{day}" for day in range(1, 7)]
    points = store.points_in(target, folder.name)["energy_consumption"]
    assert len(points) == 24
    of_meter = {(point[2], fields.get("power_kw")) for point, fields in points.items()}
    assert of_meter == {("M1", None), ("M1", 1.0), ("M2", None), ("M2", 2.0)}
    assert corrections(target, folder.name) == []

    # the last reading of the third day: 90 kWh becomes 84 kWh
    file = folder / "meters.csv"
    file.write_text(file.read_text().replace("2024-05-03 18:00,M1,90000", "2024-05-03 18:00,M1,84000"))
    with opened(target, folder) as platform:
        # what the sensor of new data asks for
        assert touched_days(platform, "energy_consumption") == [date(2024, 5, 3), date(2024, 5, 4)]
    second = load(target, folder)
    assert loaded_again(second) == ["2024-05-03", "2024-05-04"]
    points = store.points_in(target, folder.name)["energy_consumption"]
    changed = {
        point: fields["power_kw"]
        for point, fields in points.items()
        if point[2] == "M1" and fields.get("power_kw") not in (None, 1.0)
    }
    assert changed == {
        (folder.name, "B1", "M1", at("2024-05-03 18:00")): 0.5,
        (folder.name, "B1", "M1", at("2024-05-04 06:00")): 1.5,
    }
    # the only reading of a meter between two days goes: what goes before it is further away
    gone = [line for line in file.read_text().splitlines() if not line.startswith("2024-05-05 06:00,M2")]
    file.write_text("\n".join(gone))
    third = load(target, folder)
    assert loaded_again(third) == ["2024-05-05"]

    # one that fell for a day is on record as long as the file says so
    file.write_text("\n".join(gone).replace("2024-05-05 18:00,M1,138000", "2024-05-05 18:00,M1,6000"))
    assert loaded_again(load(target, folder)) == ["2024-05-05", "2024-05-06"]
    assert corrections(target, folder.name) == [
        ("M1", "05 18:00", "reset", 126.0, 6.0, 126.0),
    ]
    file.write_text("\n".join(gone))
    assert loaded_again(load(target, folder)) == ["2024-05-05", "2024-05-06"]
    assert corrections(target, folder.name) == []


def test_the_records_of_a_file_that_is_gone_stand(target: Settings, estates: Path) -> None:
    folder = estate(estates / f"gone_{kind_of(target)}", READINGS.replace("02 12:00,M1,x", "02 12:00,M1,20000"))
    load(target, folder, max_error_ratio=0.2)
    before = corrections(target, folder.name)
    assert [line[2] for line in before] == ["rollover", "reset", "exchange", "gap"]
    (folder / "meters.csv").rename(folder.parent / f"{folder.name}.csv")
    load(target, folder, only=CORRECTIONS, checked=False)
    assert corrections(target, folder.name) == before


def test_the_checks_of_quality_look_at_registers_and_corrections(target: Settings, estates: Path) -> None:
    folder = estate(estates / f"quality_{kind_of(target)}", READINGS)
    load(target, folder, max_error_ratio=0.2)
    with opened(target, folder) as platform:
        subject = Subject(
            platform.estate,
            platform.postgres,
            platform.timeseries,
            platform.cache,
            platform.objects,
            platform.contract,
            platform.now,
        )
        tables = check_table(subject, "register_corrections")
        points = check_measurement(subject, "energy_consumption", {date(2024, 5, day): 4 for day in range(1, 7)})
    assert {outcome.name for outcome in tables if not outcome.passed} == set()
    assert {outcome.checked for outcome in tables if outcome.name == "key_unique"} == {4}
    assert "register_kwh" in {word for outcome in points for word in (outcome.name, outcome.name.rpartition("_")[0])}
    assert {outcome.name for outcome in points if not outcome.passed and outcome.severity == "error"} == set()
