"""Failpoints: named places where a test kills, fails, slows down or holds a load. Off unless ENERGY_FAILPOINTS is set.

    ENERGY_FAILPOINTS="mid_copy=kill@3,after_answer=sleep:0.5"

A name, what is done there (`kill`, `raise`, `sleep:SECONDS`, `pause:FILE`), and at which time this process comes by:
the first, where nothing is said. See docs/resilience.md.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy_platform.domain.errors import EnergyPlatformError, SettingError
from energy_platform.settings import get_settings

VARIABLE: Final = "ENERGY_FAILPOINTS"

#: Every failpoint, and what has happened when a load comes by.
FAILPOINTS: Final[Mapping[str, str]] = {
    "mid_spill": "rows were written to a temporary file, and more are to come",
    "mid_copy": "PostgreSQL has got a part of a COPY, and not its end",
    "mid_table_swap": "a part of a table's rows stands in a transaction, the old ones are still to be seen",
    "mid_influx_body": "InfluxDB has got the first half of a body",
    "mid_cache": "Redis has taken some keys, and not all",
    "mid_object": "a model file is copied, and has not got its name yet",
    "before_commit": "all of a transaction was sent, and not its COMMIT",
    "after_answer": "a store has answered that it keeps the data, and nobody has noted it",
    "data_before_ledger": "the data stand in the store and are proved, and the ledger does not know",
    "ledger_before_event": "the ledger has the verdict, and Dagster has no event",
}
_ACTIONS: Final = ("kill", "raise", "sleep", "pause")
_ENTRY: Final = re.compile(r"(?P<name>\w+)=(?P<action>\w+)(:(?P<argument>[^@]+))?(@(?P<time>[1-9]\d*))?")
_LOOK_SECONDS: Final = 0.01

_LOG: Final = logging.getLogger(__name__)


class FailpointError(EnergyPlatformError):
    """A failpoint was told to raise."""


@dataclass(frozen=True, slots=True)
class _Order:
    action: str
    argument: str
    time: int


class _Failpoints:
    """The orders of one text, and how often the process has come by each place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._orders: dict[str, list[_Order]] | None = None
        self._passed: dict[str, int] = {}
        self._lock = threading.Lock()

    def read(self) -> dict[str, list[_Order]]:
        """The orders; said loudly the first time."""
        with self._lock:
            if self._orders is None:
                if get_settings().environment == "production":
                    raise SettingError(
                        "Failpoints break loads on purpose, and this is production.",
                        where=VARIABLE,
                        remedy="Unset it; failpoints are for tests on stores of their own.",
                    )
                self._orders = _parsed(self._text)
                _LOG.warning(
                    "FAILPOINTS ARE SET: this process will break on purpose (%s=%s). Unset it where that is not meant.",
                    VARIABLE,
                    self._text,
                )
            return self._orders

    def reach(self, name: str) -> None:
        """Do what is ordered for this time at this place."""
        orders = self.read()
        with self._lock:
            self._passed[name] = passed = self._passed.get(name, 0) + 1
        for order in orders.get(name, []):
            if order.time == passed:
                _obey(name, order)


def _parsed(text: str) -> dict[str, list[_Order]]:
    orders: dict[str, list[_Order]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = _ENTRY.fullmatch(entry)
        if found is None or found["action"] not in _ACTIONS or not _is_argument(found["action"], found["argument"]):
            raise SettingError(
                f"{entry!r} is no failpoint.",
                where=VARIABLE,
                remedy="Write name=kill, name=raise, name=sleep:SECONDS or name=pause:FILE, each with @TIME behind it"
                " or without.",
            )
        if found["name"] not in FAILPOINTS:
            raise SettingError(
                f"There is no failpoint {found['name']!r}.",
                where=VARIABLE,
                remedy=f"There are: {', '.join(FAILPOINTS)}.",
            )
        order = _Order(found["action"], found["argument"] or "", int(found["time"] or 1))
        orders.setdefault(found["name"], []).append(order)
    return orders


def _is_argument(action: str, argument: str | None) -> bool:
    if action == "sleep":
        return argument is not None and re.fullmatch(r"\d+(\.\d+)?", argument) is not None
    return (argument is not None) == (action == "pause")


def _obey(name: str, order: _Order) -> None:
    _LOG.warning("Failpoint %s: %s.", name, order.action)
    if order.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif order.action == "raise":
        raise FailpointError("A failpoint was told to raise.", where=name, remedy=f"Unset {VARIABLE}.")
    elif order.action == "sleep":
        time.sleep(float(order.argument))
    else:
        _pause(Path(order.argument))


def _pause(file: Path) -> None:
    """Write the number of this process into a new file, and go on once it is gone; one that is there holds nobody."""
    written = file.with_name(f"{file.name}.{os.getpid()}")
    written.write_text(str(os.getpid()), encoding="ascii")
    try:
        # whole or not at all, and for one process alone
        os.link(written, file)
    except FileExistsError:
        return
    finally:
        written.unlink()
    while file.exists():
        time.sleep(_LOOK_SECONDS)


_active: _Failpoints | None = _Failpoints(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def failpoint(name: str) -> None:
    """A place where a load may be broken: does what ENERGY_FAILPOINTS says of it, and nothing where that is not set."""
    if _active is not None:
        _active.reach(name)


def is_set(name: str) -> bool:
    """Whether something is ordered for a place."""
    return _active is not None and name in _active.read()


def check_failpoints() -> None:
    """See that ENERGY_FAILPOINTS, where it is set, names what there is, and that this is not production.

    Raises:
        SettingError: says what is wrong.
    """
    if _active is not None:
        _active.read()


@contextmanager
def failpoints(text: str) -> Iterator[None]:
    """Set failpoints in this process, until the end of the block."""
    global _active  # noqa: PLW0603  one variable, so that a place costs nothing where none is set
    before, _active = _active, _Failpoints(text) if text else None
    try:
        check_failpoints()
        yield
    finally:
        _active = before
