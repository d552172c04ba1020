"""Corrections at the source leave points that nothing accounts for: they are listed, and removed when told to."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from energy_platform.settings import Settings
from energy_platform.transfer.repair import remove, unaccounted
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify

ESTATE = """\
estate: {name}
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {{code: {name}, name: Repaired}}
energy:
  - {{sqlite: plant.db, table: power, key: id, time: at, building: building, power_kw: kw, occupancy: people,
     extra: {{flow: flow}}}}
tables:
  settings: {{csv: settings.csv}}
"""
ENERGY = "timeseries/energy_consumption"

#: What a person changes at the source, and which points of the hour 5 on the second day are left over.
CORRECTIONS: dict[str, tuple[str, int]] = {
    "a value": ("UPDATE power SET kw = 99 WHERE id = 30", 0),
    "a row deleted": ("DELETE FROM power WHERE id = 30", 1),
    "a time": ("UPDATE power SET at = '2025-05-03 05:15:00' WHERE id = 30", 1),
    "an identity": ("UPDATE power SET building = 'B7' WHERE id = 30", 1),
    "a day deleted": ("DELETE FROM power WHERE at LIKE '2025-05-02%'", 24),
}


def estate(folder: Path, name: str) -> Path:
    folder = folder / name
    folder.mkdir()
    (folder / "estate.yaml").write_text(ESTATE.format(name=name), encoding="utf-8")
    (folder / "settings.csv").write_text("name,value\na,1\nb,2\n", encoding="utf-8")
    rows = [(f"2025-05-0{day} {hour:02}:00:00", "B1", hour / 2, 3.0) for day in (1, 2, 3) for hour in range(24)]
    with sqlite3.connect(folder / "plant.db") as connection:
        columns = "id INTEGER PRIMARY KEY, at TEXT, building TEXT, kw REAL, people REAL, flow REAL"
        connection.execute(f"CREATE TABLE power ({columns})")
        connection.executemany("INSERT INTO power (at, building, kw, people) VALUES (?, ?, ?, ?)", rows)
    return folder


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_what_a_correction_leaves_is_listed_and_removed(
    timeseries_settings: Settings, tmp_path: Path, correction: str
) -> None:
    statement, left = CORRECTIONS[correction]
    name = f"repair_{kind_of(timeseries_settings)}_{correction.replace(' ', '_')}"
    folder = estate(tmp_path, name)
    load(timeseries_settings, folder, only=("postgres/", "timeseries/"))  # pyright: ignore[reportArgumentType]
    with sqlite3.connect(folder / "plant.db") as connection:
        connection.execute(statement)

    load(timeseries_settings, folder, only=("postgres/", "timeseries/"))  # pyright: ignore[reportArgumentType]
    findings = [finding for finding in verify(timeseries_settings, folder).findings if finding.asset == ENERGY]
    assert [finding.partition for finding in findings] == (["2025-05-02"] if left else [])
    with opened(timeseries_settings, folder) as platform:
        items = unaccounted(platform)
        doubted = unaccounted(platform, {finding.asset: {finding.partition} for finding in findings})
        assert [(item.asset, item.points.height) for item in items] == ([(ENERGY, left)] if left else [])
        assert [item.points.height for item in doubted] == [item.points.height for item in items]
        for item in items:
            shown = item.identities()
            assert set(shown.columns) == {"tenant_id", "building_id", "meter_id", "time"}
            assert set(shown.get_column("building_id")) == {"B1"}
        assert remove(platform, items) == left
    assert all(report.proved for report in load(timeseries_settings, folder, only="timeseries/").values())
    assert [f for f in verify(timeseries_settings, folder).findings if f.asset == ENERGY] == []
    with sqlite3.connect(folder / "plant.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM power").fetchone()
    assert len(store.points_in(timeseries_settings, name)["energy_consumption"]) == count


@pytest.mark.parametrize("gone", [False, True])
def test_rows_of_tables_are_removed_but_not_of_a_source_that_is_gone(
    stores: Settings, tmp_path: Path, gone: bool
) -> None:
    folder = estate(tmp_path, f"repair_table_{gone}".lower())
    load(stores, folder, only="postgres/")
    (folder / "settings.csv").write_text("name,value\na,1\n", encoding="utf-8")
    if gone:
        (folder / "settings.csv").unlink()
    with opened(stores, folder) as platform:
        items = unaccounted(platform)
        found = [item.identities().rows() for item in items if item.asset == "postgres/settings"]
        assert found == ([] if gone else [[(folder.name, "b")]])
        assert remove(platform, [item for item in items if item.asset == "postgres/settings"]) == len(found)
    left = {key[1] for key in store.rows_in(stores, "settings", folder.name)}
    assert left == ({"a", "b"} if gone else {"a"})


def test_what_nobody_feeds_is_listed_too(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "repair_unfed")
    load(stores, folder, only=("postgres/", "timeseries/"))  # pyright: ignore[reportArgumentType]
    store.execute(
        stores,
        "INSERT INTO timeseries.predictions (tenant_id, building_id, model, lead_days, time, power_kw)"
        " VALUES ('repair_unfed', 'B1', 'm', '1', '2025-05-02T00:00:00Z', 1)",
    )
    assert [f.asset for f in verify(stores, folder).findings if f.asset == "timeseries/predictions"]
    with opened(stores, folder) as platform:
        items = unaccounted(platform)
        assert [(item.asset, item.points.height) for item in items] == [("timeseries/predictions", 1)]
        assert remove(platform, items) == 1
    assert [f.asset for f in verify(stores, folder).findings if f.asset == "timeseries/predictions"] == []
