"""What a check says: passed or not, of how many rows, and which ones to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

Severity = Literal["warning", "error"]

#: Findings that an outcome shows before it says how many more there are.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict of one check.

    Attributes:
        name: of the check.
        passed: nothing was found.
        severity: `error` where the contract promises that there is nothing; `warning` where people should look.
        checked: rows, series or files that were looked at.
        unexpected: how many of them are not as they should be.
        samples: some of these, by column; personal data is never in them.
        facts: further figures.
        excerpt: columns time and value of the readings around the first finding, for a plot; None where there is none.
        problem: why it could not be checked, in words; empty where it was.
    """

    name: str
    passed: bool
    severity: Severity = "warning"
    checked: int = 0
    unexpected: int = 0
    samples: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    excerpt: pl.DataFrame | None = None
    problem: str = ""

    @property
    def percent(self) -> float:
        """Share of what was looked at that is not as it should be, in percent."""
        return round(100.0 * self.unexpected / self.checked, 4) if self.checked else 0.0

    def __add__(self, other: Outcome) -> Outcome:
        """The verdict over both pieces of data; of figures beside the counts the later one's stand."""
        return replace(
            self,
            passed=self.passed and other.passed,
            severity="error" if "error" in {self.severity, other.severity} else "warning",
            checked=self.checked + other.checked,
            unexpected=self.unexpected + other.unexpected,
            samples=[*self.samples, *other.samples][:SHOWN],
            facts={**self.facts, **other.facts},
            excerpt=other.excerpt if self.excerpt is None else self.excerpt,
            problem=self.problem or other.problem,
        )


def together(pieces: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """The verdicts of several pieces of data, check by check, in the order in which they first appear."""
    found: dict[str, Outcome] = {}
    for piece in pieces:
        for outcome in piece:
            found[outcome.name] = found[outcome.name] + outcome if outcome.name in found else outcome
    return list(found.values())
