"""Promise 1: read = loaded + duplicates + quarantined, and the oracle says what each of them must be."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from energy_platform.domain.errors import ErrorRatioExceededError
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import Called, command, kind_of, load, small_estate, verify


@dataclass(frozen=True)
class Migrated:
    """A migrated estate."""

    settings: Settings
    folder: Path
    name: str
    call: Called
    expected: oracle.Expected


@pytest.fixture(scope="module")
def migrated(target: Settings, estates: Path) -> Migrated:
    name = f"accounts_{kind_of(target)}"
    folder = small_estate(estates, name)
    call = command(target, folder, "migrate", str(folder), "--max-error-ratio", "0.05", report=True)
    return Migrated(target, folder, name, call, oracle.expected_of(folder, oracle.sample_of(folder)))


def test_the_command_proves_it(migrated: Migrated) -> None:
    assert migrated.call.code == 0, migrated.call.output
    assert migrated.call.report is not None
    assert migrated.call.report["estate"] == migrated.name
    assert migrated.call.report["proved"] is True
    assert all(target["proved"] for target in migrated.call.report["targets"])
    assert migrated.call.report["seconds"] > 0


def test_the_report_has_the_oracles_accounts(migrated: Migrated) -> None:
    assert migrated.call.report is not None
    reported = {source["source"]: source for source in migrated.call.report["sources"]}
    assert reported.keys() == migrated.expected.accounts.keys()
    for source, account in migrated.expected.accounts.items():
        assert account.facts().items() <= reported[source].items(), source


def test_the_report_has_the_manifests_accounts(migrated: Migrated) -> None:
    assert migrated.call.report is not None
    reported = {source["source"]: source for source in migrated.call.report["sources"]}
    manifest = json.loads((migrated.folder / "manifest.json").read_text(encoding="utf-8"))
    for source, account in manifest["sources"].items():
        assert account.items() <= reported[source].items(), source


def test_every_point_is_where_the_oracle_says(migrated: Migrated) -> None:
    found = store.points_in(migrated.settings, migrated.name)
    assert oracle.point_differences(migrated.expected.points, found)[:5] == []
    assert sum(len(points) for points in found.values()) > 1000


def test_every_row_is_what_the_oracle_says(migrated: Migrated) -> None:
    for table, rows in migrated.expected.rows.items():
        found = store.rows_in(migrated.settings, table, migrated.name)
        assert oracle.row_differences(rows, found) == [], table
        assert {row["estate"] for row in found.values()} == {migrated.name}


def test_infinite_scores_are_kept_infinite(migrated: Migrated) -> None:
    scores = store.rows_in(migrated.settings, "model_scores", migrated.name)
    assert sum(row["mape"] == float("inf") for row in scores.values()) >= 1
    assert all(row["mape"] is not None for row in scores.values())


def test_what_was_refused_stands_in_the_quarantine(migrated: Migrated) -> None:
    found = store.quarantine_of(migrated.settings, migrated.name)
    reasons = sorted((source, reason) for source, _, reason in found)
    assert reasons == sorted((source, reason) for source, _, reason in migrated.expected.refused)
    # rows that have a key of their own are found by it
    keyed = {row for row in migrated.expected.refused if row[0].startswith("sensor_readings.db/")}
    assert keyed <= found


def test_the_report_counts_rows_and_days(migrated: Migrated) -> None:
    assert migrated.call.report is not None
    targets = {target["asset"]: target for target in migrated.call.report["targets"]}
    for name, points in migrated.expected.points.items():
        assert targets[f"timeseries/{name}"]["rows"] == len(points)
        assert targets[f"timeseries/{name}"]["partitions"] == len(migrated.expected.days[name])
        assert len(targets[f"timeseries/{name}"]["fingerprint"]) == 32
    for name, rows in migrated.expected.rows.items():
        assert targets[f"postgres/{name}"]["rows"] == len(rows)


def test_every_partition_balances(migrated: Migrated) -> None:
    days: dict[str, dict[str, int]] = {}
    for (asset, partition), entry in store.ledger_of(migrated.settings, migrated.name).items():
        for source, account in entry["facts"].get("accounts", {}).items():
            assert account["read"] == account["loaded"] + account["duplicates"] + account["quarantined"], partition
            assert account["quarantined"] == sum(account["reasons"].values())
            if asset.startswith("timeseries/") and partition != "undated":
                days.setdefault(asset.removeprefix("timeseries/"), {})[partition] = entry["rows"]
                assert account["undated"] == 0, source
    assert days == {name: dict(counts) for name, counts in migrated.expected.days.items()}


def test_both_stores_have_the_same_fingerprints(stores: Settings, influx: Settings, estates: Path) -> None:
    fingerprints = []
    for settings in (stores, influx):
        name = f"alike_{kind_of(settings)}"
        folder = small_estate(estates, name, tenant="alike")
        if settings.influx_url:
            # PostgreSQL holds both ledgers: the second estate may not claim the first one's points
            store.execute(settings, "DELETE FROM energy.claims WHERE estate = %s", "alike_postgres")
        reports = load(settings, folder, only="timeseries/")
        fingerprints.append(
            {
                asset: [(verdict.partition, verdict.rows, verdict.fingerprint) for verdict in report.verdicts]
                for asset, report in reports.items()
            }
        )
    assert fingerprints[0] == fingerprints[1]


def broken(folder: Path, day: str, rows: int) -> None:
    """Make the values of the first rows of a local day unreadable."""
    with closing(sqlite3.connect(folder / "sensor_readings.db")) as database, database:
        database.execute(
            "UPDATE sensor_readings SET value = 'broken' WHERE id IN"
            " (SELECT id FROM sensor_readings WHERE timestamp LIKE ? ORDER BY id LIMIT ?)",
            (f"{day}%", rows),
        )


def test_too_many_refused_rows_stop_the_run_before_its_first_write(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "too_many")
    broken(folder, "2025-05-26", 60)
    with pytest.raises(ErrorRatioExceededError, match="not_a_number") as stopped:
        load(stores, folder, only="timeseries/sensor_data", max_error_ratio=0.01)
    assert "sensor_readings.db/sensor_readings" in str(stopped.value)
    assert store.points_in(stores, "too_many")["sensor_data"] == {}
    assert len(store.quarantine_of(stores, "too_many")) >= 60


def test_of_a_withheld_day_nothing_is_written(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "withheld")
    broken(folder, "2025-05-26", 120)
    report = load(stores, folder, only="timeseries/sensor_data", max_error_ratio=0.5)["timeseries/sensor_data"]
    assert [verdict.partition for verdict in report.unproven] == ["2025-05-26"]
    assert "withheld" in report.unproven[0].reason
    expected = oracle.expected_of(folder, oracle.sample_of(folder)).points["sensor_data"]
    found = store.points_in(stores, "withheld")["sensor_data"]
    missing = expected.keys() - found.keys()
    start, stop = 1_748_185_200_000_000, 1_748_271_600_000_000  # the local day in Seoul
    assert missing == {point for point in expected if start <= point[-1] < stop}
    assert found.keys() <= expected.keys()
    (account,) = report.accounts.values()
    assert account.balanced
    assert account.loaded == len(found)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_first_row_wins_whatever_the_order_in_the_file(stores: Settings, estates: Path, backwards: bool) -> None:
    name = f"first_wins_{backwards}".lower()
    folder = small_estate(estates, name, flaws=False)
    database = folder / "sensor_readings.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        (row,) = connection.execute("SELECT * FROM sensor_readings WHERE id = 5").fetchall()
        number = connection.execute("SELECT max(id) FROM sensor_readings").fetchone()[0]
        marks = ", ".join("?" * len(row))
        columns = [column[1] for column in connection.execute("PRAGMA table_info(sensor_readings)")]
        value = columns.index("value")
        other = [*row]
        other[value] = row[value] + 1
        connection.execute(f"INSERT INTO sensor_readings VALUES ({marks})", (number + 1, *other[1:]))
        connection.execute(f"INSERT INTO sensor_readings VALUES ({marks})", (number + 2, *row[1:]))
        if backwards:
            # the file holds the rows in another order; their keys stay
            connection.execute("CREATE TABLE turned AS SELECT * FROM sensor_readings ORDER BY id DESC")
            connection.execute("DELETE FROM sensor_readings")
            connection.execute("INSERT INTO sensor_readings SELECT * FROM turned")
            connection.execute("DROP TABLE turned")
    report = load(stores, folder, only="timeseries/sensor_data")["timeseries/sensor_data"]
    (account,) = report.accounts.values()
    assert (account.duplicates, dict(account.reasons)) == (1, {"conflict": 1})
    expected = oracle.expected_of(folder, oracle.sample_of(folder))
    assert (
        oracle.point_differences(
            {"sensor_data": expected.points["sensor_data"]},
            {"sensor_data": store.points_in(stores, name)["sensor_data"]},
        )
        == []
    )
    assert (f"{database.name}/sensor_readings", str(number + 1), "conflict") in store.quarantine_of(stores, name)


def test_a_source_that_is_gone_is_retired(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "retired")
    before = load(stores, folder)
    shutil.move(folder / "building_data.csv", folder.parent / "retired-building_data.csv")
    report = verify(stores, folder)
    assert report.findings == []
    assert any("building_data.csv is retired" in warning for warning in report.warnings)
    reports = load(stores, folder, only="timeseries/energy_consumption", checked=False)
    again = reports["timeseries/energy_consumption"]
    assert again.accounts == before["timeseries/energy_consumption"].accounts
    assert again.proved


def test_the_commands_pass_over_a_retired_source(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "retired_too")
    assert command(stores, folder, "migrate", str(folder), "--max-error-ratio", "0.05").code == 0
    (folder / "building_data.csv").unlink()
    for verb in ("verify", "migrate"):
        called = command(stores, folder, verb, str(folder))
        assert called.code == 0, called.output
        assert "retired" in called.output
