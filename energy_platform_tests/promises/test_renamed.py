"""What is called otherwise now: a tenant, a building, a column. What stands under the old name is found and removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.domain.errors import EstateError
from energy_platform.settings import Settings
from energy_platform.transfer.repair import remove, unaccounted
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify
from energy_platform_tests.promises.target import keys_of, points_in, rows_in

ESTATE = """
estate: {name}
timezone: Asia/Seoul
first_day: 2024-01-01
last_day: open
tenant: {{code: {name}, name: Ours}}
readings:
  - {{csv: rooms.csv, tenant: {{column: company}}, time: when, building: building, sensor: sensor, type: type,
     value: value}}
tables:
  users: {{csv: users.csv, tenant: {{column: company}}, user_id: id, email: mail, name: other}}
"""
ROOMS = "company,when,building,sensor,type,value\n{company},2025-01-01 00:00,{building},S1,temperature,21.5\n"
USERS = "company,id,mail,other\n{company},1,one@here.example,One\n"


@pytest.fixture
def folder(request: pytest.FixtureRequest, target: Settings, tmp_path: Path) -> Path:
    name = f"named_{kind_of(target)}_{request.node.originalname[-12:]}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "estate.yaml").write_text(ESTATE.format(name=name))
    write(folder, "old", "B1")
    return folder


def write(folder: Path, company: str, building: str) -> None:
    (folder / "rooms.csv").write_text(ROOMS.format(company=f"{folder.name}_{company}", building=building))
    (folder / "users.csv").write_text(USERS.format(company=f"{folder.name}_{company}"))


def loaded(settings: Settings, folder: Path) -> set[str]:
    """Load all; the assets that are not proven."""
    return {asset for asset, report in load(settings, folder).items() if not report.proved}


def repaired(settings: Settings, folder: Path) -> dict[str, int]:
    """Remove what nobody accounts for: how much of which asset."""
    with opened(settings, folder) as platform:
        items = unaccounted(platform)
        remove(platform, items)
    return {item.asset: item.points.height for item in items}


def test_what_a_tenant_left_under_its_old_code_is_found_and_removed(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    write(folder, "new", "B1")
    left = {
        "postgres/tenants": 1,
        "postgres/buildings": 1,
        "postgres/sensors": 1,
        "postgres/users": 1,
        "timeseries/sensor_data": 1,
    }
    assert loaded(target, folder) == set(left)
    assert {finding.asset for finding in verify(target, folder).findings} == set(left)
    assert repaired(target, folder) == left
    assert loaded(target, folder) == set()
    assert verify(target, folder).findings == []
    old, new = f"{folder.name}_old", f"{folder.name}_new"
    assert points_in(target, old)["sensor_data"] == {}
    assert rows_in(target, "users", old) == {}
    assert len(points_in(target, new)["sensor_data"]) == len(rows_in(target, "users", new)) == 1
    assert keys_of(target, old) == {}
    assert list(keys_of(target, new)) == [f"latest:building:{{{new}:B1}}"]


def test_a_building_that_is_called_otherwise_leaves_no_key_behind(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    write(folder, "old", "B2")
    assert loaded(target, folder) == {"postgres/buildings", "timeseries/sensor_data"}
    assert repaired(target, folder) == {"postgres/buildings": 1, "timeseries/sensor_data": 1}
    assert loaded(target, folder) == set()
    assert verify(target, folder).findings == []
    tenant = f"{folder.name}_old"
    assert list(keys_of(target, tenant)) == [f"latest:building:{{{tenant}:B2}}"]


def test_a_table_follows_what_the_estate_file_says_of_its_columns(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    text = (folder / "estate.yaml").read_text()
    changed = text.replace("email: mail, name: other", "email: other, name: mail").replace("name: Ours", "name: Theirs")
    (folder / "estate.yaml").write_text(changed)
    reports = load(target, folder)
    assert all(report.proved for report in reports.values())
    assert reports["postgres/users"].rows_written == reports["postgres/tenants"].rows_written == 1
    (user,) = rows_in(target, "users", f"{folder.name}_old").values()
    assert (user["email"], user["name"]) == ("One", "one@here.example")
    (tenant,) = rows_in(target, "tenants", folder.name).values()
    assert tenant["name"] == "Theirs"
    assert verify(target, folder).findings == []
    assert load(target, folder)["postgres/users"].verdicts[0].skipped


def test_the_zone_is_fixed_once_data_is_loaded(target: Settings, folder: Path) -> None:
    assert loaded(target, folder) == set()
    text = (folder / "estate.yaml").read_text()
    (folder / "estate.yaml").write_text(text.replace("Asia/Seoul", "Europe/Berlin"))
    with pytest.raises(EstateError, match=r"fixed once data is loaded.*Asia/Seoul"):
        load(target, folder)
    with pytest.raises(EstateError, match="timezone: Asia/Seoul"):
        verify(target, folder)
    (folder / "estate.yaml").write_text(text)
    assert loaded(target, folder) == set()
    assert verify(target, folder).findings == []
