"""What Dagster shows is what the ledger says, day by day."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from energy_platform.defs.names import key_of, legacy_key
from energy_platform.defs.resources import LoadLimits
from energy_platform.transfer.options import LoadOptions
from energy_platform.transfer.progress import Step, listening
from energy_platform_tests.defs.runs import FIRST, LAST, Runs, failures

READINGS, ENERGY, ALERTS = "timeseries/sensor_data", "timeseries/energy_consumption", "timeseries/alerts"
BAD_DAY = "2025-05-26"
ALL_DAYS = {"2025-05-24", "2025-05-25", "2025-05-26", "2025-05-27", "2025-05-28", "2025-05-29"}
BREAK = f"UPDATE sensor_readings SET value = value + 10000000 WHERE timestamp LIKE '{BAD_DAY}%'"
MEND = f"UPDATE sensor_readings SET value = value - 10000000 WHERE timestamp LIKE '{BAD_DAY}%'"


def days_in_sqlite(runs: Runs, table: str) -> set[str]:
    return {str(day) for (day,) in runs.sql(f"SELECT DISTINCT substr(timestamp, 1, 10) FROM {table}")}


def test_a_range_in_one_run_materializes_exactly_the_days_that_hold_data(runs: Runs) -> None:
    result = runs.migrate()

    assert failures(result) == {}
    assert runs.materialized(READINGS) == days_in_sqlite(runs, "sensor_readings") == ALL_DAYS
    assert runs.materialized(ENERGY) == ALL_DAYS
    assert runs.materialized(ALERTS) == days_in_sqlite(runs, "alerts")
    assert set(runs.events(READINGS).values()) == {1}
    for asset in (READINGS, ENERGY, ALERTS, "postgres/users", "redis/latest", "models/artifacts"):
        verdict = runs.check(asset)
        assert verdict is not None, asset
        assert verdict.passed, asset
    for asset in ("postgres/tenants", "postgres/users", "postgres/models", "models/artifacts", "redis/latest"):
        assert runs.events(asset) == {None: 1}, asset


def test_running_again_logs_no_day_twice(runs: Runs) -> None:
    runs.migrate()
    before = {asset: runs.events(asset) for asset in (READINGS, ENERGY, ALERTS)}

    again = runs.migrate()

    assert again.success
    assert {asset: runs.events(asset) for asset in before} == before


def test_days_that_are_proven_but_unknown_to_dagster_are_logged_without_a_load(runs: Runs) -> None:
    runs.migrate()
    with dg.DagsterInstance.ephemeral() as forgetful:
        other = Runs(runs.folder, runs.definitions, forgetful)
        result = other.migrate()

        assert result.success
        assert other.materialized(READINGS) == ALL_DAYS
        assert other.materialized(ALERTS) == runs.materialized(ALERTS)


def test_a_bad_day_then_a_good_one_then_downstream_alone_then_mended(runs: Runs) -> None:
    runs.sql(BREAK)

    # a bad day within a range: the others are proven and shown, the check names the day, nothing below runs
    first = runs.migrate(FIRST, "2025-05-28")
    assert not first.success
    assert BAD_DAY in failures(first)[READINGS]
    assert runs.materialized(READINGS) == ALL_DAYS - {BAD_DAY, LAST}
    assert set(runs.events(READINGS).values()) == {1}
    assert_red(runs, BAD_DAY)
    assert runs.events("redis/latest") == {}
    assert runs.materialized(ENERGY) == ALL_DAYS - {LAST}

    # another good day: it is shown, and the check stays red
    runs.migrate(LAST, LAST, assets=[READINGS])
    assert runs.materialized(READINGS) == ALL_DAYS - {BAD_DAY}
    assert_red(runs, BAD_DAY)

    # downstream alone asks the ledger, and stops
    alone = runs.migrate(assets=["redis/latest"])
    assert not alone.success
    assert f"{READINGS} {BAD_DAY}" in failures(alone)["redis/latest"]
    assert runs.events("redis/latest") == {}

    # once it is mended the day is loaded, and the others are left alone
    runs.sql(MEND)
    mended = runs.migrate()
    assert failures(mended) == {}
    assert runs.materialized(READINGS) == ALL_DAYS
    verdict = runs.check(READINGS)
    assert verdict is not None
    assert verdict.passed
    assert sum(runs.events("redis/latest").values()) == 1


def assert_red(runs: Runs, day: str) -> None:
    verdict = runs.check(READINGS)
    assert verdict is not None
    assert not verdict.passed
    assert verdict.metadata["unproven"].value == 1
    (record,) = verdict.metadata["unproven_partitions"].records  # pyright: ignore[reportAttributeAccessIssue]
    assert record.data["partition"] == day


def test_failures_are_not_tried_again(runs: Runs) -> None:
    runs.sql(BREAK)
    result = runs.migrate(assets=["postgres/tenants", "postgres/buildings", "postgres/sensors", READINGS])

    (failed,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert failed.step_failure_data.user_failure_data is not None
    assert failed.step_failure_data.user_failure_data.metadata is not None
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_too_many_refused_rows_stop_the_asset_with_the_reason(runs: Runs) -> None:
    runs.sql(BREAK)
    result = runs.migrate(max_error_ratio=0.01)

    assert "--max-error-ratio" in failures(result)[READINGS]
    assert runs.materialized(READINGS) == set()


def test_an_asset_whose_upstream_was_never_loaded_says_so(runs: Runs) -> None:
    result = runs.migrate(assets=[READINGS])

    assert "postgres/sensors" in failures(result)[READINGS]
    assert runs.materialized(READINGS) == set()


def test_metadata_says_what_became_of_every_row(runs: Runs) -> None:
    runs.migrate()
    records = runs.instance.fetch_materializations(key_of(READINGS), limit=10).records
    newest = {r.partition_key: r.asset_materialization for r in records}[LAST]
    assert newest is not None
    (expected,) = runs.sql("SELECT count(*) FROM sensor_readings")
    (of_the_day,) = runs.sql(f"SELECT count(*) FROM sensor_readings WHERE timestamp LIKE '{LAST}%'")

    assert newest.metadata["dagster/row_count"].value == expected[0]
    assert newest.metadata["dagster/partition_row_count"].value == of_the_day[0]
    (account,) = newest.metadata["accounts"].records  # pyright: ignore[reportAttributeAccessIssue]
    assert account.data["source"] == "sensor_readings.db/sensor_readings"
    assert (account.data["read"], account.data["loaded"], account.data["quarantined"]) == (expected[0], expected[0], 0)
    assert "data:image/png;base64," in str(newest.metadata["plot"].value)


def test_each_phase_is_told_in_the_metadata_and_in_the_log_of_the_run(runs: Runs) -> None:
    heard: list[Step] = []
    with listening(heard.append):
        result = runs.migrate()

    (rows,) = runs.sql("SELECT count(*) FROM sensor_readings")[0]
    records = runs.instance.fetch_materializations(key_of(READINGS), limit=10).records
    newest = {r.partition_key: r.asset_materialization for r in records}[LAST]
    assert newest is not None
    table = newest.metadata["phases"].records  # pyright: ignore[reportAttributeAccessIssue]
    phases = {record.data["phase"]: record.data for record in table}
    assert {"reading", "judging", "writing", "proving"} <= phases.keys()
    assert [phases[name]["rows"] for name in ("reading", "judging", "writing", "proving")] == [rows, None, rows, rows]
    assert phases["reading"]["rows_per_second"] > 0
    source = "sensor_readings.db/sensor_readings"
    said = runs.log_lines(result, READINGS)
    assert any(line.startswith(f"reading {source}: {rows:,} rows in ") for line in said)
    assert any(line.startswith(f"writing {READINGS}: {rows:,} rows in ") for line in said)
    assert any(line.startswith(f"proving {READINGS}: {rows:,} rows in ") for line in said)
    assert sum(step.rows for step in heard if step.name == source) == rows
    assert len(said) < 20


def test_too_many_series_stop_the_asset_before_its_first_write(runs: Runs) -> None:
    result = runs.migrate(max_series=1)

    assert "--max-series" in failures(result)[READINGS]
    assert runs.materialized(READINGS) == set()


def test_a_load_is_limited_as_transfer_limits_it_unless_told_otherwise() -> None:
    assert replace(LoadLimits().options(), progress=None) == LoadOptions()


def test_sources_are_observed_with_a_data_version_that_follows_their_content(runs: Runs) -> None:
    key = legacy_key("users.csv")
    selection = ["postgres/tenants", "postgres/users"]
    versions = []
    for line in ("", "x"):
        with (runs.folder / "users.csv").open("a", encoding="utf-8") as file:
            file.write(line and "\n")
        runs.migrate(assets=selection)
        (record,) = runs.instance.fetch_observations(key, limit=1).records
        versions.append(record.asset_observation.tags["dagster/data_version"])  # pyright: ignore[reportOptionalMemberAccess]

    assert versions[0]
    assert versions[0] != versions[1]


@pytest.mark.parametrize("asset", ["redis/latest", "redis/notifications"])
def test_caches_are_refreshed_by_themselves_when_what_they_show_is_proven(runs: Runs, asset: str) -> None:
    source = READINGS if asset == "redis/latest" else ALERTS
    upstream = ["postgres/tenants", "postgres/buildings", "postgres/sensors", source]
    start = dg.evaluate_automation_conditions(runs.definitions, runs.instance)
    runs.migrate(assets=upstream)

    after = dg.evaluate_automation_conditions(runs.definitions, runs.instance, cursor=start.cursor)

    assert after.get_num_requested(key_of(asset)) == 1
    assert (
        dg.evaluate_automation_conditions(runs.definitions, runs.instance, cursor=after.cursor).get_num_requested(
            key_of(asset)
        )
        == 0
    )


def test_caches_wait_while_a_day_above_is_not_proven(runs: Runs) -> None:
    start = dg.evaluate_automation_conditions(runs.definitions, runs.instance)
    runs.sql(BREAK)
    runs.migrate(assets=["postgres/tenants", "postgres/buildings", "postgres/sensors", READINGS])

    after = dg.evaluate_automation_conditions(runs.definitions, runs.instance, cursor=start.cursor)

    assert runs.materialized(READINGS) == ALL_DAYS - {BAD_DAY}
    assert after.get_num_requested(key_of("redis/latest")) == 0


def test_a_backfill_materializes_all_its_days(runs: Runs) -> None:
    """Dagster takes a day of a backfill that was not materialized for a failed one, though it was proven before."""
    assert runs.migrate().success
    before = {asset: runs.events(asset) for asset in (READINGS, ALERTS)}

    assert runs.migrate(backfill="again").success

    for asset, days in before.items():
        after = runs.events(asset)
        assert {day: after[day] for day in days} == {day: count + 1 for day, count in days.items()}
    assert runs.materialized(ALERTS) == ALL_DAYS
