"""Dagster calls an asset out of date exactly when what it was made from has changed since."""

from __future__ import annotations

import os

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from energy_platform.defs.names import MODEL_FILES, key_of, legacy_key
from energy_platform_tests.defs.runs import LAST, Runs

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
READINGS, ENERGY = "timeseries/sensor_data", "timeseries/energy_consumption"
BAD_DAY = "2025-05-26"
TABLES = ("tenants", "buildings", "sensors", "sensor_status", "users", "billing", "settings", "models", "model_scores")
UNPARTITIONED = [f"postgres/{table}" for table in TABLES] + ["models/artifacts", "redis/latest", "redis/notifications"]


def out_of_date(runs: Runs, asset: str, day: str | None = None) -> list[str]:
    """What Dagster says has changed since the asset was made; that is what the UI shows as unsynced."""
    resolver = CachingStaleStatusResolver(
        runs.instance, runs.definitions.resolve_asset_graph(), LoadingContextForTest(runs.instance)
    )
    causes = resolver.get_stale_causes(key_of(asset), day)
    status = resolver.get_status(key_of(asset), day)
    assert status == (StaleStatus.STALE if causes else StaleStatus.FRESH), asset
    return [str(cause.dependency_asset_key and cause.dependency_asset_key.to_user_string()) for cause in causes]


def data_version(runs: Runs, asset: str, day: str | None = None) -> str:
    record = runs.instance.get_latest_data_version_record(key_of(asset), partition_key=day)
    assert record is not None
    return record.event_log_entry.get_dagster_event().step_materialization_data.materialization.tags[  # pyright: ignore[reportOptionalSubscript]
        "dagster/data_version"
    ]


def test_after_a_first_migration_nothing_is_out_of_date(runs: Runs) -> None:
    assert runs.migrate().success

    assert {asset: out_of_date(runs, asset) for asset in UNPARTITIONED} == {asset: [] for asset in UNPARTITIONED}
    for asset in (READINGS, ENERGY):
        days = sorted(runs.materialized(asset))
        assert {day: out_of_date(runs, asset, day) for day in days} == {day: [] for day in days}


def test_the_version_of_what_is_stored_is_its_fingerprint(runs: Runs) -> None:
    runs.migrate()
    (record,) = runs.instance.fetch_materializations(key_of("postgres/users"), limit=1).records
    shown = record.asset_materialization
    assert shown is not None

    assert data_version(runs, "postgres/users") == shown.metadata["fingerprint"].value


def test_a_file_that_was_touched_makes_nothing_below_its_table_out_of_date(runs: Runs) -> None:
    runs.migrate()
    before = data_version(runs, "postgres/buildings")
    os.utime(runs.folder / "buildings.csv")
    runs.migrate(assets=["postgres/tenants", "postgres/buildings"])

    assert data_version(runs, "postgres/buildings") == before
    assert out_of_date(runs, "postgres/buildings") == []
    assert out_of_date(runs, "postgres/sensors") == []
    assert out_of_date(runs, ENERGY, LAST) == []


def test_what_stands_below_a_changed_table_is_out_of_date_until_it_is_loaded_again(runs: Runs) -> None:
    runs.migrate()
    with (runs.folder / "tenants.csv").open("a", encoding="utf-8") as file:
        file.write("other,Other\n")
    runs.migrate(assets=["postgres/tenants"])
    assert out_of_date(runs, "postgres/tenants") == []
    assert out_of_date(runs, "postgres/users") == ["postgres/tenants"]

    runs.migrate(assets=["postgres/tenants", "postgres/users"])
    assert out_of_date(runs, "postgres/users") == []


def test_days_beside_a_bad_one_are_up_to_date_as_well(runs: Runs) -> None:
    runs.sql(f"UPDATE sensor_readings SET value = value + 10000000 WHERE timestamp LIKE '{BAD_DAY}%'")
    assert not runs.migrate().success
    days = sorted(runs.materialized(READINGS))

    assert BAD_DAY not in days
    assert {day: out_of_date(runs, READINGS, day) for day in days} == {day: [] for day in days}
    versions = {day: data_version(runs, READINGS, day) for day in days}
    assert len(set(versions.values())) == len(days) == 5


def look_again(runs: Runs, *keys: dg.AssetKey) -> None:
    """What the button `Observe` in the UI does."""
    everything = runs.definitions.resolve_implicit_global_asset_job_def()
    job = everything.get_subset(asset_selection=set(keys), asset_check_selection=set())
    assert job.execute_in_process(instance=runs.instance, run_config=QUIET).success


def test_sources_are_observed_alone_when_somebody_asks_for_it(runs: Runs) -> None:
    def observed(key: dg.AssetKey) -> str:
        (record,) = runs.instance.fetch_observations(key, limit=1).records
        return record.asset_observation.tags["dagster/data_version"]  # pyright: ignore[reportOptionalMemberAccess]

    keys = [legacy_key(name) for name in ("users.csv", "billing.csv", "settings.csv")] + [MODEL_FILES]
    look_again(runs, *keys)
    before = {key: observed(key) for key in keys}

    os.utime(runs.folder / "users.csv")
    next((runs.folder / "models").glob("*.pkl")).unlink()
    (runs.folder / "settings.csv").unlink()
    look_again(runs, *keys)

    changed = {key for key, version in before.items() if observed(key) != version}
    assert changed == {legacy_key("users.csv"), MODEL_FILES}


def test_a_run_that_loads_tells_the_same_version_as_an_observation(runs: Runs) -> None:
    runs.migrate()
    look_again(runs, legacy_key("users.csv"), MODEL_FILES)

    for asset in ("postgres/users", "postgres/models", "models/artifacts"):
        assert out_of_date(runs, asset) == []
    (runs.folder / "models" / "new.pkl").write_bytes(b"\x80\x04N.")
    look_again(runs, MODEL_FILES)
    assert out_of_date(runs, "models/artifacts") == ["legacy/models"]
