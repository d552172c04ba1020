"""Dagster's state in a real PostgreSQL: batches say what single events say, and connections survive their server."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from psycopg import sql
from sqlalchemy import text

from energy_platform.defs.loading import log_together
from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START
from energy_platform.defs.storage import BATCH_SIZE_VARIABLE, BatchingEventLogStorage, PooledPostgresStorage
from energy_platform.local.credentials import load_credentials
from energy_platform.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DAYS = dg.DailyPartitionsDefinition("2025-01-01", end_date="2025-04-01")
FIRST, LAST = "2025-01-01", "2025-03-31"
FULL, SPARSE = dg.AssetKey("full"), dg.AssetKey("sparse")


@pytest.fixture
def database(stores: Settings) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    url = stores.dagster_postgres_url.get_secret_value()
    name = f"dagster_test_{os.getpid()}_{time.monotonic_ns()}"
    password = load_credentials(stores.home)["postgres"]
    address = url.rpartition("@")[2].rpartition("/")[0]
    # its owner may not create one: by the server's superuser
    with psycopg.connect(f"postgresql://postgres:{password}@{address}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER energy_owner").format(sql.Identifier(name)))
        yield f"{url.rpartition('/')[0]}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def instance(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance as the project's own dagster.yaml describes it, over that database."""
    monkeypatch.delenv(BATCH_SIZE_VARIABLE, raising=False)
    monkeypatch.setenv("ENERGY_DAGSTER_POSTGRES_URL", database)
    monkeypatch.setenv("ENERGY_DAGSTER_STORAGE", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made
    monkeypatch.delenv(BATCH_SIZE_VARIABLE, raising=False)


def ask(database: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as connection:
        return connection.execute(statement.encode()).fetchall()


def run_over_days(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """One run over 90 days: an asset with one result for all, and one that logs the days that it has."""

    @dg.asset(key=FULL, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def full(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for number, day in enumerate(context.partition_keys):
            context.add_asset_metadata({"rows": number}, partition_key=day)
        return dg.MaterializeResult()

    @dg.asset(
        key=SPARSE,
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("proof", asset=SPARSE)],
    )
    def sparse(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        days = [day for day in context.partition_keys if day.endswith("5")]
        log_together(context, [dg.AssetMaterialization(SPARSE, partition=day, tags={"kept": day}) for day in days])
        yield dg.MaterializeResult(
            metadata={"__source_asset_observation__": True},
            check_results=[dg.AssetCheckResult(check_name="proof", passed=True)],
        )

    job = dg.Definitions(assets=[full, sparse], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    return job.execute_in_process(
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=instance,
        tags={RANGE_START: FIRST, RANGE_END: LAST},
    )


def test_the_projects_own_settings_name_the_storage(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
    assert os.environ[BATCH_SIZE_VARIABLE] == "1000"
    named = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))["storage"]["custom"]
    assert (named["module"], named["class"]) == (PooledPostgresStorage.__module__, PooledPostgresStorage.__name__)


def test_a_run_over_days_is_recorded_as_dagster_would_record_it(instance: dg.DagsterInstance, database: str) -> None:
    result = run_over_days(instance)

    assert result.success
    assert instance.get_materialized_partitions(FULL) == set(DAYS.get_partition_keys())
    sparse_days = {day for day in DAYS.get_partition_keys() if day.endswith("5")}
    assert instance.get_materialized_partitions(SPARSE) == sparse_days
    logged = [event.partition for event in result.all_events if event.is_step_materialization]
    assert {day for day in logged if day in sparse_days} == sparse_days
    records = instance.fetch_materializations(FULL, limit=1000).records
    metadata = {r.partition_key: r.asset_materialization.metadata["rows"].value for r in records}  # pyright: ignore[reportOptionalMemberAccess]
    assert metadata == {day: number for number, day in enumerate(DAYS.get_partition_keys())}
    latest = instance.get_latest_materialization_event(FULL)
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.partition == LAST
    (record,) = instance.get_asset_records([SPARSE])
    assert record.asset_entry.last_run_id == result.run_id
    status = get_and_update_asset_status_cache_value(instance, FULL, DAYS)
    assert status is not None
    assert list(status.deserialize_in_progress_partition_subsets(DAYS).get_partition_keys()) == []
    assert len(list(status.deserialize_materialized_partition_subsets(DAYS).get_partition_keys())) == 90
    verdict = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(SPARSE, "proof"))
    assert verdict is not None
    assert verdict.event is not None
    assert verdict.event.dagster_event is not None
    assert verdict.event.dagster_event.asset_check_evaluation_data.passed
    kept = ask(database, "SELECT count(*) FROM asset_event_tags WHERE asset_key LIKE '%full%'")
    assert kept[0][0] >= 90


def test_a_day_costs_two_rows_of_the_event_log(instance: dg.DagsterInstance, database: str) -> None:
    run_over_days(instance)

    rows = dict(
        ask(database, "SELECT dagster_event_type, count(*) FROM event_logs WHERE partition IS NOT NULL GROUP BY 1")
    )
    assert rows == {"ASSET_MATERIALIZATION_PLANNED": 180, "ASSET_MATERIALIZATION": 90 + 9}


def entries(kind: DagsterEventType, keys: list[str], first: int = 0) -> list[EventLogEntry]:
    made = []
    for number, key in enumerate(keys, start=first):
        asset, day = dg.AssetKey(key), DAYS.get_partition_keys()[number]
        data = (
            AssetMaterializationPlannedData(asset, partition=day)
            if kind is DagsterEventType.ASSET_MATERIALIZATION_PLANNED
            else StepMaterializationData(
                dg.AssetMaterialization(asset, partition=day, tags={"dagster/data_version": day})
            )
        )
        event = DagsterEvent(kind.value, "job", event_specific_data=data, step_key="step")
        made.append(EventLogEntry(None, 10, "", "run", 1_700_000_000.0 + number, "step", "job", event))
    return made


@pytest.mark.parametrize(
    "kind", [DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.ASSET_MATERIALIZATION]
)
def test_a_batch_leaves_the_tables_as_its_events_one_by_one_do(database: str, kind: DagsterEventType) -> None:
    events = entries(kind, ["b", "a", "b", "c", "a", "b"])
    storage = PooledPostgresStorage(database).event_log_storage

    def tables() -> list[list[tuple[Any, ...]]]:
        return [
            ask(database, "SELECT run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
                " FROM event_logs ORDER BY id"),
            ask(database, "SELECT asset_key, last_run_id, last_materialization_timestamp,"
                " regexp_replace(last_materialization, '\"storage_id\": \\d+', '') FROM asset_keys ORDER BY asset_key"),
            ask(database, "SELECT e.event, t.asset_key, t.key, t.value, t.event_timestamp FROM asset_event_tags t"
                " JOIN event_logs e ON e.id = t.event_id ORDER BY e.id"),
        ]  # fmt: skip

    for event in events:
        storage.store_event(event)
    one_by_one = tables()
    storage.wipe()
    storage.store_event_batch(events)

    assert tables() == one_by_one
    assert len(one_by_one[0]) == len(events)


def test_nothing_of_a_batch_stays_that_could_not_be_written(database: str) -> None:
    storage = PooledPostgresStorage(database).event_log_storage
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE asset_keys ADD CONSTRAINT not_c CHECK (asset_key NOT LIKE '%c%')")

    with pytest.raises(Exception, match="not_c"):
        storage.store_event_batch(entries(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, ["a", "b", "c"]))

    assert ask(database, "SELECT count(*) FROM event_logs") == [(0,)]
    assert ask(database, "SELECT count(*) FROM asset_keys") == [(0,)]


def test_an_idle_process_keeps_one_connection_and_many_threads_find_as_many_as_they_need(database: str) -> None:
    storage = PooledPostgresStorage(database)
    engine = storage.event_log_storage._engine  # pyright: ignore[reportAttributeAccessIssue]
    held = [engine.connect() for _ in range(20)]
    for connection in held:
        connection.close()
    storage.run_storage.get_runs(limit=1)
    storage.schedule_storage.all_instigator_state()

    alive = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 10
    while (count := ask(database, alive)) != [(1,)] and time.monotonic() < deadline:
        time.sleep(0.01)  # a server process ends a moment after its connection was closed
    assert count == [(1,)]


def test_a_check_has_one_row_whatever_days_its_run_covers(instance: dg.DagsterInstance, database: str) -> None:
    assert run_over_days(instance).success

    rows = "SELECT check_name, partition, execution_status FROM asset_check_executions"
    assert ask(database, rows) == [("proof", None, "SUCCEEDED")]


def test_a_connection_that_the_server_has_cut_is_replaced(database: str) -> None:
    storage = PooledPostgresStorage(database).event_log_storage
    storage.store_event_batch(entries(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, ["a", "b"]))
    ask(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    storage.store_event_batch(entries(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, ["a", "b"], first=2))

    assert ask(database, "SELECT count(*) FROM event_logs") == [(4,)]


def test_the_webserver_answers_after_a_restart_of_its_server_and_asks_nothing_for_ever(
    instance: dg.DagsterInstance, database: str
) -> None:
    instance.optimize_for_webserver(statement_timeout=1500, pool_recycle=600, max_overflow=3)
    storages: tuple[Any, ...] = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)

    def ask_all() -> None:
        assert instance.get_runs(limit=1) == []
        assert list(instance.all_asset_keys()) == []
        assert list(instance.all_instigator_state()) == []

    ask_all()
    ask(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    ask_all()
    for storage in storages:
        with storage._engine.connect() as connection:
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "1500ms"
        pool = storage._engine.pool
        assert (pool.size(), pool._max_overflow, pool._recycle) == (1, 3, 600)


def test_a_forked_process_takes_no_connection_of_its_parent(database: str) -> None:
    storage = PooledPostgresStorage(database).event_log_storage
    backend = text("SELECT pg_backend_pid()")
    with storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        parent = connection.execute(backend).scalar()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
            os.write(writing, str(connection.execute(backend).scalar()).encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert int(os.read(reading, 20)) != parent
    with storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        assert connection.execute(backend).scalar() == parent


def test_a_server_that_is_not_there_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(Exception, match="too many retries for DB connection"):
        PooledPostgresStorage("postgresql://nobody@127.0.0.1:1/nothing")


def test_migrations_are_those_of_dagster(instance: dg.DagsterInstance) -> None:
    instance.upgrade()

    assert run_over_days(instance).success
