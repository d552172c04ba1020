"""One look at watched files: what has changed, what of it is to be asked for, and what may be forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from energy_platform.domain.days import DayRange
from energy_platform.transfer.arrivals.asking import (
    Asked,
    Cursor,
    RunStates,
    Touched,
    request,
    still_open,
)
from energy_platform.transfer.arrivals.files import FileState, group_marks, group_of, still_written

#: Names that a line shows before it says how many more there are.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the sources hold against what the ledger was told.

    Attributes:
        touched: partitions whose verdict is not about what the sources hold, by partition.
        compared: names of the files that were looked into, in the version that was asked for.
        problems: why others could not be, by name.
    """

    touched: Mapping[str, Touched] = field(default_factory=dict)
    compared: Collection[str] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one run is to load.

    Attributes:
        covers: partitions, see `Asked`.
        days: local days of the run; None for what has no days.
    """

    covers: tuple[tuple[str, str], ...]
    days: DayRange | None = None


class Watch(Protocol):
    """Files that feed targets, and how they compare with the ledger."""

    @property
    def name(self) -> str:
        """Of what is watched; part of run keys."""
        ...

    def meaning(self) -> str:
        """Changes with all that says what the files mean."""
        ...

    def files(self) -> dict[str, FileState]:
        """The watched files by name."""
        ...

    def acknowledged(self, states: Mapping[str, FileState]) -> set[str]:
        """Names of files that the ledger knows in this version as a whole, as far as that is known without reading."""
        ...

    def compare(self, states: Mapping[str, FileState], names: Collection[str]) -> Comparison:
        """Look into these files; those for which time did not suffice are not in the answer."""
        ...

    def stretches(self, partitions: Collection[str]) -> list[Stretch]:
        """Partitions as runs."""
        ...


@dataclass(frozen=True, slots=True)
class RunWanted:
    """A run to ask for.

    Attributes:
        key: see `asking.request`.
        days: local days; None for what has no days.
        partitions: that are touched.
    """

    key: str
    days: DayRange | None
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found.

    Attributes:
        runs: to ask for.
        cursor: to remember.
        lag_seconds: for how long the oldest change has been waiting for its verdict.
        files: how many are watched.
        changed: names of those that have changed and are not acknowledged.
        waiting: names of those that are still written.
        under_way: what was asked for and is not settled.
        problems: why files could not be looked into, by name.
    """

    runs: list[RunWanted]
    cursor: str
    lag_seconds: float
    files: int
    changed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    under_way: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        """Whether there was nothing to see."""
        return not (self.runs or self.changed or self.waiting or self.under_way or self.problems)

    @property
    def summary(self) -> str:
        """All that in a sentence for the log."""
        parts = [f"{self.files} files"]
        parts += [f"{len(self.changed)} not acknowledged ({_some(self.changed)})"] if self.changed else []
        parts += [f"still written: {_some(self.waiting)}"] if self.waiting else []
        parts += [f"{self.under_way} runs asked for before"] if self.under_way else []
        parts += [f"cannot be read: {_some([*self.problems.values()])}"] if self.problems else []
        return f"{', '.join(parts)}; lag {self.lag_seconds:.0f} s"


def look(watch: Watch, remembered: str | None, runs: RunStates, *, settle_seconds: float, now: float) -> Look:
    """Look at what is watched.

    A file that cannot be read is no empty file: nothing is asked for on its behalf, and it stays to be looked into.
    While a file that has changed is still written nothing is asked for, since a run would read it too.

    Args:
        watch: what is watched.
        remembered: the cursor of the last look.
        runs: the state of runs by key.
        settle_seconds: see `still_written`.
        now: seconds since 1970.
    """
    states = watch.files()
    cursor, meaning = Cursor.from_text(remembered), watch.meaning()
    if cursor.under != meaning:
        cursor = replace(cursor, under=meaning, seen={})
    marks = group_marks({name: state.version for name, state in states.items()})
    moved = {group for group, mark in marks.items() if cursor.seen.get(group) != mark}
    changed = {name: state for name, state in states.items() if group_of(name) in moved}
    # a file that cannot be looked at is told of at every look, and one that is gone at none: its last figures stand
    problems = {name: state.problem for name, state in states.items() if state.problem}
    waiting = still_written(changed.values(), cursor.waiting, settle_seconds, now)
    if waiting:
        lag = _lag([states[name] for name in waiting], now)
        text = replace(cursor, waiting=waiting).to_text()
        return Look([], text, lag, len(states), [], sorted(waiting), len(cursor.asked), problems)
    known = watch.acknowledged(states) if not cursor.seen else set()
    names = [name for name, state in changed.items() if state.is_readable and name not in known]
    found = watch.compare(states, names) if names else Comparison()
    problems |= found.problems
    left = {name for name in names if name not in found.compared} | problems.keys()
    now_open = still_open(cursor.asked, found.touched, runs, now, complete=not left)
    asked = [
        (stretch, request(watch.name, stretch.covers, found.touched, now_open.attempts, now))
        for stretch in watch.stretches(now_open.attempts)
    ]
    blocked = left.union(*(touched.sources for touched in found.touched.values()))
    held_back = {group_of(name) for name in blocked}
    seen = {group: mark for group, mark in marks.items() if group not in held_back}
    seen |= {group: cursor.seen[group] for group in held_back & cursor.seen.keys() & marks.keys()}
    return Look(
        [RunWanted(each.key, stretch.days, _covered(each, now_open.attempts)) for stretch, each in asked],
        Cursor(meaning, seen, (*now_open.kept, *(each for _, each in asked))).to_text(),
        _lag([states[name] for name in blocked if name in states], now),
        len(states),
        sorted(blocked - problems.keys()),
        [],
        len(now_open.kept),
        problems,
    )


def _covered(asked: Asked, partitions: Collection[str]) -> tuple[str, ...]:
    return tuple(partition for partition in sorted(partitions) if asked.includes(partition))


def _lag(states: Sequence[FileState], now: float) -> float:
    return max((now - state.changed_at for state in states if state.changed_at), default=0.0)


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
