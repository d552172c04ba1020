"""The jobs `repair` and `replay`: what a person does with a word of their own, in the launchpad."""

from __future__ import annotations

import csv
from pathlib import Path

import dagster as dg
import psycopg

from energy_platform.defs.maintenance.mending import RepairConfig, ReplayConfig
from energy_platform.defs.resources import LoadLimits
from energy_platform.quarantine.export import write_export
from energy_platform.quarantine.listing import refused_rows
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform_tests.defs.runs import Runs, failures

READINGS = "timeseries/sensor_data"


def start(runs: Runs, job: str, op: str, config: dg.Config) -> dg.ExecuteInProcessResult:
    return runs.definitions.resolve_job_def(job).execute_in_process(
        run_config=dg.RunConfig(
            ops={op: config},
            resources={"limits": LoadLimits(max_error_ratio=1.0)},
            loggers={"console": {"config": {"log_level": "CRITICAL"}}},
        ),
        instance=runs.instance,
        raise_on_error=False,
    )


def readings(settings: Settings) -> int:
    with psycopg.connect(settings.postgres_url.get_secret_value()) as connection:
        row = connection.execute("SELECT count(*) FROM timeseries.sensor_data").fetchone()
    return row[0] if row else 0


def test_a_row_that_is_gone_is_removed_when_the_estate_is_named(runs: Runs, store_environment: Settings) -> None:
    assert failures(runs.migrate(max_error_ratio=1.0)) == {}
    before = readings(store_environment)
    runs.sql("DELETE FROM sensor_readings WHERE id = (SELECT max(id) FROM sensor_readings)")

    assert failures(start(runs, "repair", "remove_unaccounted", RepairConfig())) == {}
    (said,) = failures(
        start(runs, "repair", "remove_unaccounted", RepairConfig(remove=True, confirm="another"))
    ).values()
    assert "was not typed" in said
    assert readings(store_environment) == before

    done = start(runs, "repair", "remove_unaccounted", RepairConfig(remove=True, confirm="sample"))
    assert failures(done) == {}
    assert readings(store_environment) == before - 1
    assert failures(runs.verify()) == {}


def test_a_mended_file_is_taken_back(runs: Runs, store_environment: Settings, tmp_path: Path) -> None:
    runs.sql("UPDATE sensor_readings SET value = 'ERR' WHERE id = 7")
    assert failures(runs.migrate(max_error_ratio=1.0)) == {}
    before = readings(store_environment)
    estate = read_estate(runs.folder)
    path = tmp_path / "refused.csv"
    write_export(path, estate, refused_rows(PostgresStore(store_environment.postgres_url), estate))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    for line in lines:
        line["value"] = "1.5"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)

    done = start(runs, "replay", "take_back", ReplayConfig(file=str(path)))
    assert failures(done) == {}
    assert readings(store_environment) == before + 1
    assert failures(runs.verify()) == {}
    days = runs.events(READINGS)
    assert failures(start(runs, "replay", "take_back", ReplayConfig(file=str(path)))) == {}
    assert runs.events(READINGS) == days
