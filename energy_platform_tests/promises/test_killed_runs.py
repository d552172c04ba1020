"""Promise 2 in Dagster: a killed run worker, code server or command is noticed, and the next run finishes its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START
from energy_platform.local.stores import start_stores
from energy_platform.settings import NO_SECRET, Settings
from energy_platform_tests.emptying import empty_postgres, empty_redis
from energy_platform_tests.promises.pipeline import ROOT, load, small_estate, variables
from energy_platform_tests.promises.target import ledger_of
from energy_platform_tests.soak.host import Host, opened_host, server_of
from energy_platform_tests.soak.state import State, differences, state_of

TAGS = {RANGE_START: "2025-05-24", RANGE_END: "2025-05-29"}
CONFIG = {"resources": {"limits": {"config": {"max_error_ratio": 0.05}}}}


@pytest.fixture(scope="module")
def settings(start_once: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Stores for one estate, with Dagster's database for it."""
    folder = small_estate(tmp_path_factory.mktemp("killed"), "killed_runs")
    servers = start_once("killed_runs", timeseries="postgres")
    return start_stores(servers.model_copy(update={"estate": folder, "dagster_postgres_url": NO_SECRET}))


@pytest.fixture(scope="module")
def expected(settings: Settings) -> State:
    """The state after a load that nobody killed."""
    load(settings, settings.estate)
    return state_of(settings)


@pytest.fixture
def sign(settings: Settings, expected: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Empty stores, and a file that tells which process has stopped between ledger and event: the first one."""
    empty_postgres(settings)
    empty_redis(settings)
    for name in list(os.environ):
        if name.startswith(("ENERGY_", "DAGSTER_")):
            monkeypatch.delenv(name)
    file = tmp_path / "reached"
    for name, value in variables(settings, settings.estate).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.wipe()
    # after all tables, and the first of the time series
    monkeypatch.setenv("ENERGY_FAILPOINTS", f"ledger_before_event=pause:{file}@13")
    yield file
    file.unlink(missing_ok=True)


def stopped_at(sign: Path) -> int:
    """The process that has stopped between ledger and event, once there is one."""
    deadline = time.monotonic() + 120
    while not sign.exists():
        assert time.monotonic() < deadline, "nobody came by"
        time.sleep(0.02)
    return int(sign.read_text(encoding="ascii"))


def all_is_there(host: Host, settings: Settings, expected: State) -> None:
    """The stores hold what they should, and Dagster shows every partition that the ledger calls proven."""
    assert differences(expected, state_of(settings)) == []
    ledger: dict[str, set[str]] = {}
    for (asset, partition), entry in ledger_of(settings, "killed_runs").items():
        assert entry["proven"]
        if entry["rows"] and partition != "undated":
            ledger.setdefault(asset, set()).add(partition)
    assert host.materialized() == ledger


@pytest.mark.slow
def test_a_killed_run_worker_is_noticed_and_its_run_tried_again(
    settings: Settings, expected: State, sign: Path
) -> None:
    with opened_host() as host:
        run_id = host.launch("migrate", TAGS, CONFIG)
        os.kill(stopped_at(sign), signal.SIGKILL)
        assert host.ended(run_id) is dg.DagsterRunStatus.FAILURE
        assert host.ended(host.retry_of(run_id)) is dg.DagsterRunStatus.SUCCESS
        all_is_there(host, settings, expected)


@pytest.mark.slow
def test_a_run_that_went_with_its_code_server_is_noticed_and_tried_again(
    settings: Settings, expected: State, sign: Path
) -> None:
    with opened_host() as host:
        run_id = host.launch("migrate", TAGS, CONFIG)
        worker = stopped_at(sign)
        for process in (server_of(worker), worker):
            os.kill(process, signal.SIGKILL)
    with opened_host() as host:
        assert host.ended(run_id) is dg.DagsterRunStatus.FAILURE
        assert host.ended(host.retry_of(run_id)) is dg.DagsterRunStatus.SUCCESS
        all_is_there(host, settings, expected)


@pytest.mark.slow
def test_a_killed_command_blocks_no_queue_and_the_next_one_finishes(
    settings: Settings, expected: State, sign: Path
) -> None:
    command = [sys.executable, "-m", "energy_platform.cli.main", "migrate", "--max-error-ratio", "0.05"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        assert stopped_at(sign) == killed.pid
        killed.kill()
    with dg.DagsterInstance.get() as instance:
        (left,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    with opened_host() as host:
        assert host.ended(left.run_id) is dg.DagsterRunStatus.FAILURE
        again = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        assert again.returncode == 0, again.stdout + again.stderr
        all_is_there(host, settings, expected)
