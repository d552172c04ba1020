"""Samples are the same for the same options, whole or not at all, and of any size."""

from __future__ import annotations

import csv
import json
import pickle
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from energy_platform.domain.errors import EnergyPlatformError, EstateError, UsageError
from energy_platform.sample import generate
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.registers import FEATURES

SMALL = SampleOptions(buildings=2, days=5)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(folder: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(f"file:{folder / 'sensor_readings.db'}?mode=ro", uri=True)) as database:
        return {
            table: database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("sensor_readings", "sensor_status", "alerts")
        }


def test_the_same_options_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, options in (("a", SMALL), ("b", SMALL), ("c", replace(SMALL, seed=2))):
        make_sample(tmp_path / name, options)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert rows_of(tmp_path / "a")["sensor_readings"] != rows_of(tmp_path / "c")["sensor_readings"]


def test_it_holds_what_its_estate_file_maps_and_every_column_is_accounted_for(tmp_path: Path) -> None:
    make_sample(tmp_path, SMALL)
    estate = yaml.safe_load((tmp_path / "estate.yaml").read_text(encoding="utf-8"))
    assert (estate["first_day"], estate["last_day"]) == (date(2025, 5, 25), date(2025, 5, 29))
    sources = [*estate["readings"], *estate["energy"], *estate["alerts"], *estate["tables"].values()]
    files = {source.get("sqlite") or source.get("csv") or source.get("json") for source in sources}
    assert files | {"models", "estate.yaml"} | set(estate["ignore"]) == {path.name for path in tmp_path.iterdir()}
    settings = {"sqlite", "csv", "json", "table", "at", "ignore"}
    for source in sources:
        columns = {value for role, value in source.items() if role not in settings and isinstance(value, str)}
        columns |= {value["column"] for value in source.values() if isinstance(value, dict) and "column" in value}
        columns |= set(source.get("ignore", {}))
        assert columns == columns_in(tmp_path, source), source


def columns_in(folder: Path, source: dict[str, Any]) -> set[str]:
    if "csv" in source:
        with (folder / source["csv"]).open(encoding="utf-8", newline="") as stream:
            return set(next(csv.reader(stream)))
    if "sqlite" in source:
        with closing(sqlite3.connect(f"file:{folder / source['sqlite']}?mode=ro", uri=True)) as database:
            return {row[1] for row in database.execute(f"PRAGMA table_info({source['table']})")}
    groups = json.loads((folder / source["json"]).read_text(encoding="utf-8"))[source["at"]]
    columns = {"@group"}
    for sensor in (sensor for group in groups.values() for sensor in group):
        thresholds = sensor.pop("thresholds")
        columns |= set(sensor) | {f"thresholds.{name}" for name in thresholds}
    return columns


def test_accounts_are_those_of_the_files(tmp_path: Path) -> None:
    made = make_sample(tmp_path, SMALL)
    counts = {f"sensor_readings.db/{table}": len(rows) for table, rows in rows_of(tmp_path).items()}
    for path in tmp_path.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            counts[path.name] = sum(1 for _ in csv.reader(stream)) - 1
    counts["sensor_config.json/sensors"] = 8
    assert {source: account.read for source, account in made.accounts.items()} == counts
    assert made.size_bytes == sum(len(content) for content in files_of(tmp_path).values())


