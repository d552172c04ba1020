"""The shell scripts behind `make`, on machines that lack something: PATH holds only what a test puts there."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "dirname", "sed", "tail", "cksum", "cat", "rm", "mkdir", "mktemp", "find", "mv", "chmod", "sleep", "env")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder `bin` with the plainest tools, and a checkout with the scripts."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "/missing")
    for name in ("tools/setup.sh", "tools/influxd/build.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "requirements.lock", "requirements-uv.lock"):
        (tmp_path / name).touch()
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def run(machine: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(machine / script)],
        check=False,
        cwd="/",
        env={"PATH": str(machine / "bin"), "HOME": str(machine), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_no_python_is_said_with_what_to_install(machine: Path):
    program(machine, "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    program(machine, "python3", "echo 3.9")
    done = run(machine, "tools/setup.sh")
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12, 3.13 or 3.14" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_missing_venv_names_its_package(machine: Path):
    program(machine, "python3.13", 'case "$2" in *version_info*) echo 3.13;; *) exit 1;; esac')
    done = run(machine, "tools/setup.sh")
    assert done.returncode == 1
    assert "apt-get install python3.13-venv" in done.stderr


def test_a_python_with_venv_is_preferred_to_a_newer_one_without(machine: Path):
    program(machine, "python3.13", 'case "$2" in *version_info*) echo 3.13;; *) exit 1;; esac')
    program(
        machine,
        "python3.11",
        'case "$2" in *version_info*) echo 3.11;; -m | venv) exit 9;; esac; [ "$1" != -m ] || exit 9',
    )
    done = run(machine, "tools/setup.sh")
    assert done.returncode == 9  # it came as far as making the environment
    assert "making .venv" in done.stdout


def test_a_named_python_is_the_only_one_tried(machine: Path):
    program(machine, "python3.11", "echo 3.11")
    program(machine, "old", "echo 3.8")
    done = run(machine, "tools/setup.sh", PYTHON="old")
    assert done.returncode == 1
    assert "(old is none)" in done.stderr


@pytest.mark.parametrize(
    ("there", "named", "not_named"),
    [((), ("go.dev", "rustup.rs", "C compiler"), ()), (("go", "cc"), ("rustup.rs",), ("go.dev", "C compiler"))],
)
def test_influxd_names_what_is_missing(
    machine: Path, there: tuple[str, ...], named: tuple[str, ...], not_named: tuple[str, ...]
):
    for name in there:
        program(machine, name, "exit 0")
    done = run(machine, "tools/influxd/build.sh")
    assert done.returncode == 1
    assert all(word in done.stderr for word in named)
    assert not any(word in done.stderr for word in not_named)


def test_influxd_refuses_an_old_go(machine: Path):
    program(machine, "go", "echo go1.19.8")
    for name in ("cargo", "cc"):
        program(machine, name, "exit 0")
    done = run(machine, "tools/influxd/build.sh")
    assert done.returncode == 1
    assert "this is go1.19.8" in done.stderr


def test_influxd_is_built_once_whole_and_outside_of_the_checkout(machine: Path):
    """Another go stands in for the real one: it writes the program that it is asked for."""
    script = (
        'case "$1" in env) echo go1.23.4;; build) while [ "$1" != -o ]; do shift; done; '
        'printf \'#!/bin/sh\\necho built\\n\' >"$2"; chmod +x "$2";; esac'
    )
    program(machine, "go", script)
    for name in ("cargo", "cc"):
        program(machine, name, "exit 0")
    first = run(machine, "tools/influxd/build.sh", XDG_CACHE_HOME=str(machine / "cache"))
    assert first.returncode == 0, first.stderr
    folder = machine / "cache" / "energy-platform" / "influxd-2.7.12"
    assert [path.name for path in folder.iterdir()] == ["influxd"]
    assert [line[:14] for line in first.stdout.splitlines() if " of 4" in line] == [
        f"influxd: {step} of " for step in (1, 2, 3, 4)
    ]
    second = run(machine, "tools/influxd/build.sh", XDG_CACHE_HOME=str(machine / "cache"))
    assert second.returncode == 0
    assert "is there already" in second.stdout


def test_a_failed_build_leaves_nothing(machine: Path):
    program(machine, "go", 'case "$1" in env) echo go1.23.4;; build) exit 2;; esac')
    for name in ("cargo", "cc"):
        program(machine, name, "exit 0")
    assert run(machine, "tools/influxd/build.sh").returncode == 2
    assert list((machine / ".cache" / "energy-platform" / "influxd-2.7.12").iterdir()) == []
