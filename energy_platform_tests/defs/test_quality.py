"""The checks of quality in Dagster, over real stores: what they say, what they cost, and what they leave alone."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import psycopg
import pytest
import redis

from energy_platform.definitions import build_definitions
from energy_platform.defs.names import MODEL_FILES, assets_of, key_of, legacy_key
from energy_platform.defs.partitions import RANGE_END, RANGE_START
from energy_platform.defs.quality.checks import described
from energy_platform.defs.quality.window import FIRST_TIME_DAYS, QualityWindow, days_to_check
from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import UsageError
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.stores.cache.keys import latest_building, notifications_building
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform_tests.defs.runs import FIRST, LAST, Runs, failures
from energy_platform_tests.defs.snapshots import SAMPLE_ESTATE, sample_definitions

READINGS, ENERGY = "timeseries/sensor_data", "timeseries/energy_consumption"
TABLES_FIRST = ("postgres/tenants", "postgres/buildings", "postgres/sensors")
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
Verdicts = dict[tuple[str, str], dg.AssetCheckEvaluation]


def look(runs: Runs, *assets: str, first: str = "", last: str = "") -> dg.ExecuteInProcessResult:
    """Run the job of the checks; those of some assets only, where they are named."""
    return runs.definitions.resolve_job_def("quality").execute_in_process(
        run_config={"resources": {"window": {"config": {"first": first, "last": last}}}, "loggers": QUIET},
        instance=runs.instance,
        raise_on_error=False,
        op_selection=[f"quality_{asset.replace('/', '_')}" for asset in assets] or None,
    )


def verdicts(result: dg.ExecuteInProcessResult) -> Verdicts:
    return {(one.asset_key.to_user_string(), one.check_name): one for one in result.get_asset_check_evaluations()}


def red(result: dg.ExecuteInProcessResult) -> Verdicts:
    return {name: verdict for name, verdict in verdicts(result).items() if not verdict.passed}


def told(verdict: dg.AssetCheckEvaluation, name: str) -> object:
    return verdict.metadata[name].value


def samples(verdict: dg.AssetCheckEvaluation) -> list[dict[str, object]]:
    return [record.data for record in verdict.metadata["samples"].records]  # pyright: ignore[reportAttributeAccessIssue]


def change(settings: Settings, *statements: str) -> None:
    """Write into the store behind the platform's back."""
    with psycopg.connect(settings.postgres_admin_url.get_secret_value()) as connection:
        for statement in statements:
            # the tables' owner sees rows of all tenants only without FORCE
            table = next(word for word in statement.split() if "." in word)
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            assert connection.execute(statement).rowcount > 0, statement
            connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def test_every_asset_and_every_source_is_checked() -> None:
    estate = read_estate(SAMPLE_ESTATE)
    graph = sample_definitions().get_repository_def().asset_graph

    for asset in assets_of(estate):
        names = {key.name for key in graph.get(key_of(asset)).check_keys}
        assert names == {"proof", *described(asset)}, asset
    for source in estate.sources:
        assert {key.name for key in graph.get(legacy_key(source.name)).check_keys} == {"readable", "fresh"}
    assert {key.name for key in graph.get(MODEL_FILES).check_keys} == {"readable"}


def test_a_step_per_asset_and_none_in_the_load() -> None:
    estate = read_estate(SAMPLE_ESTATE)
    definitions = sample_definitions()
    quality, migrate = (definitions.resolve_job_def(name) for name in ("quality", "migrate"))

    assert len(quality.nodes) == len(assets_of(estate)) + 1
    assert {node.name for node in migrate.nodes} == {asset.replace("/", "__") for asset in assets_of(estate)}


