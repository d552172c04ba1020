"""The oracle agrees with the sample's manifest, and knows nothing of ours."""

from __future__ import annotations

import ast
import copy
import json
import sys
from pathlib import Path

import pytest

from energy_platform_tests import oracle

DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def expected() -> oracle.Expected:
    return oracle.expected_of(DATA, oracle.sample_of(DATA))


def test_it_imports_the_standard_library_alone() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or "."] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported <= set(sys.stdlib_module_names)


def test_its_accounts_are_those_of_the_manifest(expected: oracle.Expected) -> None:
    sources = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))["sources"]
    for source, account in expected.accounts.items():
        assert account.facts() == sources[source], source


def test_an_instant_it_was_told_by_hand(expected: oracle.Expected) -> None:
    # midnight of the first of March in Seoul
    point = ("sample", "B001", "main", 1_740_754_800_000_000)
    assert expected.points["energy_consumption"][point] == {
        "power_kw": 14.86,
        "temperature_c": -0.9,
        "humidity_pct": 58.9,
        "occupancy": 2.2,
    }
    assert len(expected.days["energy_consumption"]) == 90
    assert sum(expected.days["sensor_data"].values()) == 38_688


@pytest.mark.parametrize("what", ["missing", "too many", "instead of"])
def test_every_difference_is_named(expected: oracle.Expected, what: str) -> None:
    found = copy.deepcopy(expected.points)
    assert oracle.point_differences(expected.points, found) == []
    alerts = found["alerts"]
    point = next(iter(alerts))
    if what == "missing":
        del alerts[point]
    elif what == "too many":
        alerts[(*point[:-1], point[-1] + 1)] = dict(alerts[point])
    else:
        alerts[point]["message"] += "."
    (fact,) = oracle.point_differences(expected.points, found)
    assert what in fact
