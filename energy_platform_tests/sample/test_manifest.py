"""The manifest says of every row what the rules say, and nothing else."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from energy_platform.sample.flaws import ALERT_DUPLICATE, ALERT_FLAWS, ENERGY_FLAWS, READING_FLAWS
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform_tests.sample.judge import judge

OPTIONS = {
    "small": SampleOptions(buildings=1, days=2, interval_minutes=60),
    "usual": SampleOptions(buildings=4, days=40, seed=7, interval_minutes=15),
    "clean": SampleOptions(buildings=2, days=10, flaws=False),
    # clocks change on 2024-03-31 (a missing hour) and 2024-10-27 (a repeated one)
    "spring": SampleOptions(buildings=2, days=20, first_day=date(2024, 3, 20), timezone="Europe/Berlin"),
    "autumn": SampleOptions(buildings=2, days=20, first_day=date(2024, 10, 20), timezone="Europe/Berlin"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_manifest_and_an_independent_judge_agree_on_every_row(name: str, tmp_path: Path) -> None:
    make_sample(tmp_path, OPTIONS[name])
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    for source, verdicts in judge(tmp_path).items():
        planted = {
            flaw["key"] or str(flaw["line"]): (flaw["outcome"], flaw["day"])
            for flaw in manifest["flaws"]
            if flaw["source"] == source
        }
        assert {key: what for key, what in planted.items() if what[0] != "loaded"} == verdicts.outcomes
        assert manifest["sources"][source] == verdicts.account()


def test_every_kind_of_flaw_is_planted_where_there_is_room(tmp_path: Path) -> None:
    make_sample(tmp_path, SampleOptions(buildings=40, days=60, interval_minutes=60))
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    planted = {(flaw["source"].split("/")[-1], flaw["flaw"]) for flaw in manifest["flaws"]}
    assert planted == (
        {("sensor_readings", kind.name) for kind in READING_FLAWS}
        | {("building_data.csv", kind.name) for kind in ENERGY_FLAWS}
        | {("alerts", kind.name) for kind in (ALERT_DUPLICATE, *ALERT_FLAWS)}
    )


@pytest.mark.parametrize("name", ["small", "usual"])
def test_flaws_stay_below_the_limits_at_which_runs_stop_and_days_are_withheld(name: str, tmp_path: Path) -> None:
    made = make_sample(tmp_path, OPTIONS[name])
    for source, account in made.accounts.items():
        assert account.balanced
        assert account.quarantined < 0.01 * account.read, source
    for verdicts in judge(tmp_path).values():
        for day, refused in verdicts.refused.items():
            assert day == "undated" or refused < 10 or refused < 0.2 * verdicts.days[day]


def test_a_clean_sample_has_no_flaws(tmp_path: Path) -> None:
    made = make_sample(tmp_path, OPTIONS["clean"])
    assert made.flaws == 0
    assert all(account.read == account.loaded for account in made.accounts.values())
