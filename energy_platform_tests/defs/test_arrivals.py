"""New data by itself: what a sensor asks for when files come, grow, change, break, or are still being written."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence

import dagster as dg
import pytest

from energy_platform.defs.arrivals import RUN_KEY
from energy_platform.defs.names import key_of, name_of
from energy_platform.defs.partitions import RANGE_END, RANGE_START
from energy_platform.defs.resources import PlatformResource
from energy_platform.settings import get_settings
from energy_platform_tests.defs.runs import LAST, Runs, failures

READINGS, ENERGY = "timeseries/sensor_data", "timeseries/energy_consumption"
ACCOUNTS = ["postgres/users", "postgres/subscriptions", "postgres/billing", "postgres/settings"]
DERIVED = ["postgres/tenants", "postgres/buildings", "postgres/sensors"]
LATE_ROW = (
    "INSERT INTO sensor_readings (timestamp, building_id, sensor_id, sensor_type, value, unit, confidence, status)"
    " SELECT '{time}', building_id, sensor_id, sensor_type, value, unit, confidence, status"
    " FROM sensor_readings ORDER BY id LIMIT 1"
)


class Watcher:
    """One sensor, looked through tick by tick."""

    def __init__(self, runs: Runs, sensor: str) -> None:
        self.runs = runs
        self.sensor = sensor
        self.cursor: str | None = None
        self.reason: str = ""

    def tick(self) -> list[dg.RunRequest]:
        """What it asks for now; its cursor moves as Dagster moves it: not where the tick fails."""
        with dg.build_sensor_context(
            instance=self.runs.instance,
            cursor=self.cursor,
            resources={"platform": PlatformResource(estate=str(self.runs.folder))},
        ) as context:
            result = self.runs.definitions.resolve_sensor_def(self.sensor)(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        reason = result.skip_reason
        self.reason = str(reason.skip_message if isinstance(reason, dg.SkipReason) else reason or "")
        return list(result.run_requests or [])

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """What the daemon does with a request."""
        assert request.asset_selection is not None
        job = self.runs.definitions.resolve_job_def("migrate").get_subset(
            asset_selection=set(request.asset_selection), asset_check_selection=set(request.asset_check_keys or [])
        )
        return job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=self.runs.instance,
            raise_on_error=False,
            tags={**request.tags, RUN_KEY: request.run_key or "", "dagster/sensor_name": self.sensor},
        )


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are taken as they are."""
    monkeypatch.setenv("ENERGY_SETTLE_SECONDS", "0")
    get_settings.cache_clear()


def days(request: dg.RunRequest) -> tuple[str, str]:
    return request.tags[RANGE_START], request.tags[RANGE_END]


def assets(request: dg.RunRequest) -> list[str]:
    return [name_of(key) for key in request.asset_selection or []]


def watcher_after_load(runs: Runs, sensor: str, *assets: str) -> Watcher:
    """A watcher of an estate of which these assets are loaded, and what they need."""
    assert failures(runs.migrate(assets=[*DERIVED, *assets])) == {}
    watcher = Watcher(runs, sensor)
    assert watcher.tick() == []
    return watcher


def settle(watcher: Watcher, requests: Sequence[dg.RunRequest]) -> None:
    """Run what was asked for; afterwards nothing is left to ask for."""
    for request in requests:
        assert watcher.run(request).success
    assert watcher.tick() == []
    assert watcher.tick() == []
    assert watcher.reason.startswith("Nothing new")


