"""Promise 2: twice is once, and the order of loads does not matter; see test_killed.py for what is killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import EnergyPlatformError
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, small_estate


def renamed(state: Any, name: str) -> Any:
    """A state with one name for the estate and its tenant, without what hangs on names: hashes."""
    if isinstance(state, dict):
        return {
            renamed(key, name): renamed(value, name)
            for key, value in state.items()
            if key not in {"fingerprint", "versions", "digests", "meaning"}
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


def test_two_runs_on_the_same_days_at_once(target: Settings, estates: Path, once: Any) -> None:
    name = f"at_once_{kind_of(target)}"
    folder = small_estate(estates, name)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(load, target, folder) for _ in range(2)]
        reports = [run.result(timeout=120) for run in runs]
    assert proven_state(target, name, folder) == once
    for asset in ("timeseries/sensor_data", "timeseries/energy_consumption"):
        assert sorted(report[asset].rows_written > 0 for report in reports) == [False, True], asset


def test_an_error_is_raised_where_a_store_is_gone(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "gone")
    away = stores.model_copy(
        update={"postgres_url": type(stores.postgres_url)("postgresql://nobody@127.0.0.1:1/energy")}
    )
    with pytest.raises(EnergyPlatformError, match=r"127\.0\.0\.1"):
        load(away, folder)
