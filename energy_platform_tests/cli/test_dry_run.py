"""`migrate --dry-run`: what it says is what the migration then does, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from energy_platform.cli.main import run
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings
from energy_platform.stores.postgres import ledger, quarantine
from energy_platform_tests.promises.pipeline import opened


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One building, four days, with flaws; not to be changed."""
    folder = tmp_path_factory.mktemp("estates") / "sample"
    make_sample(folder, SampleOptions(buildings=1, days=4, interval_minutes=60, seed=3))
    return folder


@pytest.fixture
def estate(sample: Path, tmp_path: Path, clean_stores: Settings, store_environment: Settings) -> Path:
    """A copy of it, over empty stores."""
    return Path(shutil.copytree(sample, tmp_path / "estate"))


def call(estate: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the report."""
    report = estate.parent / "report.json"
    code = run(["migrate", str(estate), "--report", str(report), "--max-error-ratio", "0.2", *options])
    return code, json.loads(report.read_text(encoding="utf-8"))


def recorded(settings: Settings, estate: Path) -> tuple[int, int, int]:
    """How many verdicts, quarantined rows and points the stores hold."""
    with opened(settings, estate) as platform:
        points = sum(
            frame.height
            for name in ("sensor_data", "energy_consumption")
            for frame in platform.timeseries.read(platform.contract(name), platform.survey().tenants)  # pyright: ignore[reportArgumentType]
        )
        with platform.postgres.connection() as connection:
            held = quarantine.partitions(connection, platform.estate.code, "timeseries/sensor_data")
            return len(ledger.read(connection, platform.estate.code)), len(held), points


def test_it_says_what_the_migration_then_does_and_writes_nothing(
    estate: Path, clean_stores: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code, predicted = call(estate, "--dry-run")
    said = capsys.readouterr().out

    assert code == 0
    assert recorded(clean_stores, estate) == (0, 0, 0)
    assert "Nothing was written." in said
    assert predicted["dry_run"] is True

    code, done = call(estate)
    assert code == 0
    assert predicted["sources"] == done["sources"]
    assert any(source["quarantined"] for source in done["sources"])
    loaded = {target["asset"]: (target["rows"], target["partitions"]) for target in done["targets"]}
    for target in predicted["targets"]:
        assert (target["rows"], target["partitions"]) == loaded[target["asset"]], target["asset"]
        assert target["bytes"] > 10 * target["rows"]
    with opened(clean_stores, estate) as platform, platform.postgres.connection() as connection:
        counted = connection.execute(
            "SELECT measurement, count(DISTINCT (tenant_id, series)) FROM energy.claims GROUP BY measurement"
        ).fetchall()
    series = {target["asset"].split("/")[1]: target["series"] for target in predicted["targets"] if target["series"]}
    assert series == dict(counted)

    code, again = call(estate, "--dry-run")
    assert code == 0
    assert again["sources"] == done["sources"]
    assert {target["rows"] for target in again["targets"]} == {0}
    assert "Nothing is left to do." in capsys.readouterr().out


def test_what_would_stop_it_is_said_with_exit_1(estate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(estate, "--dry-run", "--max-series", "1")[0] == 1
    assert "--max-series allows 1" in capsys.readouterr().out
    code, report = call(estate, "--dry-run", "--max-error-ratio", "0.0001")
    assert code == 1
    assert any("--max-error-ratio 0.0001" in target["problem"] for target in report["targets"])
    assert "It would stop." in capsys.readouterr().out


def test_a_dry_run_has_no_page(estate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", str(estate), "--dry-run", "--html", str(tmp_path / "page.html")]) == 2
    assert "A dry run has no page." in capsys.readouterr().err