@pytest.mark.usefixtures("settled")
def test_a_late_row_reopens_exactly_its_day(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_sensor_data", READINGS, ENERGY)
    assert watcher.reason.startswith("Nothing new. ")
    assert "lag 0 s" in watcher.reason
    runs.sql(LATE_ROW.format(time="2025-05-26 03:04:05"))

    (request,) = watcher.tick()

    assert days(request) == ("2025-05-26", "2025-05-26")
    assert assets(request) == [*DERIVED, READINGS]
    assert {check.name for check in request.asset_check_keys or []} == {"proof"}
    settle(watcher, [request])
    assert {day: count for day, count in runs.events(READINGS).items() if count > 1} == {"2025-05-26": 2}
    assert set(runs.events(ENERGY).values()) == {1}


@pytest.mark.usefixtures("settled")
def test_an_estate_that_was_never_loaded_is_asked_for_as_a_whole_and_each_stretch_is_a_run(runs: Runs) -> None:
    runs.sql("DELETE FROM sensor_readings WHERE timestamp LIKE '2025-05-26%'")
    for_readings = Watcher(runs, "new_sensor_data")

    (whole,) = for_readings.tick()
    assert for_readings.run(whole).success
    assert for_readings.tick() == []
    for day in ("2025-05-24", "2025-05-25", "2025-05-28"):
        runs.sql(LATE_ROW.format(time=f"{day} 03:04:05"))
    requests = for_readings.tick()

    # no row of the estate falls on the 26th: nothing is parted there
    assert days(whole) == ("2025-05-24", "2025-05-29")
    assert [days(request) for request in requests] == [("2025-05-24", "2025-05-25"), ("2025-05-28", "2025-05-28")]
    settle(for_readings, requests)


@pytest.mark.usefixtures("settled")
def test_the_same_is_asked_for_once_with_a_key_that_stays_and_content_that_comes_back_has_another(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_sensor_data", READINGS)
    quiet = watcher.cursor
    runs.sql("UPDATE sensor_readings SET value = value + 1 WHERE timestamp LIKE '2025-05-27%'")
    (first,) = watcher.tick()
    asked = watcher.cursor
    again = watcher.tick()
    watcher.cursor = quiet
    (repeated,) = watcher.tick()
    settle(watcher, [first])
    keys = [first.run_key]
    for change in ("- 1", "+ 1"):
        runs.sql(f"UPDATE sensor_readings SET value = value {change} WHERE timestamp LIKE '2025-05-27%'")
        (request,) = watcher.tick()
        keys.append(request.run_key)
        settle(watcher, [request])

    assert again == []
    assert repeated.run_key == first.run_key
    assert asked != quiet
    assert len(set(keys)) == 3


@pytest.mark.usefixtures("settled")
def test_what_is_under_way_is_waited_for_and_what_failed_is_asked_for_again_after_a_pause(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = watcher_after_load(runs, "new_sensor_data", READINGS)
    # nearly all rows of a day are refused: the run stops before its first write, and what was proven stands
    runs.sql("UPDATE sensor_readings SET value = 1e9 WHERE timestamp LIKE '2025-05-27%'")
    (request,) = watcher.tick()
    assert not watcher.run(request).success
    soon = watcher.tick()
    monkeypatch.setattr("energy_platform.defs.arrivals.seconds_now", lambda: time.time() + 301)
    (later,) = watcher.tick()
    assert not watcher.run(later).success
    after_that = watcher.tick()
    runs.sql("UPDATE sensor_readings SET value = 20.0 WHERE timestamp LIKE '2025-05-27%'")
    (mended,) = watcher.tick()

    assert (soon, after_that) == ([], [])
    assert len({request.run_key, later.run_key, mended.run_key}) == 3
    assert days(request) == days(later) == days(mended) == ("2025-05-27", "2025-05-27")


def test_a_file_that_is_still_written_is_waited_for(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    after_touch = 3600.0
    monkeypatch.setattr("energy_platform.defs.arrivals.seconds_now", lambda: time.time() + after_touch)
    watcher = watcher_after_load(runs, "new_energy_consumption", ENERGY)
    file = runs.folder / "building_data.csv"
    whole = file.read_text(encoding="utf-8")
    further = whole.splitlines()[-1].replace(LAST, "2025-05-25").replace(":00:00", ":17:00") + "\n"

    file.write_text(whole + further[:20], encoding="utf-8")
    after_touch = 0.0
    while_written = watcher.tick()
    reason = watcher.reason
    file.write_text(whole + further, encoding="utf-8")
    after_touch = 11.0
    (request,) = watcher.tick()

    assert while_written == []
    assert reason.startswith("Waits until nobody writes any more")
    assert "building_data.csv" in reason
    assert days(request) == ("2025-05-25", "2025-05-25")
    settle(watcher, [request])


@pytest.mark.usefixtures("settled")
def test_a_replaced_file_asks_for_the_days_that_differ_and_one_only_touched_for_none(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_energy_consumption", ENERGY)
    file = runs.folder / "building_data.csv"
    os.utime(file)
    touched = watcher.tick()
    rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [row for row in rows if "2025-05-28" not in row]
    other = runs.folder.parent / "new.csv"
    other.write_text("".join(kept), encoding="utf-8")
    other.replace(file)

    (request,) = watcher.tick()

    assert touched == []
    assert days(request) == ("2025-05-28", "2025-05-28")


@pytest.mark.usefixtures("settled")
def test_a_failed_read_is_no_empty_file(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_sensor_data", READINGS)
    before = json.loads(watcher.cursor or "{}")["seen"]
    database = runs.folder / "sensor_readings.db"
    kept = database.read_bytes()
    database.write_bytes(b"this is no database" * 100)
    broken = watcher.tick()
    reason = watcher.reason
    cursor = json.loads(watcher.cursor or "{}")
    database.unlink()
    gone = watcher.tick()
    database.write_bytes(kept)

    assert (broken, gone) == ([], [])
    assert reason.startswith("A file cannot be read")
    assert "sensor_readings.db" in reason
    assert {group: mark for group, mark in cursor["seen"].items() if group in before} == before
    assert watcher.tick() == []
    assert watcher.reason.startswith("Nothing new")


@pytest.mark.usefixtures("settled")
def test_tables_are_asked_for_when_their_own_files_change(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_accounts", *ACCOUNTS)
    file = runs.folder / "settings.csv"
    rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(rows[:-1]), encoding="utf-8")

    (request,) = watcher.tick()

    assert assets(request) == [*DERIVED, "postgres/settings"]
    assert RANGE_START not in request.tags


@pytest.mark.usefixtures("settled")
def test_models_are_asked_for_when_a_file_has_come(runs: Runs) -> None:
    watcher = watcher_after_load(runs, "new_models", "models/artifacts", "postgres/models")
    folder = runs.folder / "models"
    known = next(path for path in sorted(folder.rglob("*.pkl")))
    os.utime(known)
    touched = watcher.tick()
    shutil.copy(known, folder / "another.pkl")

    (request,) = watcher.tick()

    assert touched == []
    assert assets(request) == ["postgres/tenants", "models/artifacts", "postgres/models"]
    settle(watcher, [request])
    assert key_of("models/artifacts") in {
        record.asset_key
        for record in runs.instance.fetch_materializations(key_of("models/artifacts"), limit=10).records
    }


def test_sensors_run_by_themselves_and_look_every_half_minute(runs: Runs) -> None:
    sensor = runs.definitions.resolve_sensor_def("new_sensor_data")

    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
