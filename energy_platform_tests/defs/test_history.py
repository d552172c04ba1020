"""Weekly maintenance: old runs go, and no status changes, in a real PostgreSQL as in SQLite."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from psycopg import sql

from energy_platform.defs.maintenance import history
from energy_platform.defs.maintenance.history import history_asset, prune, runs_with_a_status, statuses_of
from energy_platform.defs.partitions import RANGE_END, RANGE_START
from energy_platform.domain.errors import ProofError
from energy_platform.local.credentials import load_credentials
from energy_platform.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-01-11")
BY_DAY, WHOLE = dg.AssetKey("by_day"), dg.AssetKey("whole")
SOON = timedelta(hours=1)


@pytest.fixture(params=["postgres", "sqlite"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance over each storage."""
    if request.param == "sqlite":
        with dg.instance_for_test(temp_dir=str(tmp_path)) as made:
            yield made
        return
    stores: Settings = request.getfixturevalue("stores")
    url = stores.dagster_postgres_url.get_secret_value()
    name = f"dagster_history_{os.getpid()}_{time.monotonic_ns()}"
    password = load_credentials(stores.home)["postgres"]
    address = url.rpartition("@")[2].rpartition("/")[0]
    with psycopg.connect(f"postgresql://postgres:{password}@{address}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER energy_owner").format(sql.Identifier(name)))
        monkeypatch.setenv("ENERGY_DAGSTER_POSTGRES_URL", f"{url.rpartition('/')[0]}/{name}")
        monkeypatch.setenv("ENERGY_DAGSTER_STORAGE", str(tmp_path))
        (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        with dg.DagsterInstance.from_config(str(tmp_path)) as made:
            yield made
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(instance: dg.DagsterInstance, first: str, last: str = "", *, fail: bool = False, passed: bool = True) -> str:
    """A run over days of January; its id."""

    @dg.asset(
        key=BY_DAY,
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("proof", asset=BY_DAY)],
    )
    def by_day(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        context.log.info("a line that nobody needs for ever")
        if fail:
            raise dg.Failure("the day is bad", allow_retries=False)
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="proof", passed=passed)])

    @dg.asset(key=WHOLE)
    def whole() -> None: ...

    job = dg.Definitions(assets=[by_day, whole], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    tags = {RANGE_START: f"2025-01-{first}", RANGE_END: f"2025-01-{last or first}"}
    return job.execute_in_process(run_config=QUIET, instance=instance, tags=tags, raise_on_error=False).run_id


def test_only_runs_go_that_no_status_is_made_of(instance: dg.DagsterInstance) -> None:
    overtaken = run(instance, "01", "03")
    holds_the_first = run(instance, "01", passed=False)
    overtaken_too = run(instance, "02")
    holds_two_days = run(instance, "02", "03")
    holds_a_failure = run(instance, "04", fail=True)
    newest = run(instance, "05")
    before, holding = statuses_of(instance), runs_with_a_status(instance)
    asked = instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations
    failed = asked(BY_DAY)

    pruned = prune(instance, datetime.now(UTC) + SOON)

    assert holding == {holds_the_first, holds_two_days, holds_a_failure, newest}
    assert {r.run_id for r in instance.get_runs()} == holding
    assert (pruned.runs, pruned.kept) == (2, 4)
    assert not {overtaken, overtaken_too} & {r.run_id for r in instance.get_runs()}
    assert statuses_of(instance) == before
    assert instance.get_materialized_partitions(BY_DAY) == {f"2025-01-0{day}" for day in (1, 2, 3, 5)}
    assert asked(BY_DAY) == failed
    assert set(failed) == {"2025-01-04"}
    kept = instance.all_logs(holds_a_failure)
    assert not [entry for entry in kept if not entry.is_dagster_event]
    assert pruned.log_lines > 0
    assert prune(instance, datetime.now(UTC) + SOON).log_lines == 0


def test_what_is_young_stays_as_it_is(instance: dg.DagsterInstance) -> None:
    run(instance, "01")
    run(instance, "01")
    events = len(instance.all_logs(instance.get_runs()[0].run_id))

    pruned = prune(instance, datetime.now(UTC) - SOON)

    assert (pruned.runs, pruned.kept, pruned.log_lines) == (0, 0, 0)
    assert len(instance.get_runs()) == 2
    assert len(instance.all_logs(instance.get_runs()[0].run_id)) == events


def test_old_ticks_go_but_for_the_last_of_each_clock(instance: dg.DagsterInstance) -> None:
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData

    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "all"), "clock")
    state = InstigatorState(
        origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData(min_interval=30)
    )
    instance.add_instigator_state(state)
    place = (state.instigator_origin_id, state.selector_id)
    for age in (400, 300, 200):
        at = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        instance.create_tick(
            TickData(place[0], "clock", InstigatorType.SENSOR, TickStatus.SKIPPED, at, selector_id=place[1])
        )

    pruned = prune(instance, datetime.now(UTC) - timedelta(days=90))

    assert pruned.ticks == 2
    assert len(instance.get_ticks(*place)) == 1


def test_a_status_that_changes_fails_the_maintenance(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, "01")
    monkeypatch.setattr(history, "runs_with_a_status", lambda _instance: set())

    with pytest.raises(ProofError, match="by_day"):
        prune(instance, datetime.now(UTC) + SOON)


def test_the_asset_keeps_what_its_setting_says(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    run(instance, "01")
    run(instance, "01")

    done = dg.materialize(
        [history_asset()], instance=instance, run_config=QUIET | {"ops": {"maintenance__history": {"config": {}}}}
    )

    (event,) = done.asset_materializations_for_node("maintenance__history")
    assert event.metadata["runs_removed"].value == 0
    assert str(event.metadata["before"].value) < (datetime.now(UTC) - timedelta(days=89)).isoformat()
