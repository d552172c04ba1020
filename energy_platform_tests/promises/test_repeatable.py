"""Promise 2: twice is once, killed and run again is never killed, and the order of loads does not matter."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import EnergyPlatformError
from energy_platform.local.influxdb import find_influxd
from energy_platform.local.stores import start_stores, store_status
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.conftest import skip_without
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, small_estate, start_loading, verify


def renamed(state: Any, name: str) -> Any:
    """A state with one name for the estate and its tenant, and without what hangs on names: fingerprints, digests."""
    if isinstance(state, dict):
        return {
            renamed(key, name): renamed(value, name)
            for key, value in state.items()
            if key not in {"fingerprint", "versions", "digests"}
        }
    if isinstance(state, (list, tuple, set)):
        return type(state)(renamed(item, name) for item in state)
    return state.replace(name, "NAME") if isinstance(state, str) else state


def proven_state(settings: Settings, name: str, folder: Path) -> Any:
    """The state of an estate, once it is exactly what the oracle says and every partition is proven."""
    expected = oracle.expected_of(folder, oracle.sample_of(folder))
    state = store.state_of(settings, name, name)
    assert oracle.point_differences(expected.points, state["points"])[:3] == []
    assert [place for place, entry in state["ledger"].items() if not entry["proven"]] == []
    return renamed(state, name)


@pytest.fixture(scope="module")
def once(target: Settings, estates: Path) -> Any:
    """The state after one undisturbed run."""
    name = f"once_{kind_of(target)}"
    folder = small_estate(estates, name)
    load(target, folder)
    return proven_state(target, name, folder)


def test_twice_is_once(target: Settings, estates: Path, once: Any) -> None:
    name = f"twice_{kind_of(target)}"
    folder = small_estate(estates, name)
    load(target, folder)
    again = load(target, folder)
    assert proven_state(target, name, folder) == once
    written = {asset: report.rows_written for asset, report in again.items() if report.rows_written}
    assert all(asset.startswith(("redis/", "models/")) for asset in written), written
    for asset, report in again.items():
        if asset.startswith(("timeseries/", "postgres/")):
            assert all(verdict.skipped for verdict in report.verdicts), asset


def test_forced_twice_is_once(target: Settings, estates: Path, once: Any) -> None:
    name = f"forced_{kind_of(target)}"
    folder = small_estate(estates, name)
    load(target, folder)
    load(target, folder, force=True)
    assert proven_state(target, name, folder) == once


def test_ranges_in_any_order_are_one_run(target: Settings, estates: Path, once: Any) -> None:
    name = f"ranges_{kind_of(target)}"
    folder = small_estate(estates, name)
    days = [date(2025, 5, day) for day in range(24, 30)]
    for first, last in ((days[4], days[5]), (days[1], days[1]), (days[0], days[2]), (days[3], days[3])):
        load(target, folder, days=DayRange(first, last), only="timeseries/")
    load(target, folder)
    assert proven_state(target, name, folder) == once


def test_a_range_loads_its_days_only(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "one_range")
    day = date(2025, 5, 26)
    load(stores, folder, days=DayRange(day, day), only="timeseries/")
    expected = oracle.expected_of(folder, oracle.sample_of(folder))
    found = store.points_in(stores, "one_range")
    for name, days in expected.days.items():
        assert len(found[name]) == days[day.isoformat()], name


def kill_at(settings: Settings, folder: Path, is_time: Callable[[int, str], bool], pause: float = 0.0) -> list[str]:
    """Start loading in a process of its own and kill it -9 at the chosen line; gives the lines until then."""
    process = start_loading(settings, folder)
    lines: list[str] = []
    assert process.stdout is not None
    try:
        for number, line in enumerate(process.stdout):
            lines.append(line.strip())
            if is_time(number, line):
                time.sleep(pause)
                break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
    return lines


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_is_never_killed(target: Settings, estates: Path, once: Any) -> None:
    name = f"killed_{kind_of(target)}"
    folder = small_estate(estates, name)
    moments = random.Random(11)
    killed_while_loading = 0
    for line in (12, 16, 20, 24):
        lines = kill_at(
            settings=target, folder=folder, is_time=lambda n, _, line=line: n == line, pause=moments.random() / 5
        )
        killed_while_loading += "done" not in lines
    assert killed_while_loading >= 2, "the process was too quick to be killed"
    load(target, folder)
    assert proven_state(target, name, folder) == once


@pytest.mark.slow
def test_killed_between_write_and_ledger_the_day_is_not_proven(target: Settings, estates: Path, once: Any) -> None:
    name = f"unproven_{kind_of(target)}"
    folder = small_estate(estates, name)
    lines = kill_at(target, folder, lambda _, line: line.startswith("writing") and "sensor_data" in line)
    assert "done" not in lines
    entries = store.ledger_of(target, name)
    held = store.points_in(target, name)["sensor_data"]
    zone = oracle.ZoneInfo("Asia/Seoul")
    proven = {day for (asset, day), entry in entries.items() if asset == "timeseries/sensor_data" and entry["proven"]}
    # what the ledger calls proven stands in the target, whatever was under way
    counts: dict[str, int] = {}
    for point in held:
        day = (oracle.EPOCH + oracle.timedelta(microseconds=point[-1])).astimezone(zone).date().isoformat()
        counts[day] = counts.get(day, 0) + 1
    for day in proven - {"undated"}:
        assert counts[day] == entries["timeseries/sensor_data", day]["rows"]
    load(target, folder)
    assert proven_state(target, name, folder) == once


def test_two_runs_on_the_same_days_at_once(target: Settings, estates: Path, once: Any) -> None:
    name = f"at_once_{kind_of(target)}"
    folder = small_estate(estates, name)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(load, target, folder) for _ in range(2)]
        reports = [run.result(timeout=120) for run in runs]
    assert proven_state(target, name, folder) == once
    for asset in ("timeseries/sensor_data", "timeseries/energy_consumption"):
        assert sorted(report[asset].rows_written > 0 for report in reports) == [False, True], asset


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["postgres", "redis", "timeseries"])
def test_a_store_killed_under_a_load_is_started_and_run_again(
    start_once: Callable[..., Settings], estates: Path, victim: str
) -> None:
    if find_influxd(Settings()) is None:
        skip_without("influxd (make influxd builds it)")
    settings = start_once("killed", timeseries="influxdb")
    name = f"server_{victim}"
    folder = small_estate(estates, name)
    (pid,) = [status.pid for status in store_status(settings) if status.name == victim]
    assert pid is not None
    # the moment at which each store is at work
    moment = {"postgres": "timeseries/energy_consumption", "redis": "redis/latest", "timeseries": "writing"}[victim]
    # nobody starts it again while the load waits for it
    process = start_loading(settings, folder, ENERGY_INFLUX_PATIENCE_SECONDS="2")
    output = watch_and_kill(
        process, pid, lambda line: line.startswith(moment) and (victim != "timeseries" or "sensor" in line)
    )
    assert process.returncode != 0, output
    assert "Error" in output
    again = start_stores(settings)
    load(again, folder)
    proven_state(again, name, folder)
    assert verify(again, folder).findings == []


def watch_and_kill(process: subprocess.Popen[str], victim: int, is_time: Callable[[str], bool]) -> str:
    """Kill -9 a server when the loading process prints the line; gives all that it printed."""
    lines: list[str] = []
    watchdog = threading.Timer(150, process.kill)
    watchdog.start()
    assert process.stdout is not None
    try:
        killed = False
        for line in process.stdout:
            lines.append(line)
            if not killed and is_time(line):
                os.kill(victim, signal.SIGKILL)
                killed = True
        process.wait(timeout=30)
    finally:
        watchdog.cancel()
        process.stdout.close()
    return "".join(lines)


def test_an_error_is_raised_where_a_store_is_gone(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "gone")
    away = stores.model_copy(
        update={"postgres_url": type(stores.postgres_url)("postgresql://nobody@127.0.0.1:1/energy")}
    )
    with pytest.raises(EnergyPlatformError, match=r"127\.0\.0\.1"):
        load(away, folder)
