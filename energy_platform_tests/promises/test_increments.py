"""Promise 1: the state depends only on what the sources hold, however they grew and in whatever order it was loaded."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.settings import Settings
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import load

ESTATE = """\
estate: {name}
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {{code: {name}, name: Growing}}
energy:
  - {{csv: power.csv, time: at, building: building, power_kw: kw}}
  - {{sqlite: plant.db, table: power, key: id, time: at, building: building, power_kw: kw}}
alerts:
  - {{sqlite: plant.db, table: alerts, key: id, time: at, sensor: sensor, severity: level, type: kind,
     building: {{from: sensor}}, message: {{const: wet}}}}
tables:
  sensors: {{csv: sensors.csv}}
"""
#: Few places, so that rows meet: the same point twice, with the same and with other content; refused and undated ones.
TIMES = st.sampled_from([f"2025-05-0{day} {hour:02}:30:00" for day in (1, 2, 3) for hour in (0, 12)] + ["soon"])
POWERS = st.tuples(TIMES, st.sampled_from(["B1", "B2", ""]), st.sampled_from(["1.5", "2", "much", "1e9"]))
SENSORS = st.sampled_from(["s1", "s2"])
ALERTS = st.tuples(TIMES, SENSORS)
#: The files that a step lets grow to their next length.
FILES = ("power.csv", "plant.db/power", "plant.db/alerts", "sensors.csv")
_numbers = count()


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, list[Any]], list[dict[str, int]]]:
    """The rows of each file in the end, and how long each was at the loads before."""
    rows: dict[str, list[Any]] = {
        "power.csv": draw(st.lists(POWERS, max_size=8)),
        "plant.db/power": draw(st.lists(POWERS, max_size=6)),
        "plant.db/alerts": draw(st.lists(ALERTS, max_size=4)),
        "sensors.csv": [("s1", "B1"), ("s2", "B2")],
    }
    lengths = dict.fromkeys(rows, 0)
    steps: list[dict[str, int]] = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(FILES))
        lengths = {**lengths, name: draw(st.integers(lengths[name], len(rows[name])))}
        steps.append(lengths)
    return rows, steps


def write(folder: Path, rows: dict[str, list[Any]], lengths: dict[str, int]) -> None:
    """The files as they are when each holds so many of its rows."""
    folder.mkdir(exist_ok=True)
    (folder / "estate.yaml").write_text(ESTATE.format(name=folder.name), encoding="utf-8")
    for name, header in {"power.csv": "at,building,kw", "sensors.csv": "sensor_id,building_id"}.items():
        lines = [header, *(",".join(row) for row in rows[name][: lengths[name]]), ""]
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    with sqlite3.connect(folder / "plant.db") as connection:
        connection.execute("DROP TABLE IF EXISTS power")
        connection.execute("DROP TABLE IF EXISTS alerts")
        connection.execute("CREATE TABLE power (id INTEGER PRIMARY KEY, at TEXT, building TEXT, kw)")
        connection.execute("CREATE TABLE alerts (id INTEGER PRIMARY KEY, at TEXT, sensor TEXT, level TEXT, kind TEXT)")
        power = rows["plant.db/power"][: lengths["plant.db/power"]]
        connection.executemany("INSERT INTO power (at, building, kw) VALUES (?, ?, ?)", power)
        alerts = rows["plant.db/alerts"][: lengths["plant.db/alerts"]]
        connection.executemany("INSERT INTO alerts (at, sensor, level, kind) VALUES (?, ?, 'high', 'leak')", alerts)


def loaded(stores: Settings, folder: Path) -> None:
    load(stores, folder, only="postgres/", max_error_ratio=1.0)
    load(stores, folder, only="timeseries/", max_error_ratio=1.0)


def state_of(stores: Settings, name: str) -> Any:
    """What is in the targets, the quarantine and the accounts, without the name of the estate."""
    ledger = {
        place: (entry["rows"], {source: _counts(part) for source, part in entry["facts"]["accounts"].items()})
        for place, entry in store.ledger_of(stores, name).items()
        if entry["rows"] or entry["facts"]["accounts"]
    }
    points = {
        measurement: sorted((key[1:], sorted(fields.items())) for key, fields in found.items())
        for measurement, found in store.points_in(stores, name).items()
    }
    return points, ledger, sorted(store.quarantine_of(stores, name)), sorted(store.rows_in(stores, "sensors", name))


def _counts(account: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(account[name] for name in ("read", "loaded", "duplicates", "quarantined")), account["reasons"]


@given(histories())
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_into_incremental_loads_gives_the_state_of_one(
    stores: Settings, tmp_path: Path, history: tuple[dict[str, list[Any]], list[dict[str, int]]]
) -> None:
    rows, steps = history
    whole = {name: len(found) for name, found in rows.items()}
    number = next(_numbers)
    once, grown = (tmp_path / f"{kind}_{number}" for kind in ("once", "grown"))
    write(once, rows, whole)
    loaded(stores, once)
    for lengths in [*steps, whole]:
        write(grown, rows, lengths)
        loaded(stores, grown)
    expected, found = (renamed(state_of(stores, folder.name), folder.name) for folder in (once, grown))
    assert found == expected


def renamed(state: Any, name: str) -> Any:
    """The same with one name for the estate."""
    if isinstance(state, dict):
        return {renamed(key, name): renamed(value, name) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return tuple(renamed(item, name) for item in state)
    return state.replace(name, "NAME") if isinstance(state, str) else state


@pytest.mark.parametrize("first", ["2025-05-01", "2025-05-03"])
def test_a_register_that_comes_late_lets_in_what_it_names(stores: Settings, tmp_path: Path, first: str) -> None:
    folder = tmp_path / f"late_register_{first[-1]}"
    rows: dict[str, list[Any]] = {
        "power.csv": [],
        "plant.db/power": [],
        "plant.db/alerts": [(f"{first} 00:30:00", "s1")],
        "sensors.csv": [("s1", "B1")],
    }
    whole = {name: len(found) for name, found in rows.items()}
    write(folder, rows, {**whole, "sensors.csv": 0})
    loaded(stores, folder)
    assert ("plant.db/alerts", "1", "unknown_sensor") in store.quarantine_of(stores, folder.name)
    (folder / "sensors.csv").write_text("sensor_id,building_id\ns1,B1\n", encoding="utf-8")
    loaded(stores, folder)
    assert store.quarantine_of(stores, folder.name) == set()
    assert len(store.points_in(stores, folder.name)["alerts"]) == 1
