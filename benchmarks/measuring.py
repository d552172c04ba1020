"""Measuring contenders side by side: in rounds, so that all see the same machine, and the best of each counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["floor", "ours", "peer"]
Say = Callable[[str], None]


class CannotRunError(Exception):
    """A contender cannot run on this machine; the message says why."""


class WrongResultError(Exception):
    """A contender left something else in the target than what it was given."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a contender.

    Attributes:
        seconds: of the work.
        rows: that were moved.
        facts: further figures by name, e.g. seconds of a phase.
    """

    seconds: float
    rows: int
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to be measured.

    Attributes:
        name: as the table shows it.
        kind: what it is in the comparison.
        run: does it once, on a target that it makes fresh itself, and checks what stands there afterwards.
        note: what a reader must know to judge it.
    """

    name: str
    kind: Kind
    run: Callable[[], Sample]
    note: str = ""


@dataclass(slots=True)
class Result:
    """What came out for one contender.

    Attributes:
        name: see `Contender`.
        kind: see `Contender`.
        samples: one per round.
        note: see `Contender`.
        missing: why there is none; empty where there is.
    """

    name: str
    kind: Kind
    samples: list[Sample] = field(default_factory=list)
    note: str = ""
    missing: str = ""

    @property
    def seconds(self) -> float:
        """Of the fastest round."""
        return min((sample.seconds for sample in self.samples), default=math.nan)

    @property
    def slowest(self) -> float:
        """Seconds of the slowest round: how far they lie apart says how quiet the machine was."""
        return max((sample.seconds for sample in self.samples), default=math.nan)

    @property
    def rows(self) -> int:
        """Of one round."""
        return self.samples[0].rows if self.samples else 0

    @property
    def rows_per_second(self) -> float:
        """Of the fastest round; not a number where no rows are counted."""
        return self.rows / self.seconds if self.rows and self.seconds else math.nan

    def best(self, fact: str) -> float:
        """The smallest value of a fact over the rounds; not a number where nothing tells it."""
        return min((sample.facts[fact] for sample in self.samples if fact in sample.facts), default=math.nan)

    def most(self, fact: str) -> float:
        """The largest value of a fact over the rounds; not a number where nothing tells it."""
        return max((sample.facts[fact] for sample in self.samples if fact in sample.facts), default=math.nan)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure that has a target.

    Attributes:
        name: what is compared with what.
        value: not a number where it could not be measured.
        limit: that the value must keep.
        at_least: whether the limit is a lower one; `above` then asks for more than it.
        above: strictly more than the limit.
        unit: behind the figure: x, s, MiB.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False
    above: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where it was not measured."""
        if math.isnan(self.value):
            return None
        if self.above:
            return self.value > self.limit
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def mark(self) -> str:
        """One word for the table."""
        return {True: "met", False: "MISSED", None: "not measured"}[self.met]


@dataclass(slots=True)
class Line:
    """One comparison of the benchmark.

    Attributes:
        title: what is moved from where to where.
        results: of the contenders.
        ratios: with their targets.
        notes: what a reader must know.
        failure: why there is nothing to see; empty where there is.
    """

    title: str
    results: list[Result] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str = ""

    def floor(self) -> float:
        """Rows per second of the fastest floor."""
        return _fastest(self.results, "floor")

    def best_peer(self) -> float:
        """Rows per second of the fastest peer."""
        return _fastest(self.results, "peer")


def measure(contenders: Sequence[Contender], repeats: int, say: Say) -> list[Result]:
    """Run all contenders once per round; each round begins with another one.

    A contender that fails is left out of the rounds that follow, and its result says why.
    """
    results = [Result(contender.name, contender.kind, note=contender.note) for contender in contenders]
    for number in range(repeats):
        turn = number % len(contenders) if contenders else 0
        order = [*range(turn, len(contenders)), *range(turn)]
        for place in order:
            contender, result = contenders[place], results[place]
            if result.missing:
                continue
            try:
                sample = contender.run()
            except Exception as error:  # noqa: BLE001 - one that fails must not end the others
                result.missing = one_line(error)
                # a figure of something that also failed is no figure
                result.samples.clear()
                say(f"  {contender.name}: cannot be measured: {result.missing}")
                continue
            result.samples.append(sample)
            speed = f", {sample.rows / sample.seconds:,.0f} rows/s" if sample.rows and sample.seconds else ""
            say(f"  round {number + 1} of {repeats}, {contender.name}: {sample.seconds:.2f} s{speed}")
    return results


def one_line(error: BaseException, limit: int = 300) -> str:
    """What an error says, short enough for a table."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def quotient(above: float, below: float) -> float:
    """One figure by another; not a number where either is missing or there is nothing to divide by."""
    return above / below if below and not math.isnan(below) else math.nan


def _fastest(results: Sequence[Result], kind: Kind) -> float:
    speeds = [r.rows_per_second for r in results if r.kind == kind and not math.isnan(r.rows_per_second)]
    return max(speeds, default=math.nan)
