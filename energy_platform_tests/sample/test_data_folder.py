"""The committed estate is `energy-platform sample data --buildings 3 --days 90 --seed 1`, within its limits."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform_tests.sample.judge import judge
from energy_platform_tests.sample.test_generate import files_of, rows_of

DATA = Path(__file__).resolve().parents[2] / "data"


def sqlite_version_of(database: bytes) -> int:
    return int.from_bytes(database[96:100], "big")


def contents(model: bytes) -> dict[str, Any]:
    loaded = pickle.loads(model)
    return loaded if isinstance(loaded, dict) else vars(loaded)


def test_the_committed_estate_can_be_made_again(tmp_path: Path) -> None:
    make_sample(tmp_path, SampleOptions(buildings=3, days=90, seed=1))
    made, committed = files_of(tmp_path), files_of(DATA)
    assert made.keys() == committed.keys()
    database = "sensor_readings.db"
    assert rows_of(tmp_path) == rows_of(DATA)
    own = tuple(int(part) for part in sqlite3.sqlite_version.split("."))
    if sqlite_version_of(committed[database]) == own[0] * 1_000_000 + own[1] * 1_000 + own[2]:
        assert made[database] == committed[database]
    for name in made.keys() - {database}:
        if name.endswith(".pkl"):
            # how an array is pickled may differ between versions of numpy; what it holds may not
            one, other = contents(made[name]), contents(committed[name])
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[key], other[key]) for key in one)
        else:
            assert made[name] == committed[name], name


def test_the_committed_estate_is_small() -> None:
    assert sum(len(content) for content in files_of(DATA).values()) <= 5_000_000


def test_the_committed_estate_is_within_the_error_limits() -> None:
    manifest = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["first_day"], manifest["last_day"], manifest["timezone"]) == (
        "2025-03-01",
        "2025-05-29",
        "Asia/Seoul",
    )
    for source, account in manifest["sources"].items():
        assert account["quarantined"] < 0.01 * account["read"], source
    for source, verdicts in judge(DATA).items():
        assert manifest["sources"][source] == verdicts.account()
        assert len(verdicts.days) == 91 or source.endswith("/alerts"), "90 days and the undated"
        for day, refused in verdicts.refused.items():
            assert day == "undated" or refused < 10


@pytest.mark.parametrize(
    "reason",
    [
        "conflict",
        "unreadable_time",
        "before_first_day",
        "after_last_day",
        "in_the_future",
        "missing_value",
        "missing_key",
        "not_a_number",
        "not_finite",
        "out_of_range",
        "unknown_sensor",
    ],
)
def test_the_committed_estate_shows_every_reason(reason: str) -> None:
    manifest = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))
    assert any(flaw["outcome"] == f"quarantined:{reason}" for flaw in manifest["flaws"])
