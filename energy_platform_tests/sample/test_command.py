"""The command `energy-platform sample`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from energy_platform.cli.sample import sample
from energy_platform.domain.errors import UsageError


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(sample)
    return app


def test_options_reach_the_sample_and_nothing_is_drawn_without_a_terminal(app: typer.Typer, tmp_path: Path) -> None:
    arguments = [
        "--buildings",
        "2",
        "--days",
        "3",
        "--seed",
        "4",
        "--start",
        "2024-02-28",
        "--timezone",
        "Europe/Paris",
    ]
    arguments += ["--interval-minutes", "60", "--estate", "paris", "--tenant", "acme", "--clean"]
    result = CliRunner().invoke(app, [str(tmp_path / "estate"), *arguments])
    assert result.exit_code == 0, result.output
    assert "Next: energy-platform migrate" in result.stdout
    assert result.stderr == ""
    manifest = json.loads((tmp_path / "estate" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["flaws"] == []
    assert {key: manifest[key] for key in list(manifest)[:9]} == {
        "estate": "paris",
        "tenant": "acme",
        "timezone": "Europe/Paris",
        "first_day": "2024-02-28",
        "last_day": "2024-03-01",
        "buildings": 2,
        "days": 3,
        "seed": 4,
        "interval_minutes": 60,
    }


def test_wrong_use_is_an_error_that_names_the_option(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path), "--days", "0"])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "--days: 0 is out of range. Give a whole number from 1 to 3,660."


def test_help_names_every_option(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    options = ("buildings", "days", "seed", "start", "timezone", "interval-minutes", "clean", "force")
    assert all(f"--{option}" in result.stdout for option in options)
