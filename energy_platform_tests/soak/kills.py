"""Kills: who dies, and when; each done to a loading process of its own."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy_platform.failpoints import FAILPOINTS
from energy_platform.settings import Settings
from energy_platform_tests.promises.pipeline import start_loading
from energy_platform_tests.soak.ground import MANY_PIECES, Ground

LOADER: Final = "loader"
COMMAND: Final = "command"
RANDOM: Final = "random moment"
#: At most so long does a load take, or waits for a store that is gone.
_SECONDS: Final = 150.0
#: Failpoints of Dagster's side; a loader without Dagster never comes by.
_OF_DAGSTER: Final = frozenset({"ledger_before_event"})
#: How often a load of the small estates comes by at most, where that is not often.
_MOST_HITS: Final = {"mid_cache": 2, "mid_object": 1, "mid_spill": 8, "mid_table_swap": 11, "ledger_before_event": 17}
_MANY_HITS: Final = 40
#: What the command takes longer to get to work.
_COMMAND_SECONDS: Final = 5.0
#: How a load ends that has noticed: in an error that is meant to be read.
_READABLE: Final = re.compile(r"^energy_platform\.domain\.errors\.\w+Error: ", re.MULTILINE)


@dataclass(frozen=True)
class Kill:
    """Who is killed with signal 9, and when.

    Attributes:
        victim: the loader, the command that loads with Dagster, or, while the loader is at work, a server: postgres,
            timeseries, redis.
        place: the failpoint at which the loader is when it happens, or a random moment.
        time: at which time the loader comes by.
        seconds: after the start of the loader, where the moment is random.
        force: whether the loader writes again what is proven already.
    """

    victim: str
    place: str
    time: int = 1
    seconds: float = 0.0
    force: bool = False

    def __str__(self) -> str:
        when = f"{self.seconds:.3f} s" if self.place == RANDOM else f"{self.place}@{self.time}"
        return f"{self.victim} at {when}{', forced' if self.force else ''}"


class UnreadableEndError(AssertionError):
    """A load whose store died did not say so in words."""


def happens(ground: Ground, folder: Path, kill: Kill) -> bool:
    """Do it to a load of this folder; gives whether the load was still under way when it happened.

    Raises:
        UnreadableEndError: the load ended in something else than one of our errors.
    """
    ground.start_again()
    with tempfile.TemporaryDirectory() as scratch:
        sign = Path(scratch) / "reached"
        variables = dict(MANY_PIECES)
        if kill.place != RANDOM:
            action = "kill" if kill.victim in {LOADER, COMMAND} else f"pause:{sign}"
            variables["ENERGY_FAILPOINTS"] = f"{kill.place}={action}@{kill.time}"
        by_command = kill.victim == COMMAND
        with loading(ground, folder, variables, force=kill.force, by_command=by_command) as (process, output):
            if kill.place == RANDOM:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(kill.seconds)
            elif kill.victim not in {LOADER, COMMAND}:
                while process.poll() is None and not sign.exists():
                    time.sleep(0.005)
            under_way = process.poll() is None
            if kill.victim in {LOADER, COMMAND}:
                if kill.place == RANDOM and under_way:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(_SECONDS)
                return process.returncode == -signal.SIGKILL
            if under_way:
                kill_server(ground, kill.victim)
                sign.unlink(missing_ok=True)
            code = process.wait(_SECONDS)
    said = "".join(output)
    if code != 0 and not _READABLE.search(said):
        raise UnreadableEndError(f"{kill}: exit code {code}\n{said[-3000:]}")
    return under_way


def kill_server(ground: Ground, server: str) -> None:
    """Kill -9 a server, and see it gone."""
    pid = ground.pid_of(server)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while _runs(pid):
        assert time.monotonic() < deadline, f"{server} survived"
        time.sleep(0.005)


@contextmanager
def loading(
    ground: Ground,
    folder: Path,
    variables: dict[str, str],
    *,
    force: bool = False,
    by_command: bool = False,
    settings: Settings | None = None,
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that loads the folder, and the list that its output goes to; complete once the block has ended."""
    process = start_loading(settings or ground.settings, folder, force=force, by_command=by_command, **variables)
    assert process.stdout is not None
    output: list[str] = []
    reader = threading.Thread(target=output.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield process, output
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        reader.join(30)
        process.stdout.close()


@contextmanager
def held(
    ground: Ground, folder: Path, place: str, time_: int = 1, *, settings: Settings | None = None, **variables: str
) -> Iterator[Load]:
    """A load that is held at a failpoint for the time of the block, and goes on to its end once the block has ended.

    Args:
        ground: what is loaded, and where.
        folder: of the estate.
        place: the failpoint.
        time_: at which time the load comes by.
        settings: for this load, instead of the ground's.
        variables: further environment variables, instead of those that make many pieces.
    """
    with tempfile.TemporaryDirectory() as scratch:
        sign = Path(scratch) / "reached"
        all_variables = {**MANY_PIECES, **variables, "ENERGY_FAILPOINTS": f"{place}=pause:{sign}@{time_}"}
        done = Load()
        with loading(ground, folder, all_variables, settings=settings) as (process, output):
            while not sign.exists():
                assert process.poll() is None, f"the load was over before {place}@{time_}"
                time.sleep(0.005)
            yield done
            sign.unlink()
            done.code = process.wait(_SECONDS)
        done.output = "".join(output)


@dataclass
class Load:
    """How a load ended.

    Attributes:
        code: its exit code.
        output: all that it printed.
    """

    code: int | None = None
    output: str = ""

    @property
    def is_readable(self) -> bool:
        """Whether it ended in an error that is meant to be read."""
        return self.code == 1 and _READABLE.search(self.output) is not None


def chosen(moments: random.Random, seconds: float, *, influx: bool) -> Kill:
    """A kill by chance.

    Args:
        moments: decides.
        seconds: that a load takes which nobody kills.
        influx: whether time series live in InfluxDB.
    """
    servers = ["postgres", "redis", *(["timeseries"] if influx else [])]
    victim = moments.choice([LOADER, LOADER, LOADER, COMMAND, *servers])
    places = [name for name in FAILPOINTS if influx or name != "mid_influx_body"]
    if victim == COMMAND:
        places += [*_OF_DAGSTER, *_OF_DAGSTER]
    else:
        places = [name for name in places if name not in _OF_DAGSTER]
    place = moments.choice([*places, RANDOM, RANDOM])
    most = _MOST_HITS.get(place, _MANY_HITS)
    return Kill(
        victim,
        place,
        # early hits are more probable: a load that goes on has fewer left
        min(moments.randint(1, most), moments.randint(1, most)),
        moments.uniform(0.2, seconds + (_COMMAND_SECONDS if victim == COMMAND else 0.0)) if place == RANDOM else 0.0,
        force=moments.random() < 0.5,
    )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # a dead child of ours that nobody has asked for yet
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
