"""Servers as detached processes that we can find again, and stop, without ever touching anybody else's.

A server inherits an open file of ours together with the lock on it. While the server or any child of it lives, the lock
is held; once the last of them is gone, by whatever death, the kernel lets it go. So a process number in the file is
believed only while the lock is held: a stale file, a reused number, a reboot or a copied folder cannot mislead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from energy_platform.domain.errors import StoreError
from energy_platform.local.files import leave_to_folder_owner
from energy_platform.local.service_user import ServiceUser, spawn_arguments

LOG_BYTES = 5_000_000
# Writes its own number into the locked file before it becomes the server, so that there is no moment in which the
# server runs and nobody knows its number.
_LAUNCHER = 'echo "$$"; exec "$@" >&2'

# Kept so that servers started by this very process are reaped when they end.
_children: dict[int, subprocess.Popen[Any]] = {}


class ServerProcess:
    """One server process, known by its lock file.

    Args:
        lock_file: holds the process number and carries the lock.
        log_file: takes what the server prints.
    """

    def __init__(self, lock_file: Path, log_file: Path) -> None:
        self._lock_file = lock_file
        self._log_file = log_file
        self._log_start = 0

    @property
    def log_file(self) -> Path:
        """Where the server's output goes."""
        return self._log_file

    def alive(self) -> bool:
        """Whether the server, or a child that outlived it, still runs."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def crashed(self) -> bool:
        """Whether a server was started and ended without our stopping it."""
        return self._recorded_pid() is not None and not self.alive()

    def pid(self) -> int | None:
        """The process number of the running server; None where it does not run."""
        return self._recorded_pid() if self.alive() else None

    def spawn(
        self, command: Sequence[str], *, folder: Path, user: ServiceUser | None, environment: Mapping[str, str]
    ) -> None:
        """Start the server detached from us: own session, no input, its output in the log file.

        Raises:
            StoreError: it is running already, or cannot be started at all.
        """
        self._rotate_log()
        with self._exclusive_lock() as lock, self._log_file.open("ab") as log:
            leave_to_folder_owner(self._lock_file)
            leave_to_folder_owner(self._log_file)
            os.ftruncate(lock, 0)
            self._log_start = log.seek(0, os.SEEK_END)
            try:
                child = subprocess.Popen(
                    ["/bin/sh", "-c", _LAUNCHER, "sh", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=lock,
                    stderr=log,
                    pass_fds=(lock,),
                    start_new_session=True,
                    cwd=folder,
                    env=dict(environment),
                    umask=0o077,
                    **spawn_arguments(user),
                )
            except OSError as error:
                raise StoreError(
                    f"{Path(command[0]).name} cannot be started: {error.strerror}.",
                    where=str(folder),
                    remedy="Make the folder and the program accessible to the user that servers run as.",
                ) from error
        _children[child.pid] = child

    def stop(self, signals: Sequence[tuple[signal.Signals, float]]) -> bool:
        """Stop the server: each signal in turn, with the seconds to wait for its effect.

        Returns:
            whether a server ran and was stopped by this call.

        Raises:
            StoreError: it outlived all signals.
        """
        stopped = False
        for number, seconds in signals:
            pid = self._awaited_pid()
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            stopped = True
            if self._wait_for_end(seconds):
                break
        if self.alive():
            raise StoreError(
                "The server does not stop.", where=str(self._log_file), remedy="See its log; stop it by hand."
            )
        self._lock_file.unlink(missing_ok=True)
        return stopped

    def last_words(self, lines: int = 8) -> str:
        """The last lines that the server has printed since we started it."""
        try:
            with self._log_file.open("rb") as log:
                log.seek(self._log_start)
                text = log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def _awaited_pid(self) -> int | None:
        """The process number; waits for a server that is just being started to write it."""
        deadline = time.monotonic() + 2.0
        while self.alive() and time.monotonic() < deadline:
            pid = self._recorded_pid()
            if pid is not None:
                return pid
            time.sleep(0.005)
        return None

    def _wait_for_end(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            _reap()
            time.sleep(0.01)
        _reap()
        return True

    def _recorded_pid(self) -> int | None:
        try:
            text = self._lock_file.read_text().strip()
        except FileNotFoundError:
            return None
        return int(text) if text.isdigit() else None

    @contextlib.contextmanager
    def _exclusive_lock(self) -> Iterator[int]:
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            for _ in range(100):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.01)  # somebody asks for the status just now
            else:
                raise StoreError(
                    "The server runs already.", where=str(self._lock_file), remedy="Stop it first: energy-platform down"
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def _rotate_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self._log_file.stat().st_size > LOG_BYTES:
                self._log_file.replace(self._log_file.with_suffix(".log.1"))


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]
