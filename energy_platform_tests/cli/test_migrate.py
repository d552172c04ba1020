"""The command `migrate`: what it prints, writes, records and exits with."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from energy_platform.cli.main import run
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One building, four days up to 2025-05-29, no flaws; not to be changed."""
    folder = tmp_path_factory.mktemp("estates") / "sample"
    make_sample(folder, SampleOptions(buildings=1, days=4, flaws=False, interval_minutes=60))
    return folder


@pytest.fixture
def estate(sample: Path, tmp_path: Path, clean_stores: Settings, store_environment: Settings) -> Path:
    """A copy of it, over empty stores."""
    return Path(shutil.copytree(sample, tmp_path / "estate"))


def target(report: dict[str, list[dict[str, object]]], asset: str) -> dict[str, object]:
    (found,) = [item for item in report["targets"] if item["asset"] == asset]
    return found


def test_it_proves_the_estate_and_says_the_second_time_that_it_was_proven(
    estate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_file = tmp_path / "report.json"

    assert run(["migrate", str(estate), "--report", str(report_file)]) == 0
    first = capsys.readouterr().out
    report = json.loads(report_file.read_text(encoding="utf-8"))
    assert run(["migrate", str(estate)]) == 0
    second = capsys.readouterr().out

    with sqlite3.connect(estate / "sensor_readings.db") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM sensor_readings").fetchone()
    assert report["estate"] == "sample"
    assert report["proved"] is True
    readings = target(report, "timeseries/sensor_data")
    assert (readings["rows"], readings["partitions"], readings["proved"]) == (rows, 4, True)
    assert len(str(readings["fingerprint"])) == 32
    (source,) = [s for s in report["sources"] if s["source"] == "sensor_readings.db/sensor_readings"]
    assert (source["read"], source["loaded"], source["duplicates"], source["quarantined"]) == (rows, rows, 0, 0)
    assert "Proved." in first
    assert "make ui" in first
    assert "proven already" not in first
    assert "partitions were proven already" in second


def test_days_can_be_chosen_both_ends_included(estate: Path, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"

    code = run(["migrate", str(estate), "--from", "2025-05-27", "--to", "2025-05-28", "--report", str(report_file)])

    assert code == 0
    report = json.loads(report_file.read_text(encoding="utf-8"))
    assert target(report, "timeseries/sensor_data")["partitions"] == 2


def test_the_run_stands_where_the_ui_looks(estate: Path) -> None:
    run(["migrate", str(estate)])

    with dg.DagsterInstance.get() as instance:
        newest = instance.get_runs(limit=1)[0]
        days = instance.get_materialized_partitions(dg.AssetKey(["timeseries", "sensor_data"]))
    assert newest.job_name == "migrate"
    assert newest.status is dg.DagsterRunStatus.SUCCESS
    limits = newest.run_config["resources"]["limits"]["config"]  # pyright: ignore[reportIndexIssue]
    assert (limits["max_error_ratio"], limits["max_series"]) == (0.01, 1_000_000)
    assert {"2025-05-26", "2025-05-27", "2025-05-28", "2025-05-29"} <= days


def test_too_many_refused_rows_exit_1_with_source_and_reason(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(estate / "sensor_readings.db") as connection:
        connection.execute("UPDATE sensor_readings SET value = 1e9 WHERE timestamp LIKE '2025-05-27%'")

    assert run(["migrate", str(estate)]) == 1

    said = capsys.readouterr().out
    assert "Not proved." in said
    assert "sensor_readings.db/sensor_readings" in said
    assert "out_of_range" in said


def test_too_many_series_exit_1_and_nothing_of_them_is_written(
    estate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_file = tmp_path / "report.json"

    assert run(["migrate", str(estate), "--max-series", "2", "--report", str(report_file)]) == 1

    assert "--max-series" in capsys.readouterr().out
    report = json.loads(report_file.read_text(encoding="utf-8"))
    written = {item["asset"]: item["rows"] for item in report["targets"]}
    assert written.get("timeseries/sensor_data", 0) == 0
    assert written["timeseries/energy_consumption"] == 96


def test_without_a_terminal_no_bar_is_drawn(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["migrate", str(estate)])

    told = capsys.readouterr()
    assert "rows/s" not in told.err
    assert "reading" not in told.err
    assert "\x1b" not in told.out + told.err


def test_a_terminal_shows_rows_as_they_are_read_written_and_proven(
    estate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "160")

    assert run(["migrate", str(estate)]) == 0

    drawn = capsys.readouterr().err
    assert "looking for what has changed" in drawn
    assert "timeseries/" in drawn
    assert "rows" in drawn


def test_a_withheld_day_exits_1_and_is_named(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(estate / "sensor_readings.db") as connection:
        connection.execute("UPDATE sensor_readings SET value = 1e9 WHERE timestamp LIKE '2025-05-27%'")

    assert run(["migrate", str(estate), "--max-error-ratio", "1"]) == 1

    said = capsys.readouterr().out
    assert "2025-05-27" in said
    assert "withheld" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nowhere"], "nowhere", id="no such folder"),
        pytest.param(["{estate}", "--estate", "{estate}/no.yaml"], "no.yaml", id="no such estate file"),
        pytest.param(["{estate}", "--from", "2025-05-29", "--to", "2025-05-28"], "--from", id="days the wrong way"),
        pytest.param(["{estate}", "--from", "yesterday"], "--from", id="not a day"),
        pytest.param(["{estate}", "--report", "{estate}"], "report", id="report is a folder"),
        pytest.param(["{estate}", "--max-error-ratio", "2"], "--max-error-ratio", id="ratio out of range"),
        pytest.param(["{estate}", "--max-series", "0"], "--max-series", id="no series at all"),
    ],
)
def test_wrong_use_exits_2_before_anything_is_done(
    sample: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code = run(["migrate", *(argument.format(estate=sample) for argument in arguments)])

    assert code == 2
    assert said in capsys.readouterr().err


def test_an_unmapped_file_exits_2_and_is_named(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(sample, tmp_path / "estate"))
    (folder / "more.csv").write_text("a,b\n1,2\n")

    assert run(["migrate", str(folder)]) == 2
    assert "more.csv" in capsys.readouterr().err


def test_a_table_that_fails_stops_what_lies_below_it_and_nothing_else(
    estate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = estate / "users.csv"
    users.write_text(users.read_text(encoding="utf-8").replace("true", "perhaps"), encoding="utf-8")
    report_file = tmp_path / "report.json"

    code = run(["migrate", str(estate), "--report", str(report_file)])

    assert code == 1
    report = json.loads(report_file.read_text(encoding="utf-8"))
    assert report["proved"] is False
    assert [item["asset"] for item in report["targets"] if not item["proved"]] == ["postgres/users"]
    said = capsys.readouterr().out
    assert "postgres/users" in said
    assert "not_a_flag" in said


def test_what_lies_below_a_failed_table_is_not_tried(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buildings = estate / "buildings.csv"
    buildings.write_text(buildings.read_text(encoding="utf-8").replace("B001,", ","), encoding="utf-8")

    assert run(["migrate", str(estate)]) == 1

    said = capsys.readouterr().out
    assert "buildings.csv" in said
    assert "missing_key" in said
    assert "upstream:" not in said
    with dg.DagsterInstance.get() as instance:
        newest = instance.get_runs(limit=1)[0]
    assert newest.status is dg.DagsterRunStatus.FAILURE
