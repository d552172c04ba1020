"""`make compose-env`, and what `make compose-up` says where something is missing."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "sed", "cat", "rm", "mktemp", "mv", "chmod", "grep", "od", "tr", "env")
SECRETS = re.findall(r"^([A-Z][A-Z_]*)=$", (ROOT / "compose.env.example").read_text(), flags=re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder `bin` with the plainest tools, and a checkout with the scripts."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/missing")
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/compose.sh", "deploy/compose-env.sh", "compose.env.example"):
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def run(checkout: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "deploy" / script), *arguments],
        check=False,
        cwd="/",
        env={"PATH": str(checkout / "bin"), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def docker(checkout: Path, version: str) -> None:
    """A program `docker` with that compose plugin, or with none; it says what it was asked."""
    answers = f"echo {version}" if version else "exit 1"
    script = f'case "$*" in *version*) {answers};; *) echo "asked: $*"; env | grep -e "^ENERGY_" -e "^UI_";; esac'
    path = checkout / "bin" / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z][A-Z_]*)=(.*)$", path.read_text(), flags=re.MULTILINE))


def test_every_secret_gets_a_random_value_of_its_own(checkout: Path):
    done = run(checkout, "compose-env.sh")
    assert done.returncode == 0, done.stderr
    made = values(checkout / "compose.env")
    assert set(made) == set(SECRETS)
    assert len(set(made.values())) == len(SECRETS)
    assert all(re.fullmatch(r"[0-9a-f]{40}", value) for value in made.values())
    assert not any(value in done.stdout for value in made.values())
    assert stat.S_IMODE((checkout / "compose.env").stat().st_mode) == 0o600
    assert [path.name for path in checkout.glob("compose.env*")] in (
        ["compose.env", "compose.env.example"],
        ["compose.env.example", "compose.env"],
    )


def test_what_has_a_value_stays_and_what_is_new_is_added(checkout: Path):
    (checkout / "compose.env").write_text(
        "# mine\nREDIS_PASSWORD=chosen\\by me\nUI_PORT=8080\nPOSTGRES_APP_PASSWORD=\n"
    )
    assert run(checkout, "compose-env.sh").returncode == 0
    first = (checkout / "compose.env").read_text()
    assert first.startswith("# mine\nREDIS_PASSWORD=chosen\\by me\nUI_PORT=8080\nPOSTGRES_APP_PASSWORD=")
    assert set(values(checkout / "compose.env")) == {*SECRETS, "UI_PORT"}
    again = run(checkout, "compose-env.sh")
    assert "nothing was changed" in again.stdout
    assert (checkout / "compose.env").read_text() == first


def test_no_docker_is_said_with_what_to_install(checkout: Path):
    done = run(checkout, "compose.sh", "up")
    assert done.returncode == 1
    assert "there is no docker on this machine" in done.stderr


def test_a_missing_or_old_plugin_is_said(checkout: Path):
    docker(checkout, "")
    assert "its compose plugin is not" in run(checkout, "compose.sh", "up").stderr
    docker(checkout, "v2.23.3")
    assert "2.24 or later is needed" in run(checkout, "compose.sh", "up").stderr


def test_missing_settings_are_said_and_what_makes_them(checkout: Path):
    docker(checkout, "2.40.3")
    done = run(checkout, "compose.sh", "up")
    assert done.returncode == 1
    assert "make compose-env" in done.stderr


@pytest.mark.parametrize("version", ["2.24.0", "2.40.3", "v5.0.1"])
def test_compose_is_called_with_settings_and_profile(checkout: Path, version: str):
    docker(checkout, version)
    (checkout / "compose.env").touch()
    assert run(checkout, "compose.sh", "ps", "--all").stdout == (
        "asked: compose --env-file compose.env --profile mvp ps --all\n"
    )
    assert "--profile managed ps" in run(checkout, "compose.sh", "ps", PROFILE="managed").stdout


def test_a_profile_that_is_none_is_refused_with_those_that_there_are(checkout: Path):
    docker(checkout, "2.40.3")
    (checkout / "compose.env").touch()
    done = run(checkout, "compose.sh", "up", PROFILE="growth")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "compose: there is no profile growth; there are: mvp managed command\n"
    profiles = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-profiles"].values()
    assert {profile for names in profiles for profile in names} == {"mvp", "managed", "command"}


def test_what_stands_in_the_shell_does_not_count(checkout: Path):
    docker(checkout, "2.40.3")
    (checkout / "compose.env").touch()
    variables = {"ENERGY_POSTGRES_URL": "postgresql://127.0.0.1/energy", "UI_PORT": "1", "ENERGY_OF_OTHERS": "stays"}
    assert run(checkout, "compose.sh", "up", **variables).stdout.splitlines()[1:] == ["ENERGY_OF_OTHERS=stays"]
