"""How a file writes its numbers: decimal sign, thousands, units glued to them, and what stands where there is none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from energy_platform.sources.inspect.naming import unit_named
from energy_platform.sources.inspect.words import MISSING_MARKS, MISSING_NUMBERS

_EXPONENT = r"(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """A way to write numbers.

    Attributes:
        decimal: sign before the fraction.
        thousands: sign between groups of three digits; empty where there is none.
    """

    decimal: str = "."
    thousands: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression for a whole number or one with a fraction."""
        decimal = re.escape(self.decimal)
        plain = rf"[+-]?(?:\d+(?:{decimal}\d*)?|{decimal}\d+){_EXPONENT}"
        if not self.thousands:
            return plain
        group = re.escape(self.thousands)
        return rf"(?:[+-]?[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{decimal}\d+)?|{plain})"

    def number(self, text: str) -> float | None:
        """The number that a text is; None where it is none."""
        text = text.strip()
        if text.lower().lstrip("+-") in {"inf", "infinity"}:
            return float(text)
        if not re.fullmatch(self.pattern, text):
            return None
        if self.thousands:
            text = text.replace(self.thousands, "")
        return float(text.replace(self.decimal, "."))


PLAIN: Final = NumberStyle()
#: From the simplest on: the first of those that read most columns.
STYLES: Final = (
    PLAIN,
    NumberStyle(","),
    NumberStyle(".", ","),
    NumberStyle(",", "."),
    NumberStyle(",", " "),
    NumberStyle(".", " "),
    NumberStyle(".", "'"),
)
_MANY = 0.9
_GLUED = re.compile(r"^([+-]?[\d.,' ]*\d)\s*([^\d\s+-][^\d]*)$")


def is_missing(text: str) -> bool:
    """Whether a text means that nothing was measured."""
    return text.strip().casefold() in MISSING_MARKS


def reads(cells: Sequence[str], style: NumberStyle) -> bool:
    """Whether nearly all of the cells that hold something are numbers of that style."""
    pattern = re.compile(style.pattern)
    held = [cell.strip() for cell in cells if cell.strip() and not is_missing(cell)]
    good = sum(1 for cell in held if pattern.fullmatch(cell) or cell.lower().lstrip("+-") in {"inf", "infinity"})
    return bool(held) and good >= _MANY * len(held)


def styles_of(columns: Iterable[Sequence[str]]) -> tuple[NumberStyle, ...]:
    """The styles that read the most columns of a file, the simplest first.

    More than one come back only where the same texts are different numbers in them: `1,234` alone.
    """
    several = [_without_unit(cells) for cells in columns]
    if not several:
        return (PLAIN,)
    counts = [sum(reads(cells, style) for cells in several) for style in STYLES]
    best = [style for style, count in zip(STYLES, counts, strict=True) if count == max(counts)]
    if best[0] == PLAIN or not max(counts):
        return (PLAIN,)
    doubtful = (NumberStyle(","), NumberStyle(".", ","))
    return doubtful if set(doubtful) <= set(best) else (best[0],)


def _without_unit(cells: Sequence[str]) -> tuple[str, ...]:
    """The cells without a unit that is glued to nearly all of their numbers."""
    unit = glued_unit(cells)
    return tuple(cell.strip().removesuffix(unit).strip() if unit else cell for cell in cells)


def glued_unit(cells: Iterable[str]) -> str | None:
    """The unit behind all numbers of a column, as it stands there, e.g. `°C`; None where there is none."""
    held = [cell.strip() for cell in cells if cell.strip() and not is_missing(cell)]
    found = Counter(match[2].strip() for cell in held if (match := _GLUED.match(cell)))
    if not found:
        return None
    unit, count = found.most_common(1)[0]
    return unit if count >= _MANY * len(held) and unit_named(unit) else None


def missing_number(values: Sequence[float]) -> float | None:
    """A number that means that nothing was measured: it stands apart from all others; None where there is none."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    for mark in MISSING_NUMBERS:
        if mark not in (low, high):
            continue
        others = [value for value in values if value != mark]
        if len(others) < 3 or len(others) < len(values) // 2:
            continue
        # far from all others: 999 among 990 and 1001 is a value
        apart = min(abs(value - mark) for value in others)
        spread = max(others) - min(others)
        # nothing else is negative: no measurement is, by chance, exactly that
        alone = mark < 0 <= min(others)
        if alone or (apart > 2 * spread and apart > abs(mark) / 2):
            return mark
    return None
