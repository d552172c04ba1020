"""Files that are gone: what only they spoke of stands, in tables that follow from the data too."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.settings import Settings
from energy_platform_tests.promises.pipeline import kind_of, load, verify
from energy_platform_tests.promises.target import Row, connect, execute

ESTATE = """
estate: {name}
timezone: Asia/Seoul
first_day: 2024-01-01
last_day: open
tenant: {{code: {name}, name: Ours}}
energy:
  - {{csv: "meters/*.csv", tenant: {{column: company}}, time: when, building: building, power_kw: kw}}
readings:
  - {{csv: "rooms/*.csv", tenant: {{column: company}}, time: when, building: building, sensor: sensor, type: type,
     value: value, unit: unit}}
"""
METERS = "company,when,building,kw\n{company},2025-01-0{day} 00:00:00,{building},1.5\n"
ROOMS = (
    "company,when,building,sensor,type,value,unit\n"
    "{company},2025-01-0{day} 00:00:00,{building},S{building},temperature,21.5,C\n"
)


@pytest.fixture
def folder(request: pytest.FixtureRequest, target: Settings, tmp_path: Path) -> Path:
    name = f"gone_{kind_of(target)}_{request.node.originalname[-12:]}"
    folder = tmp_path / name
    for kind, text in (("meters", METERS), ("rooms", ROOMS)):
        (folder / kind).mkdir(parents=True)
        for day, building in enumerate(("B1", "B2", "B3"), start=1):
            content = text.format(company=f"{name}_{building.lower()}", day=day, building=building)
            (folder / kind / f"{building}.csv").write_text(content)
    (folder / "estate.yaml").write_text(ESTATE.format(name=name))
    return folder


def registers(settings: Settings, estate: str) -> dict[str, list[Row]]:
    """What the tables that follow from the data hold for an estate, without what says when."""
    with connect(settings) as connection:
        return {
            table: sorted(
                connection.execute(f"SELECT * FROM energy.{table} WHERE estate = %s", [estate]).fetchall(), key=repr
            )
            for table in ("tenants", "buildings", "sensors")
        }


def test_tenants_buildings_and_sensors_of_files_that_are_gone_stand(target: Settings, folder: Path) -> None:
    load(target, folder)
    before = registers(target, folder.name)
    assert [len(rows) for rows in before.values()] == [4, 3, 3]
    (folder / "meters" / "B3.csv").unlink()
    (folder / "rooms" / "B3.csv").unlink()
    assert verify(target, folder).findings == []
    reports = load(target, folder)
    assert all(report.proved for report in reports.values())
    assert registers(target, folder.name) == before
    report = verify(target, folder)
    assert report.findings == []
    assert sorted(set(report.warnings)) == [
        "meters/B3.csv is retired: the file is gone, its last proven figures stand.",
        "rooms/B3.csv is retired: the file is gone, its last proven figures stand.",
    ]


def test_what_no_source_ever_spoke_of_is_told_though_a_file_is_gone(target: Settings, folder: Path) -> None:
    load(target, folder)
    (folder / "meters" / "B3.csv").unlink()
    tenant = f"{folder.name}_b1"
    execute(
        target,
        "INSERT INTO energy.buildings (tenant_id, building_id, estate) VALUES (%s, 'B9', %s)",
        tenant,
        folder.name,
    )
    assert [(found.asset, found.partition) for found in verify(target, folder).findings] == [
        ("postgres/buildings", "all")
    ]
