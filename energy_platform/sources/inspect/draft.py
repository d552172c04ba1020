"""A source of the estate file in the making."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.identity import Identity
from energy_platform.sources.inspect.proposal import ColumnProposal, Question, SourceProposal
from energy_platform.sources.inspect.roles import Casting, Match
from energy_platform.sources.inspect.tables import FoundTable


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What other files of the estate say.

    Attributes:
        has_register: some source says in which building each sensor is.
        only_building: the code of the only building there is; None where there are more, or none is known.
        name_pattern: for files of one kind: the building stands in their names, where this expression finds it.
        pattern: for files of one kind: what their names have in common, e.g. `meters/*.csv`.
        timezone: of times that carry none, where it is known.
        buildings: codes that a table of buildings holds.
    """

    has_register: bool = False
    only_building: str | None = None
    name_pattern: str | None = None
    pattern: str | None = None
    timezone: str | None = None
    buildings: frozenset[str] = frozenset()


@dataclass(slots=True)
class Draft:
    """A source proposal in the making."""

    table: FoundTable
    casting: Casting
    around: Surroundings
    made: SourceProposal
    identity: Identity
    used: set[str] = field(default_factory=set)

    def play(self, role: str, value: Any, match: Match) -> None:
        """A column plays a role."""
        self.made.entry[role] = value
        self.used.add(match.column.name)
        certainty, why = match.certainty, match.why
        if guess := self.made.comments.get(role):
            certainty, why = ("likely" if certainty == "sure" else certainty), f"{why}; {guess}"
        elif certainty == "likely":
            self.made.comments[role] = f"likely: {why}"
        self.made.columns.append(ColumnProposal(match.column.name, role, certainty, why))

    def ask(self, what: str, how: str) -> None:
        """Leave a question open."""
        self.made.questions.append(Question(self.made.name, what, how))


def shown(column: Column) -> str:
    """The values of a column in short, without showing what may be personal."""
    if column.low is not None and column.high is not None:
        finite = isfinite(column.low) and isfinite(column.high)
        return f"numbers from {column.low:g} to {column.high:g}" if finite else "numbers"
    if column.kind == "text":
        return f"texts, {column.distinct:,} different"
    return {"flag": "flags", "time": "times", "date": "dates", "clock": "times of day"}.get(column.kind, column.kind)
