"""up, status, env and down, as a person calls them: in a folder, as processes of their own."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform.local.stores import remove_stores
from energy_platform.settings import Settings


@pytest.fixture(scope="module")
def project(run_folder: Path) -> Iterator[Path]:
    folder = run_folder / "project"
    folder.mkdir(mode=0o711)
    yield folder
    remove_stores(Settings(home=folder / ".energy"))


def call(folder: Path, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "energy_platform.cli.main", *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "ENERGY_TIMESERIES": "postgres", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def status(folder: Path, code: int = 0) -> dict[str, dict[str, str]]:
    return {store["name"]: store for store in json.loads(call(folder, "status", "--json", code=code).stdout)}


def test_before_the_first_start_everything_says_so(project: Path):
    assert {store["state"] for store in status(project, code=1).values()} == {"stopped"}
    assert "energy-platform up" in call(project, "env", code=1).stderr
    assert call(project, "down").stdout == "No local store was running.\n"
    assert list(project.iterdir()) == []


def test_up_status_env_down(project: Path):
    shown = call(project, "up").stdout
    assert "PostgreSQL 18" in shown
    secrets = json.loads((project / ".energy" / "credentials.json").read_text()).values()
    assert not any(secret in shown for secret in secrets)

    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    first = (project / ".env").read_text()
    assert "ENERGY_DAGSTER_POSTGRES_URL=postgresql://energy_owner:" in first

    before = status(project)
    assert {store["state"] for store in before.values()} == {"running"}
    assert before["timeseries"]["implementation"].endswith(", schema timeseries")
    began = time.perf_counter()
    call(project, "up")  # with the .env of the first call in the folder
    assert time.perf_counter() - began < 5.0
    assert status(project) == before
    assert (project / ".env").read_text() == first

    script = f'eval "$({sys.executable} -m energy_platform.cli.main env)"; echo "$PGUSER $PGDATABASE $ENERGY_HOME"'
    answer = subprocess.check_output(["sh", "-c", script], cwd=project, text=True)
    assert answer == f"energy_loader energy {project / '.energy'}\n"

    assert call(project, "down").stdout == "Stopped: Redis, PostgreSQL.\n"
    assert {store["state"] for store in status(project, code=1).values()} == {"stopped"}


def test_a_new_home_beside_an_old_env_file_starts_anew(project: Path):
    call(project, "up")
    call(project, "down")
    remove_stores(Settings(home=project / ".energy"))
    old = (project / ".env").read_text()
    call(project, "up")
    assert (project / ".env").read_text() != old
    assert {store["state"] for store in status(project).values()} == {"running"}


def test_a_full_set_of_stores_elsewhere_starts_nothing(project: Path, run_folder: Path, stores: Settings):
    folder = run_folder / "remote"
    folder.mkdir()
    given = {
        "ENERGY_POSTGRES_URL": stores.postgres_url.get_secret_value(),
        "ENERGY_POSTGRES_ADMIN_URL": stores.postgres_admin_url.get_secret_value(),
        "ENERGY_REDIS_URL": stores.redis_url.get_secret_value(),
    }
    shown = call(folder, "up", **given).stdout
    assert shown.count("(remote)") == 3
    assert not list(folder.glob(".energy/stores/*"))
    assert call(folder, "down", **given).stdout == "No local store was running.\n"
    shutil.rmtree(folder)
