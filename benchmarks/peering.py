"""Peers run in environments of their own, made on first use below the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import CannotRunError, Sample, Say, one_line
from benchmarks.stores import Stores

_SCRIPTS = Path(__file__).resolve().parent / "peers"
_INFLUX_MODULE = _SCRIPTS / "influx"
_INSTALL_SECONDS = 900
_PEER_SECONDS = 1800


def cache() -> Path:
    """The folder below which environments and programs are kept for the next time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "energy-platform"


class Peers:
    """Runs the scripts of `peers/`.

    Args:
        stores: the servers.
        say: is told what is installed.
    """

    def __init__(self, stores: Stores, say: Say) -> None:
        self.stores = stores
        self.say = say
        # what could not be made once is not tried again in the same run
        self._failed: dict[str, str] = {}

    def run(
        self,
        script: str,
        *,
        source: Path,
        target: str,
        rows: int,
        requirements: str = "requirements.txt",
        program: Path | None = None,
        variant: str = "",
    ) -> Sample:
        """Run a script once.

        Raises:
            CannotRunError: its environment cannot be made here, or it fails; the message says why.
        """
        python = self._environment(requirements)
        settings = self.stores.settings
        variables = {
            # as the owner: a tool may want to make its own tables
            "PEER_POSTGRES_URL": (
                settings.postgres_admin_url if target.startswith("peers.") else settings.postgres_url
            ).get_secret_value(),
            "PEER_INFLUX_URL": settings.influx_url,
            "PEER_INFLUX_TOKEN": settings.influx_token.get_secret_value(),
            "PEER_INFLUX_ORG": settings.influx_org,
            "PEER_INFLUX_BUCKET": settings.influx_bucket,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ENERGY_", "DAGSTER_"))}
        command = [str(python), str(_SCRIPTS / script), "--source", str(source), "--target", target]
        command += ["--rows", str(rows), "--variant", variant, *(["--program", str(program)] if program else [])]
        try:
            done = subprocess.run(
                command,
                env=kept | variables,
                cwd=self.stores.folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=_PEER_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise CannotRunError(f"it did not end within {error.timeout:.0f} s") from error
        if done.returncode:
            raise CannotRunError(one_line(RuntimeError(last_words(done.stderr) or last_words(done.stdout))))
        told = json.loads(done.stdout.strip().splitlines()[-1])
        return Sample(told["seconds"], told["rows"])

    def influx_program(self) -> Path:
        """The command line `influx`, built from its Go module once.

        Raises:
            CannotRunError: there is no go, or it cannot be built.
        """
        digest = hashlib.sha256((_INFLUX_MODULE / "go.sum").read_bytes()).hexdigest()[:12]
        program = cache() / f"influx-{digest}" / "influx"
        if os.access(program, os.X_OK):
            return program
        if "influx" in self._failed:
            raise CannotRunError(self._failed["influx"])
        if shutil.which("go") is None:
            raise CannotRunError("it is built from its Go module, and there is no go here")
        self.say("  building the command line influx (once)")
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_name(f"influx.{os.getpid()}")
        done = subprocess.run(
            ["go", "build", "-o", str(made), "github.com/influxdata/influx-cli/v2/cmd/influx"],
            cwd=_INFLUX_MODULE,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self._failed["influx"] = f"it cannot be built: {last_words(done.stderr)}"
            raise CannotRunError(self._failed["influx"])
        made.replace(program)
        return program

    def versions(self) -> dict[str, str]:
        """What is pinned for the peers."""
        found: dict[str, str] = {}
        for file in sorted(_SCRIPTS.glob("requirements*.txt")):
            for line in file.read_text().splitlines():
                name, _, version = line.partition("==")
                if version and not line.startswith("#"):
                    found[name] = version
        for line in (_INFLUX_MODULE / "go.mod").read_text().splitlines():
            words = line.removeprefix("require ").split()
            if words and words[0].endswith("/influx-cli/v2"):
                found["influx (CLI)"] = words[1]
        return found

    def _environment(self, requirements: str) -> Path:
        """The Python of an environment with these packages, made where it is missing."""
        if requirements in self._failed:
            raise CannotRunError(self._failed[requirements])
        wanted = _SCRIPTS / requirements
        digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
        folder = cache() / "bench-peers" / f"{wanted.stem}-{digest}"
        python, done = folder / "bin" / "python", folder / ".installed"
        if done.exists():
            return python
        self.say(f"  installing what {requirements} asks for (once)")
        uv = shutil.which("uv")
        if uv:
            make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
            install = [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(wanted)]
        else:
            make = [sys.executable, "-m", "venv", "--clear", str(folder)]
            install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", str(wanted)]
        for command in (make, install):
            try:
                ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
            except subprocess.TimeoutExpired:
                self._failed[requirements] = "it cannot be installed here: that took too long"
                raise CannotRunError(self._failed[requirements]) from None
            if ended.returncode:
                self._failed[requirements] = f"it cannot be installed here: {last_words(ended.stderr)}"
                raise CannotRunError(self._failed[requirements])
        done.touch()
        return python


def last_words(text: str) -> str:
    """The line of a program's complaint that says most: the last one that names an error, else the last one."""
    lines = [line.strip(" │╰╯─╭╮") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("(Background", "[SQL:", "[parameters:"))]
    telling = [line for line in lines if "rror" in line]
    return (telling or lines or [""])[-1]
