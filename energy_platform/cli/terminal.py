"""The terminal that the verbs print to, and the bars of long work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from energy_platform.transfer.progress import Clock, Pace, Step

#: Where there is no terminal, as in CI or behind a pipe, tables need not fold.
WIDTH_WITHOUT_TERMINAL = 140


def terminal() -> Console:
    """A console on standard output, as wide as the terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


@contextmanager
def bars(console: Console | None = None, clock: Clock = time.monotonic) -> Iterator[Bars]:
    """Bars on standard error while the block runs, gone afterwards; without a terminal nothing is drawn.

    Args:
        console: where else to draw.
        clock: seconds.
    """
    console = console or Console(stderr=True)
    columns = (
        SpinnerColumn(finished_text="+"),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        # takes the room that the words leave
        BarColumn(bar_width=None),
        PaceColumn(table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_interactive) as progress:
        yield Bars(progress, clock)


class Bars:
    """A bar per source that is read and per target that is written and proven; a listener of steps."""

    def __init__(self, progress: Progress, clock: Clock) -> None:
        self._progress = progress
        self._clock = clock
        self._last_step = clock()
        self._asset = ""
        self._tasks: dict[tuple[str, str], tuple[TaskID, Pace]] = {}

    def __call__(self, step: Step) -> None:
        """Advance the bar of a step."""
        if step.asset != self._asset:
            self._clear()
            self._asset = step.asset
        key = (step.phase, step.name)
        if key not in self._tasks:
            self._end_reading()
            pace = Pace(self._last_step)
            task = self._progress.add_task(f"{step.phase} {step.name}", total=None, pace=pace)
            self._tasks[key] = (task, pace)
        self._last_step = self._clock()
        task, pace = self._tasks[key]
        pace.add(step, self._last_step)
        self._progress.update(task, completed=pace.rows, total=pace.total)

    @contextmanager
    def working(self, description: str) -> Iterator[None]:
        """Show that something goes on whose rows nobody counts."""
        task = self._progress.add_task(description, total=None)
        try:
            yield
        finally:
            self._progress.remove_task(task)

    def _end_reading(self) -> None:
        """A source is read to its end before anything else begins, whatever was estimated."""
        for (phase, _), (task, pace) in self._tasks.items():
            if phase == "reading":
                pace.total = pace.rows
                self._progress.update(task, total=pace.rows)

    def _clear(self) -> None:
        for task, _ in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


class PaceColumn(ProgressColumn):
    """Rows done, of how many where that is known, rows per second, and how long the rest will take."""

    def render(self, task: Task) -> Text:
        """E.g. `1,250,000 of 3,000,000 rows, 410,000 rows/s, 4 s left`."""
        pace: Pace | None = task.fields.get("pace")
        return Text(pace.text) if pace is not None and pace.rows else Text("")
