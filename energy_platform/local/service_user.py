"""The unprivileged user that servers run as when we are root: PostgreSQL refuses root, the others need no rights."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy_platform.domain.errors import SettingError


@dataclass(frozen=True)
class ServiceUser:
    """A user of this machine, by name and numbers."""

    name: str
    uid: int
    gid: int

    def spawn_arguments(self) -> dict[str, Any]:
        """Arguments for `subprocess` that become this user and drop every other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def spawn_arguments(user: ServiceUser | None) -> dict[str, Any]:
    """Arguments for `subprocess` that become `user`; none where the server runs as ourselves."""
    return user.spawn_arguments() if user else {}


def choose_service_user(home: Path) -> ServiceUser | None:
    """The user whom servers of this home run as; None means ourselves.

    As root: the owner of the home folder where that is a plain user, else `postgres`, else `nobody`.

    Raises:
        SettingError: we are root and the machine has no such user.
    """
    if os.geteuid() != 0:
        return None
    owner = home.stat().st_uid
    if owner != 0:
        return _by_uid(owner)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServiceUser(name, entry.pw_uid, entry.pw_gid)
    raise SettingError(
        "Servers do not run as root, and this machine has neither a user postgres nor a user nobody.",
        remedy="Add one of them, or run the command as a plain user.",
    )


def may_enter(folder: Path, user: ServiceUser | None) -> bool:
    """Whether that user can enter the folder: tried, since mode bits alone do not tell (access lists, mounts)."""
    return _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], user)


def may_run(program: Path, user: ServiceUser | None) -> bool:
    """Whether that user can start the program and read the libraries it needs."""
    return _succeeds([str(program), "--version"], user) or _succeeds([str(program), "version"], user)


def give(path: Path, user: ServiceUser | None) -> None:
    """Make `path` belong to that user."""
    if user:
        os.chown(path, user.uid, user.gid)


def _succeeds(command: list[str], user: ServiceUser | None) -> bool:
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            **spawn_arguments(user),
        )
    except OSError:
        return False
    return done.returncode == 0


def _by_uid(uid: int) -> ServiceUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return ServiceUser(str(uid), uid, uid)
    return ServiceUser(entry.pw_name, uid, entry.pw_gid)
