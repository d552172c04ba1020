"""The rings hold, and the rules that say so can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINTER = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the package in that folder; a clean path, so that no other copy of the package is looked at."""
    return subprocess.run(
        [LINTER, "--config", folder / "pyproject.toml", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_rings_hold() -> None:
    checked = lint(ROOT)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


@pytest.mark.parametrize(
    ("module", "imported", "broken"),
    [
        ("domain/intruder.py", "dagster", "What the company knows"),
        ("domain/intruder.py", "energy_platform.settings", "Each ring"),
        ("sources/intruder.py", "energy_platform.stores.cache.keys", "Each ring"),
        ("stores/objects/intruder.py", "energy_platform.stores.cache.keys", "The stores do not know each other"),
        ("sources/intruder.py", "psycopg", "Sources know no store's driver"),
        ("transfer/intruder.py", "dagster", "Dagster is known"),
        ("pickles/intruder.py", "joblib", "Nothing that runs unpickles"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, module: str, imported: str, broken: str) -> None:
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "energy_platform", tmp_path / "energy_platform", ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "energy_platform" / module).write_text(f"import {imported}\n", encoding="utf-8")
    checked = lint(tmp_path)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    verdicts = " ".join(checked.stdout.split())
    assert any(
        part.endswith("BROKEN") and broken in part for part in verdicts.replace("BROKEN", "BROKEN\0").split("\0")
    )


def test_every_room_stands_in_the_document() -> None:
    document = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {
        path.name if path.is_dir() else path.stem
        for path in (ROOT / "energy_platform").iterdir()
        if not path.name.startswith(("_", ".")) and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    named = {line.split()[0] for line in document.splitlines() if line.startswith("    ") and line.strip()}
    assert rooms <= named


def test_the_layers_are_exhaustive() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (rule for rule in rules if rule["type"] == "layers")
    assert layers["exhaustive"] is True
