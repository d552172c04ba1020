"""Progress of long work, told in rows while it goes on: how fast it is, how long it will take, and who listens."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Phase = Literal["reading", "writing", "proving"]


@dataclass(frozen=True, slots=True)
class Step:
    """Some rows are done.

    Attributes:
        asset: that is loaded, e.g. `timeseries/sensor_data`.
        phase: of its load.
        name: the source that is read, else the asset.
        rows: done since the last step of this phase and name.
        total: rows of this phase and name as far as known; may be an estimate.
    """

    asset: str
    phase: Phase
    name: str
    rows: int
    total: int | None = None


#: Called from the loading thread; must return quickly.
Progress = Callable[[Step], None]
#: Seconds, from any start.
Clock = Callable[[], float]

#: A rate is that of the last so many seconds; how often it is sampled.
WINDOW_SECONDS, SAMPLE_SECONDS = 30.0, 0.25
#: A log is told this often at most.
SECONDS_BETWEEN_LINES = 5.0

_listeners: list[Progress] = []


@contextmanager
def listening(listener: Progress) -> Iterator[None]:
    """Have a listener told of every step that is announced in this process, whoever started the work."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def announce(step: Step) -> None:
    """Tell all who listen."""
    for listener in _listeners:
        listener(step)


class Pace:
    """How far one phase of one source or target has come.

    Attributes:
        rows: done.
        total: rows in all; None where nobody knows.
        seconds: from the start to the last rows.
    """

    def __init__(self, started: float) -> None:
        """Start at a time of any clock, the one that all later times are of."""
        self.rows = 0
        self.total: int | None = None
        self.seconds = 0.0
        self._started = started
        self._samples = deque([(started, 0)])

    def add(self, step: Step, now: float) -> None:
        """Count the rows of a step."""
        self.rows += step.rows
        if step.total is not None:
            # an estimate that is passed was too low
            self.total = max(step.total, self.rows)
        self.seconds = now - self._started
        if now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, self.rows))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Rows per second of late; None before anything can be said."""
        since, before = self._samples[0]
        elapsed = self._started + self.seconds - since
        return (self.rows - before) / elapsed if elapsed > 0 else None

    @property
    def mean_rate(self) -> float | None:
        """Rows per second from the start; None before anything can be said."""
        return self.rows / self.seconds if self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at this rate; None where that is not known."""
        return None if self.total is None or not self.rate else (self.total - self.rows) / self.rate

    @property
    def text(self) -> str:
        """E.g. `1,250,000 of 3,000,000 rows, 410,000 rows/s, 4 s left`; once it is done, the mean rate."""
        if self.rows == self.total:
            rate, left = self.mean_rate, None
            of_total = ""
        else:
            rate, left = self.rate, self.seconds_left
            of_total = f" of {self.total:,}" if self.total is not None else ""
        parts = [f"{self.rows:,}{of_total} rows"]
        if rate is not None:
            parts.append(f"{rate:,.0f} rows/s")
        if left is not None:
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)

    @property
    def summary(self) -> str:
        """E.g. `3,000,000 rows in 7.3 s, 410,000 rows/s`."""
        rate = f", {self.mean_rate:,.0f} rows/s" if self.mean_rate is not None else ""
        return f"{self.rows:,} rows in {self.seconds:,.1f} s{rate}"


class ProgressLog:
    """Tells a log how far a load has come: every few seconds, and at the end of what it reads, writes and proves."""

    def __init__(
        self, say: Callable[[str], None], *, every: float = SECONDS_BETWEEN_LINES, clock: Clock = time.monotonic
    ) -> None:
        """Start now.

        Args:
            say: told a line at a time.
            every: seconds between two lines of one phase and name.
            clock: seconds.
        """
        self._say = say
        self._every = every
        self._clock = clock
        self._last_step = clock()
        self._paces: dict[tuple[Phase, str], Pace] = {}
        self._said: dict[tuple[Phase, str], float] = {}
        self._ended: dict[tuple[Phase, str], int] = {}

    def __call__(self, step: Step) -> None:
        """Count the rows of a step, and say so where it is time."""
        now = self._clock()
        key: tuple[Phase, str] = (step.phase, step.name)
        if key not in self._paces:
            # a source is read to its end before anything else begins; writing and proving take turns
            self._end(lambda phase: phase == "reading")
            self._paces[key] = Pace(self._last_step)
            self._said[key] = self._last_step
        pace = self._paces[key]
        pace.add(step, now)
        self._last_step = now
        if now - self._said[key] >= self._every:
            self._said[key] = now
            self._say(f"{step.phase} {step.name}: {pace.text}")

    def finish(self) -> None:
        """Say how everything ended that has not been said yet."""
        self._end(lambda _phase: True)

    def rows_of(self, phase: str) -> int | None:
        """Rows of a phase over all that it had to do; None where it told of none."""
        paces = [pace for (known, _), pace in self._paces.items() if known == phase]
        return sum(pace.rows for pace in paces) if paces else None

    def _end(self, concerns: Callable[[Phase], bool]) -> None:
        for key, pace in self._paces.items():
            if concerns(key[0]) and self._ended.get(key) != pace.rows:
                self._ended[key] = pace.rows
                self._say(f"{key[0]} {key[1]}: {pace.summary}")


@contextmanager
def logged(say: Callable[[str], None]) -> Iterator[ProgressLog]:
    """Tell a log of every step that is announced while the block runs, and of the end, also where it fails."""
    log = ProgressLog(say)
    with listening(log):
        try:
            yield log
        finally:
            log.finish()


def duration(seconds: float) -> str:
    """Seconds as people say them: `4 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def timed(phases: dict[str, float], phase: str) -> Iterator[None]:
    """Add the seconds of a block to those of a phase."""
    started = time.monotonic()
    try:
        yield
    finally:
        phases[phase] = phases.get(phase, 0.0) + time.monotonic() - started
