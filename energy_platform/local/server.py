"""What every local server has in common: prepared once, started detached, waited for, stopped by us alone."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.local.home import Home, disk_full
from energy_platform.local.ports import choose_port, is_free
from energy_platform.local.process import ServerProcess
from energy_platform.settings import Settings

START_SECONDS = 90.0
MOST_STARTS = 4


class LocalServer(ABC):
    """One server on this machine.

    Args:
        home: where its files and its state live.
        settings: may name the program to start.
        credentials: passwords and tokens by name.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, home: Home, settings: Settings, credentials: Mapping[str, str]) -> None:
        self.home = home
        self.settings = settings
        self.credentials = credentials
        self._spawned = False
        self.process = ServerProcess(home.root / "run" / f"{self.name}.lock", home.root / "logs" / f"{self.name}.log")

    @abstractmethod
    def prepare(self) -> Sequence[str]:
        """Make the files that the server needs, and return the command that starts it on its port."""

    @abstractmethod
    def check(self) -> bool:
        """Whether the server answers, and to our credentials.

        Raises:
            StoreAccessError: a server answers, and refuses them.
        """

    @property
    def folder(self) -> Path:
        """The folder of the server's files."""
        return self.home.store_folder(self.name)

    @property
    def port(self) -> int:
        """The port chosen for the server; 0 where none was chosen yet."""
        return self.home.state.ports.get(self.name, 0)

    @property
    def version(self) -> str:
        """The version that was started last."""
        return self.home.state.versions.get(self.name, "")

    def begin(self) -> None:
        """Start the server where it does not run, without waiting for it to answer.

        Raises:
            StoreError: no room, no program, or files that do not fit the program.
        """
        if self.process.alive():
            return
        if self.process.crashed():
            self.home.say(f"{self.title} has ended without being stopped; starting it again.")
        self._choose_port()
        self.home.servers_root()  # may move the files to another place, so it comes before any use of the folder
        command = self.prepare()
        self.home.save()
        self.process.spawn(
            command, folder=self.folder, user=self.home.service_user, environment=_environment(self.folder)
        )
        self._spawned = True

    def finish(self) -> None:
        """Wait until the server answers.

        Raises:
            StoreError: it ends, and says why.
            StoreAccessError: it refuses our password.
            StoreUnavailableError: it runs and does not answer.
        """
        deadline = time.monotonic() + START_SECONDS
        starts = 1
        while not (self.process.alive() and self.check()):
            if not self.process.alive():
                # another program may have taken the port just before; what a killed server left behind may have held
                # on until now, and looked like a server that runs
                failed = self._spawned and is_free(self.port) and self.process.last_words()
                if starts == MOST_STARTS or failed:
                    raise self._failed_start()
                starts += 1
                self.begin()
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"{self.title} runs, and has not answered for {START_SECONDS:.0f} seconds.",
                    where=f"127.0.0.1:{self.port}",
                    remedy=f"See {self.process.log_file}; energy-platform down stops it.",
                )
            time.sleep(0.02)

    def stop(self) -> bool:
        """Stop the server where it runs; returns whether it did."""
        return self.process.stop(self.stop_signals)

    def state(self) -> str:
        """running, stopped, crashed (ended without our stopping it) or unreachable (runs and does not answer)."""
        if not self.process.alive():
            return "crashed" if self.process.crashed() else "stopped"
        try:
            return "running" if self.check() else "unreachable"
        except StoreAccessError:
            return "unreachable"

    def refuses_password(self) -> StoreAccessError:
        """The error for a server of ours that does not know our password."""
        return StoreAccessError(
            f"The local {self.title} refuses the password that was made up for it.",
            where=str(self.home.root / "credentials.json"),
            remedy=f"Put that file back, or run energy-platform down, delete {self.folder}, and start anew.",
        )

    def _choose_port(self) -> None:
        ports = self.home.state.ports
        before = ports.get(self.name)
        if before is not None and is_free(before):
            return
        ports[self.name] = choose_port(avoid=ports.values())
        if before is not None:
            self.home.say(
                f"Port {before} is taken by another program: {self.title} listens on {ports[self.name]} from now on."
            )

    def _failed_start(self) -> StoreError:
        words = self.process.last_words()
        if "No space left on device" in words:
            return disk_full(self.folder, 0)
        return StoreError(
            f"{self.title} ended while starting:\n{words}\n",
            where=str(self.process.log_file),
            remedy="Mend what it names, and run energy-platform up again.",
        )


def _environment(folder: Path) -> dict[str, str]:
    """A clean environment: PG…, INFLUXD_… and the like of the caller must not steer our servers."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
