"""What is asked for: once for each content, again where a run failed, and never while a run is under way.

A mark moves only over what the ledger has acknowledged. Until then what was asked for is remembered with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from energy_platform.transfer.arrivals.files import mark_of

#: Of a run that was asked for: nobody knows it (yet), it waits or works, it has ended.
RunState = Literal["unknown", "under way", "ended"]
#: The state of a run by the key that it was asked for with.
RunStates = Callable[[str], RunState]

#: A run that nobody knows after so long is asked for again, with the same key.
LOST_SECONDS: Final = 300.0
#: After a run that changed nothing the same is asked for again after this pause, doubled each time, up to the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 300.0, 21_600.0


@dataclass(frozen=True, slots=True)
class Touched:
    """A partition whose verdict is not about what the sources hold now.

    Attributes:
        content: changes with what the sources hold of it.
        recorded: changes with every verdict in the ledger.
        sources: whose rows differ.
    """

    content: str
    recorded: str
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked for.

    Attributes:
        key: of the run.
        covers: first and last partition of each stretch; of a partition that is no day both are its name.
        content: of the partitions that were touched when it was asked for.
        attempt: 1 for the first run for this content.
        at: when, in seconds since 1970.
    """

    key: str
    covers: tuple[tuple[str, str], ...]
    content: str
    attempt: int
    at: float

    def includes(self, partition: str) -> bool:
        """Whether the run is to load this partition."""
        return any(
            first <= partition <= last and (first == last or partition[:1].isdigit()) for first, last in self.covers
        )

    @property
    def pause_seconds(self) -> float:
        """How long the same is not asked for again after the run has ended."""
        return min(FIRST_PAUSE_SECONDS * 2 ** (self.attempt - 1), LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What one who asks has to remember.

    Attributes:
        under: changes with all that says what files mean; nothing that was seen holds under another one.
        seen: a mark per group of files, for what is acknowledged.
        asked: what may not be acknowledged yet.
        waiting: files that may still be written; see `still_written`.
    """

    under: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    waiting: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def to_text(self) -> str:
        """As JSON."""
        asked = [[each.key, each.covers, each.content, each.attempt, each.at] for each in self.asked]
        facts: dict[str, Any] = {"under": self.under, "seen": dict(self.seen)}
        facts |= {"asked": asked} if asked else {}
        facts |= {"waiting": dict(self.waiting)} if self.waiting else {}
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> Cursor:
        """From JSON; what cannot be understood is a fresh start, which asks for nothing twice."""
        try:
            facts = json.loads(text or "{}")
            asked = tuple(
                Asked(key, tuple((first, last) for first, last in covers), content, int(attempt), float(at))
                for key, covers, content, attempt, at in facts.get("asked", [])
            )
            waiting = {name: (version, float(since)) for name, (version, since) in facts.get("waiting", {}).items()}
            return cls(str(facts.get("under", "")), dict(facts.get("seen", {})), asked, waiting)
        except (ValueError, TypeError, AttributeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Request:
    """A run to ask for.

    Attributes:
        key: the same for the same content over the same verdicts, so that asking twice gives one run.
        covers: see `Asked`.
    """

    key: str
    covers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Open:
    """What of the touched partitions is to be asked for now.

    Attributes:
        attempts: of each partition that is to be asked for: which attempt this is.
        kept: what was asked for and is not settled.
    """

    attempts: Mapping[str, int]
    kept: tuple[Asked, ...]


def still_open(
    asked: Sequence[Asked], touched: Mapping[str, Touched], states: RunStates, now: float, *, complete: bool
) -> Open:
    """Set aside what is under way or has just failed.

    Args:
        asked: what was asked for.
        touched: partitions whose verdict is not about what the sources hold.
        states: of runs.
        now: seconds since 1970.
        complete: every source that has changed was looked at; else nothing is taken for acknowledged.
    """
    attempts = dict.fromkeys(touched, 1)
    kept: list[Asked] = []
    for each in asked:
        covered = {partition: touched[partition] for partition in sorted(touched) if each.includes(partition)}
        if not covered:
            if not complete:
                kept.append(each)
            continue
        state = states(each.key)
        same = content_of(covered) == each.content
        if state == "unknown":
            held = now - each.at < LOST_SECONDS
            attempt = each.attempt
        else:
            held = state == "under way" or (same and now - each.at < each.pause_seconds)
            attempt = each.attempt + 1
        for partition in covered:
            if held:
                attempts.pop(partition, None)
            elif same and partition in attempts:
                attempts[partition] = max(attempts[partition], attempt)
        if held:
            kept.append(each)
    return Open(attempts, tuple(kept))


def content_of(touched: Mapping[str, Touched]) -> str:
    """One mark of what the sources hold of these partitions."""
    return mark_of(f"{partition} {touched[partition].content}" for partition in sorted(touched))


def request(
    name: str,
    covers: tuple[tuple[str, str], ...],
    touched: Mapping[str, Touched],
    attempts: Mapping[str, int],
    now: float,
) -> Asked:
    """Ask for partitions.

    Args:
        name: of who asks.
        covers: stretches of partitions.
        touched: all touched partitions.
        attempts: of those that are to be asked for.
        now: seconds since 1970.
    """
    draft = Asked("", covers, "", 1, now)
    covered = {partition: touched[partition] for partition in sorted(attempts) if draft.includes(partition)}
    attempt = max((attempts[partition] for partition in covered), default=1)
    content = content_of(covered)
    # the same content may come back after another one: what the ledger says of it has changed then
    recorded = mark_of(f"{partition} {covered[partition].recorded}" for partition in covered)
    first, last = covers[0][0], covers[-1][1]
    key = f"{name}:{first}..{last}:{mark_of([content, recorded, attempt])}"
    return replace(draft, key=key, content=content, attempt=attempt)