def test_stores_that_somebody_wrote_to_turn_their_checks_red_and_stop_nothing(
    runs: Runs, clean_stores: Settings
) -> None:
    assert failures(runs.migrate()) == {}
    clean = look(runs)
    assert {name for name, verdict in red(clean).items() if verdict.severity is dg.AssetCheckSeverity.ERROR} == set()
    assert len(verdicts(clean)) == sum(len(described(asset)) for asset in assets_of(estate_of(runs))) + len(
        [key for key in verdicts(clean) if key[0].startswith("legacy/")]
    )

    change(
        clean_stores,
        "UPDATE timeseries.sensor_data SET value = 999 WHERE sensor_type = 'temperature' AND time = (SELECT max(time)"
        " FROM timeseries.sensor_data WHERE sensor_type = 'temperature')",
        "DELETE FROM timeseries.sensor_data WHERE sensor_type = 'power' AND extract(hour FROM time) BETWEEN 2 AND 8",
        "UPDATE timeseries.energy_consumption SET power_kw = power_kw * 1000 WHERE extract(hour FROM time) = 5",
        "UPDATE energy.users SET created_at = '2099-01-01', name = 'Kim' WHERE user_id = (SELECT min(user_id)"
        " FROM energy.users)",
        "UPDATE energy.billing SET period_start = period_end + 1",
    )
    with redis.Redis.from_url(clean_stores.redis_url.get_secret_value()) as client:
        client.set(latest_building("sample", "B001"), "{}")
        client.set(notifications_building("sample", "B001"), "no JSON", ex=100)
    (runs.folder / "settings.csv").unlink()

    result = look(runs, *assets_with_data(runs))
    assert failures(result) == {}
    found = red(result)
    outside = found[READINGS, "value_range_temperature"]
    assert (told(outside, "unexpected_count"), told(outside, "severity")) == (1, "error")
    assert outside.severity is dg.AssetCheckSeverity.ERROR
    assert [row["value"] for row in samples(outside)] == [999.0]
    assert told(outside, "checked") == len(
        runs.sql(f"SELECT 1 FROM sensor_readings WHERE sensor_type = 'temperature' AND timestamp LIKE '{LAST}%'")
    )
    assert {("legacy/settings_csv", "readable"), ("legacy/settings_csv", "fresh")} <= found.keys()
    assert samples(found["redis/latest", "time_to_live"]) == [{"key": latest_building("sample", "B001")}]
    assert samples(found["redis/notifications", "decodes"])[0]["problem"] == "The key holds no JSON."
    assert told(found["postgres/billing", "period_start_up_to_period_end"], "unexpected_percent") == 100.0
    person = found["postgres/users", "created_at_past"]
    assert person.severity is dg.AssetCheckSeverity.WARN
    assert "Kim" not in str(samples(person))

    # all days, because they are asked for
    statistical = red(look(runs, READINGS, ENERGY, first=FIRST, last=LAST))
    assert told(statistical[READINGS, "completeness"], "days") == 6
    assert {row["quantity"] for row in samples(statistical[READINGS, "gaps"])} >= {"power"}
    assert samples(statistical[ENERGY, "unit_mix_up"])[0]["looks_like"] == "W"
    assert "data:image/png;base64," in str(told(statistical[ENERGY, "unit_mix_up"], "plot"))


def estate_of(runs: Runs):
    return read_estate(runs.folder)


def assets_with_data(runs: Runs) -> list[str]:
    return [READINGS, "redis/latest", "redis/notifications", "postgres/users", "postgres/billing", "sources"]


def test_what_is_new_is_looked_at_once(runs: Runs) -> None:
    runs.migrate()
    first = verdicts(look(runs, READINGS))[READINGS, "columns"]
    second = verdicts(look(runs, READINGS))[READINGS, "columns"]
    runs.sql("DELETE FROM sensor_readings WHERE rowid = (SELECT min(rowid) FROM sensor_readings)")
    runs.migrate(assets=[READINGS])
    asked_for = verdicts(look(runs, READINGS, first="2025-05-25", last="2025-05-26"))[READINGS, "columns"]
    third = verdicts(look(runs, READINGS))[READINGS, "columns"]

    assert [told(one, "first_day") for one in (first, second, asked_for, third)] == [FIRST, LAST, "2025-05-25", FIRST]
    assert [told(one, "days") for one in (first, second, asked_for, third)] == [6, 1, 2, 1]


