"""Files that hold something else than they did, though size, time, inode and change counter are the same."""

from __future__ import annotations

import os
import sqlite3
from datetime import date
from pathlib import Path

import pytest

from energy_platform.settings import Settings
from energy_platform.transfer.timeseries.load import days_with_data
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify
from energy_platform_tests.promises.target import points_in, rows_in

ESTATE = """
estate: {name}
timezone: UTC
first_day: 2024-01-01
last_day: open
tenant: {{code: {name}, name: Ours}}
energy:
  - {{csv: power.csv, time: when, building: building, power_kw: kw}}
readings:
  - {{sqlite: plant.db, table: readings, key: id, time: at, building: building, sensor: sensor, type: type,
     value: value}}
alerts:
  - {{csv: alerts.csv, time: when, sensor: sensor, severity: level, type: kind, message: message,
     building: {{from: sensor}}}}
tables:
  sensors: {{csv: sensors.csv}}
"""
POWER, READINGS, ALERTS = "timeseries/energy_consumption", "timeseries/sensor_data", "timeseries/alerts"


@pytest.fixture
def folder(request: pytest.FixtureRequest, target: Settings, tmp_path: Path) -> Path:
    name = f"same_{kind_of(target)}_{request.node.originalname[-12:]}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "estate.yaml").write_text(ESTATE.format(name=name))
    (folder / "power.csv").write_text(
        "when,building,kw\n2025-01-01 05:00,B1,1\n2025-01-02 05:00,B1,2\nnot-a-date-here!,B1,3\n"
    )
    (folder / "alerts.csv").write_text("when,sensor,level,kind,message\n2025-01-01 06:00,S1,high,leak,wet\n")
    (folder / "sensors.csv").write_text("sensor_id,building_id\nS1,B1\n")
    with sqlite3.connect(folder / "plant.db") as database:
        database.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, at, building, sensor, type, value)")
        database.execute("INSERT INTO readings VALUES (1, '2025-01-01 07:00', 'B1', 'S1', 'temperature', '20.5')")
    database.close()
    return folder


def overwrite(path: Path, before: bytes, after: bytes) -> None:
    """Write into a file so that nothing of its status tells."""
    status = path.stat()
    content = path.read_bytes()
    assert content.count(before) == 1
    assert len(before) == len(after)
    with path.open("r+b") as stream:
        stream.write(content.replace(before, after))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def found_wrong(settings: Settings, folder: Path) -> set[tuple[str, str]]:
    return {(finding.asset, finding.partition) for finding in verify(settings, folder).findings}


def loaded(settings: Settings, folder: Path) -> set[str]:
    """Load all; the assets that are not proven."""
    return {asset for asset, report in load(settings, folder, max_error_ratio=1.0).items() if not report.proved}


def test_a_value_that_was_written_over_is_found_by_verify_and_loaded_then(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    assert found_wrong(target, folder) == set()
    overwrite(folder / "power.csv", b"B1,1\n", b"B1,7\n")
    overwrite(folder / "plant.db", b"20.5", b"21.5")
    assert found_wrong(target, folder) == {(POWER, "2025-01-01"), (READINGS, "2025-01-01")}
    assert loaded(target, folder) == set()
    assert found_wrong(target, folder) == set()
    points = points_in(target, folder.name)
    assert {fields["power_kw"] for fields in points["energy_consumption"].values()} == {7.0, 2.0}
    assert [fields["value"] for fields in points["sensor_data"].values()] == [21.5]


def test_a_row_that_comes_to_a_day_of_its_own_is_loaded(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    overwrite(folder / "power.csv", b"not-a-date-here!", b"2025-01-09 05:00")
    assert found_wrong(target, folder) == {(POWER, "2025-01-09")}
    with opened(target, folder) as platform:
        # what a nightly run asks for
        assert days_with_data(platform)[POWER] == [date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 9)]
    assert loaded(target, folder) == set()
    assert found_wrong(target, folder) == set()
    assert len(points_in(target, folder.name)["energy_consumption"]) == 3


def test_a_register_that_was_written_over_is_not_taken_for_what_it_was(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    overwrite(folder / "sensors.csv", b"S1,B1", b"S1,B2")
    assert found_wrong(target, folder) == {
        ("postgres/buildings", "all"),
        ("postgres/sensors", "all"),
        (ALERTS, "2025-01-01"),
    }
    # the old alert stands until a person removes it
    assert loaded(target, folder) == {ALERTS}
    (sensor,) = rows_in(target, "sensors", folder.name).values()
    assert sensor["building_id"] == "B2"
    assert {key[1] for key in points_in(target, folder.name)["alerts"]} == {"B1", "B2"}
