"""Stretches of the order of a source: which rows are meant, without naming them one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

#: The first and the last place, both included.
Stretch = tuple[int, int]


def merged(stretches: Iterable[Stretch], gap: int = 0) -> list[Stretch]:
    """Stretches in order and apart; those with at most `gap` places between them become one."""
    found: list[Stretch] = []
    for first, last in sorted(stretches):
        if found and first <= found[-1][1] + 1 + gap:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def are_within(places: pl.Series, stretches: Sequence[Stretch]) -> pl.Series:
    """Whether each place (Int64) lies in one of these stretches, which are in order and apart."""
    import polars as pl

    if not stretches:
        return pl.repeat(value=False, n=places.len(), dtype=pl.Boolean, eager=True)
    firsts, lasts = (pl.Series(ends, dtype=pl.Int64) for ends in zip(*stretches, strict=True))
    # of the stretches the last one that begins at the place or before it
    at = firsts.search_sorted(places, side="right").cast(pl.Int64) - 1
    return (at >= 0) & (places <= lasts.gather(at.clip(0)))