def test_an_asset_materialized_from_the_ui_is_checked_behind_it_over_its_own_days(runs: Runs) -> None:
    runs.migrate(assets=TABLES_FIRST)
    job = runs.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=runs.instance,
        asset_selection=[key_of(READINGS)],
        run_config={"loggers": QUIET},
        tags={RANGE_START: FIRST, RANGE_END: "2025-05-25"},
        raise_on_error=False,
    )

    assert failures(result) == {}
    found = verdicts(result)
    assert found[READINGS, "proof"].passed
    assert told(found[READINGS, "key_unique"], "days") == 2
    # and where the proof fails nothing is looked at
    runs.sql(f"UPDATE sensor_readings SET value = 1e7 WHERE timestamp LIKE '{LAST}%'")
    failed = job.execute_in_process(
        instance=runs.instance,
        asset_selection=[key_of(READINGS), key_of("redis/latest")],
        run_config={"loggers": QUIET, "resources": {"limits": {"config": {"max_error_ratio": 1.0}}}},
        tags={RANGE_START: FIRST, RANGE_END: LAST},
        raise_on_error=False,
    )
    assert failures(failed).keys() == {READINGS}
    assert verdicts(failed).keys() == {(READINGS, "proof")}
    assert runs.events("redis/latest") == {}


def test_an_open_estate_must_be_fed(runs: Runs) -> None:
    file = runs.folder / "estate.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(f"last_day: {LAST}", "last_day: open"), encoding="utf-8")
    long_ago = time.time() - timedelta(days=3).total_seconds()
    for path in runs.folder.glob("*.*"):
        os.utime(path, (long_ago, long_ago))
    runs.definitions = build_definitions(Settings(estate=runs.folder))
    runs.migrate(assets=[*TABLES_FIRST, READINGS])

    found = verdicts(look(runs, READINGS, "sources"))
    late = found[READINGS, "freshness"]

    assert not late.passed
    assert told(late, "unexpected_count") == told(late, "checked") == 4
    assert not found["legacy/building_data_csv", "fresh"].passed
    assert found["legacy/users_csv", "fresh"].passed


def entry(day: date, recorded: int, rows: int = 5) -> LedgerEntry:
    when = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=recorded)
    return LedgerEntry("e", READINGS, day.isoformat(), True, False, "", rows, "", recorded_at=when)


DAY = date(2025, 5, 1)


@pytest.mark.parametrize(
    ("asked_for", "seen", "due"),
    [
        pytest.param(None, None, [1, 2, 4], id="nothing was checked before"),
        pytest.param(None, 12, [2], id="a day was loaded again"),
        pytest.param(None, 99, [4], id="nothing is new: the newest day"),
        pytest.param((2, 9), 99, [2, 4], id="days that are asked for"),
        pytest.param((30, 40), None, [], id="days without data"),
    ],
)
def test_days_that_are_due(asked_for: tuple[int, int] | None, seen: int | None, due: list[int]) -> None:
    entries = [
        entry(DAY.replace(day=1), 10),
        entry(DAY.replace(day=2), 20),
        entry(DAY.replace(day=3), 30, rows=0),
        entry(DAY.replace(day=4), 11),
    ]
    chosen = None if asked_for is None else DayRange(*(DAY + timedelta(days=number - 1) for number in asked_for))
    since = None if seen is None else datetime(2025, 6, 1, tzinfo=UTC) + timedelta(minutes=seen)

    assert days_to_check(entries, chosen, since) == {DAY.replace(day=number): 5 for number in due}


def test_the_first_time_only_the_newest_days_are_looked_at() -> None:
    entries = [entry(DAY + timedelta(days=number), number) for number in range(400)]

    assert len(days_to_check(entries, None, None)) == FIRST_TIME_DAYS


def test_days_are_asked_for_by_the_launchpad_or_by_the_run() -> None:
    tags = {RANGE_START: "2025-05-02", RANGE_END: "2025-05-03"}

    assert QualityWindow().asked_for({}) is None
    assert QualityWindow().asked_for(tags) == DayRange(date(2025, 5, 2), date(2025, 5, 3))
    assert QualityWindow(first="2025-05-01").asked_for({}) == DayRange(date(2025, 5, 1), date.max)
    assert QualityWindow().asked_for({"dagster/partition": "2025-05-02"}) == DayRange(
        date(2025, 5, 2), date(2025, 5, 2)
    )
    with pytest.raises(UsageError, match="yesterday"):
        QualityWindow(last="yesterday").asked_for({})
