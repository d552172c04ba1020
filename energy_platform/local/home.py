"""The folder `.energy/`: what the local stores must remember from one call to the next.

    state.json         ports, versions, where store files live, what was set up
    credentials.json   passwords and tokens
    lock               held by whoever starts or stops stores
    run/, logs/        one lock file and one log per server
    stores/, programs/ files of the servers, and copies of programs that their user could not reach

Where servers run as another user who cannot enter this folder, stores/ and programs/ live in the shelter: a folder of
that user's own below the system's temporary one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from energy_platform.domain.errors import StoreError
from energy_platform.local.files import leave_to_folder_owner, write_private
from energy_platform.local.service_user import ServiceUser, choose_service_user, give, may_enter

LOCK_SECONDS = 180.0
NEEDED_BYTES = 200_000_000


@dataclass
class State:
    """What state.json holds."""

    ports: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    shelter: str | None = None
    timeseries: str = ""
    # database of Dagster -> fingerprint of the roles and migrations that it and its neighbours were made with
    prepared: dict[str, str] = field(default_factory=dict)


class Home:
    """The home folder of local stores.

    Args:
        root: absolute path of the folder.
        say: is told, in a sentence, what a person should know.
    """

    def __init__(self, root: Path, say: Callable[[str], None] = lambda sentence: None) -> None:
        self.root = root
        self.say = say
        self.state = self._load_state()
        self._servers_root: Path | None = None

    @cached_property
    def service_user(self) -> ServiceUser | None:
        """Whom servers run as; None means ourselves."""
        return choose_service_user(self.root)

    def make(self) -> None:
        """Make the folders that we ourselves write to."""
        # 0711: another user may pass through to the stores, but sees no names
        for folder, mode in ((self.root, 0o711), (self.root / "run", 0o700), (self.root / "logs", 0o700)):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True, mode=mode)
                leave_to_folder_owner(folder)

    def exists(self) -> bool:
        """Whether local stores were ever started here."""
        return (self.root / "state.json").exists()

    def save(self) -> None:
        """Write state.json."""
        write_private(self.root / "state.json", json.dumps(asdict(self.state), indent=1, sort_keys=True))

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process from starting or stopping stores of this home.

        Raises:
            StoreError: another one has been at it for minutes.
        """
        self.make()
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            leave_to_folder_owner(self.root / "lock")
            deadline = time.monotonic() + LOCK_SECONDS
            told = False
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreError(
                            "Another process has been starting or stopping these stores for minutes.",
                            where=str(self.root / "lock"),
                            remedy="Wait for it, or end it.",
                        ) from None
                    if not told:
                        self.say("Another process is starting or stopping these stores; waiting for it.")
                        told = True
                    time.sleep(0.05)
            self.state = self._load_state()
            yield
        finally:
            os.close(descriptor)

    def servers_root(self) -> Path:
        """The folder above stores/ and programs/, made where it is missing, which the servers' user can enter."""
        user = self.service_user
        if user is None:
            return self.root
        if self._servers_root:
            return self._servers_root
        if self.state.shelter:
            shelter = Path(self.state.shelter)
            if _is_private_folder_of(shelter, user) and self._is_ours(shelter):
                self._servers_root = shelter
                return shelter
            self._forget_stores(f"The files of the local stores, in {shelter}, are gone; starting with empty stores.")
        if may_enter(self.root, user):
            self._servers_root = self.root
        else:
            self._servers_root = self._make_shelter(user)
            self.state.shelter = str(self._servers_root)
            self.say(f"{user.name} cannot enter {self.root}: store files live in {self._servers_root}.")
        self.save()
        return self._servers_root

    def store_folder(self, name: str) -> Path:
        """The folder of one store's files; it may not exist yet."""
        root = Path(self.state.shelter) if self.state.shelter else self.root
        return root / "stores" / name

    def make_folder(self, folder: Path) -> Path:
        """Make a folder for the servers' user alone, and its parents for passing through.

        Raises:
            StoreError: there is not enough room for a store.
        """
        if not folder.parent.exists():
            folder.parent.mkdir(parents=True, mode=0o711)
            folder.parent.chmod(0o711)
            leave_to_folder_owner(folder.parent)
        free = shutil.disk_usage(folder.parent).free
        if free < NEEDED_BYTES:
            raise disk_full(folder.parent, free)
        folder.mkdir(exist_ok=True, mode=0o700)
        give(folder, self.service_user)
        return folder

    def remove(self) -> None:
        """Remove everything, store files included. The stores must be stopped."""
        if self.state.shelter:
            shutil.rmtree(self.state.shelter, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def _load_state(self) -> State:
        path = self.root / "state.json"
        try:
            return State(**json.loads(path.read_text()))
        except FileNotFoundError:
            return State()
        except (ValueError, TypeError) as error:
            raise StoreError(
                "The state of the local stores cannot be read.",
                where=str(path),
                remedy="Stop the stores by hand and delete the folder that holds this file.",
            ) from error

    def _make_shelter(self, user: ServiceUser) -> Path:
        for parent in dict.fromkeys(Path(name) for name in (tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108
            if parent.is_dir() and may_enter(parent, user):
                shelter = Path(tempfile.mkdtemp(prefix="energy-platform-", dir=parent))
                (shelter / "home").write_text(str(self.root))
                give(shelter, user)
                return shelter
        raise StoreError(
            f"{user.name}, whom servers run as, can enter neither this folder nor the system's temporary one.",
            where=str(self.root),
            remedy="Set ENERGY_HOME to a folder that this user can reach.",
        )

    def _is_ours(self, shelter: Path) -> bool:
        """Whether the shelter is this home's: it is another's where the home was copied and the original still is."""
        try:
            original = Path((shelter / "home").read_text())
        except FileNotFoundError:
            return False
        if original == self.root:
            return True
        if (original / "state.json").exists():
            return False
        (shelter / "home").write_text(str(self.root))
        return True

    def _forget_stores(self, reason: str) -> None:
        self.state.shelter = None
        self.state.prepared = {}
        self.say(reason)


def disk_full(folder: Path, free: int) -> StoreError:
    """The error for a disk without room."""
    return StoreError(
        f"The disk is full: {free // 1_000_000} MB are free, and a local store needs {NEEDED_BYTES // 1_000_000} MB.",
        where=str(folder),
        remedy="Free some space, or set ENERGY_HOME to a folder on another disk.",
    )


def _is_private_folder_of(folder: Path, user: ServiceUser) -> bool:
    """Whether nobody else can have put the folder there: temporary folders are open to all."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == user.uid and status.st_mode & 0o077 == 0