def test_registers_are_consistent_with_the_data(tmp_path: Path) -> None:
    make_sample(tmp_path, replace(SMALL, flaws=False))
    tables = rows_of(tmp_path)
    last = {row[1]: (row[5], row[3]) for row in sorted(tables["sensor_readings"], key=lambda row: row[5])}
    assert {row[0]: (row[4], row[3]) for row in tables["sensor_status"]} == last
    energy: dict[str, float] = {}
    with (tmp_path / "building_data.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            energy[row["building_id"]] = energy.get(row["building_id"], 0.0) + float(row["power_consumption"])
    with (tmp_path / "billing.csv").open(encoding="utf-8", newline="") as stream:
        billed = {row["building_id"]: float(row["energy_kwh"]) for row in csv.DictReader(stream)}
    assert billed == pytest.approx(energy, abs=0.01)
    with (tmp_path / "users.csv").open(encoding="utf-8", newline="") as stream:
        users = list(csv.DictReader(stream))
    assert all(user["email"].endswith("@example.com") for user in users)
    assert all(user["password_hash"].startswith("$argon2id$v=19$") for user in users)
    scores = (tmp_path / "model_performance.csv").read_text(encoding="utf-8")
    assert scores.startswith(",RMSE,MAE,R2,MAPE,")
    assert ",inf," in scores


def test_models_are_a_dictionary_of_arrays_and_what_scikit_learn_has_fitted(tmp_path: Path) -> None:
    make_sample(tmp_path, SMALL)
    model = pickle.loads((tmp_path / "models" / "Seasonal_Naive.pkl").read_bytes())
    assert model["kind"] == "seasonal-naive"
    assert model["weekly_profile_kw"].shape == (168,)
    assert np.isfinite(model["weekly_profile_kw"]).all()
    scaler = pickle.loads((tmp_path / "models" / "scaler.pkl").read_bytes())
    regression = pickle.loads((tmp_path / "models" / "Ridge_Regression.pkl").read_bytes())
    assert tuple(scaler.feature_names_in_) == tuple(regression.feature_names_in_) == FEATURES
    average = scaler.transform(scaler.mean_.reshape(1, -1))
    assert np.array_equal(average, np.zeros((1, len(FEATURES))))
    assert regression.predict(average) == pytest.approx(model["weekly_profile_kw"].mean(), abs=0.01)
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "Ridge_Regression.pkl",
        "Seasonal_Naive.pkl",
        "scaler.pkl",
    ]


def test_many_buildings_make_many_blocks(tmp_path: Path) -> None:
    made = make_sample(tmp_path, SampleOptions(buildings=30, days=2, interval_minutes=1))
    tables = rows_of(tmp_path)
    assert {row[8] for row in tables["sensor_readings"]} == {f"B{number:03d}" for number in range(1, 31)}
    assert [row[0] for row in tables["sensor_readings"]] == list(range(1, len(tables["sensor_readings"]) + 1))
    assert made.accounts["building_data.csv"].loaded > 30 * 48 * 0.99


def test_memory_does_not_grow_with_the_days(tmp_path: Path) -> None:
    peaks = []
    make_sample(tmp_path / "first", SMALL)  # imports what the others need too
    for days in (10, 80):
        tracemalloc.start()
        make_sample(tmp_path / str(days), SampleOptions(buildings=10, days=days))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_progress_is_told_after_every_day(tmp_path: Path) -> None:
    told: list[int] = []
    make_sample(tmp_path, SMALL, on_day=told.append)
    assert told == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (SampleOptions(buildings=0), "--buildings"),
        (SampleOptions(buildings=20_001), "--buildings"),
        (SampleOptions(days=0), "--days"),
        (SampleOptions(seed=-1), "--seed"),
        (SampleOptions(interval_minutes=7), "--interval-minutes"),
        (SampleOptions(interval_minutes=0), "--interval-minutes"),
        (SampleOptions(first_day=datetime.now(UTC).date()), "--start"),
        (SampleOptions(first_day=date(1999, 1, 1)), "--start"),
        (SampleOptions(estate="Not a code"), "--estate"),
        (SampleOptions(timezone="Mars/Olympus"), "timezone"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options: SampleOptions, where: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, EstateError)) as caught:
        make_sample(tmp_path / "estate", options)
    assert caught.value.where == where
    assert caught.value.exit_code == 2
    assert not (tmp_path / "estate").exists()


def test_a_folder_with_files_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not empty.*--force"):
        make_sample(tmp_path, SMALL)
    assert files_of(tmp_path) == {"notes.txt": b"mine"}


def test_force_replaces_the_sample_and_nothing_else(tmp_path: Path) -> None:
    make_sample(tmp_path / "fresh", SMALL)
    old = tmp_path / "old"
    make_sample(old, replace(SMALL, seed=9))
    (old / "notes.txt").write_text("mine")
    (old / "sensor_readings.db-wal").write_bytes(b"left over")
    make_sample(old, SMALL, force=True)
    assert files_of(old) == {**files_of(tmp_path / "fresh"), "notes.txt": b"mine"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "estate").write_text("")
    with pytest.raises(UsageError, match="a file, not a folder"):
        make_sample(tmp_path / "estate", SMALL)


def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path) -> None:
    make_sample(tmp_path, replace(SMALL, seed=9))
    before = files_of(tmp_path)

    def interrupt(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path, SMALL, force=True, on_day=interrupt)
    assert files_of(tmp_path) == before
    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "new", SMALL, on_day=interrupt)
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_said_to_be_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "write_tables", full)
    with pytest.raises(EnergyPlatformError, match="disk is full") as caught:
        make_sample(tmp_path / "new", SMALL)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "new").exists()
