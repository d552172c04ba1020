"""Summaries: what a set of rows adds up to, exactly, in any order and in any number of pieces.

Two sets of rows are taken for the same when their counts, exact sums, extremes and fingerprints are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.contracts import Column
from energy_platform.domain.fingerprints import MODULUS, Words, fingerprint_text, row_hashes, sum_of_hashes

#: Every finite double is a whole multiple of 2^-1074, so sums in that unit are exact integers.
_UNIT_EXPONENT = 1074


@dataclass(frozen=True, slots=True)
class Summary:
    """Count, fingerprint, and per numeric column the exact sum and the extremes of a set of rows.

    Attributes:
        rows: how many.
        fingerprint: see `energy_platform.domain.fingerprints`.
        sums: per float column the exact sum in units of 2^-1074; infinite values are not in it.
        minima: per float and time column the smallest value; times as microseconds since 1970, UTC.
        maxima: the largest.
    """

    rows: int = 0
    fingerprint: int = 0
    sums: Mapping[str, int] = field(default_factory=dict)
    minima: Mapping[str, float] = field(default_factory=dict)
    maxima: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pl.DataFrame, columns: Sequence[Column]) -> Summary:
        """The summary of a frame in canonical types over these columns."""
        return cls() if frame.is_empty() else _summarize(frame, columns, *row_hashes(frame, columns))

    @classmethod
    def by_group(
        cls, frame: pl.DataFrame, by: Sequence[str], columns: Sequence[Column]
    ) -> dict[tuple[Any, ...], Summary]:
        """A summary for each combination of values in the columns `by`; every row is hashed once."""
        if frame.is_empty():
            return {}
        frame = frame.sort(by, maintain_order=True)
        high, low = row_hashes(frame, columns)
        summaries: dict[tuple[Any, ...], Summary] = {}
        start = 0
        for *group, rows in frame.group_by(by, maintain_order=True).len().iter_rows():
            stop = start + rows
            summaries[tuple(group)] = _summarize(frame[start:stop], columns, high[start:stop], low[start:stop])
            start = stop
        return summaries

    def __add__(self, other: Summary) -> Summary:
        """The summary of both sets of rows together."""
        return Summary(
            self.rows + other.rows,
            (self.fingerprint + other.fingerprint) % MODULUS,
            {name: self.sums.get(name, 0) + other.sums.get(name, 0) for name in {**self.sums, **other.sums}},
            _merge(self.minima, other.minima, min),
            _merge(self.maxima, other.maxima, max),
        )

    @property
    def fingerprint_text(self) -> str:
        """The fingerprint as 32 hexadecimal digits."""
        return fingerprint_text(self.fingerprint)

    def differences(self, found: Summary) -> list[str]:
        """What another summary has otherwise than this one, as readable facts; empty where they are the same."""
        facts: list[str] = []
        if self.rows != found.rows:
            facts.append(f"{found.rows} rows instead of {self.rows}")
        for name in sorted({**self.sums, **found.sums}):
            ours, theirs = self.sums.get(name, 0), found.sums.get(name, 0)
            if ours != theirs:
                facts.append(f"the sum of {name} is {_as_float(theirs)!r} instead of {_as_float(ours)!r}")
        for label, ours, theirs in (
            ("smallest", self.minima, found.minima),
            ("largest", self.maxima, found.maxima),
        ):
            facts += [
                f"the {label} {name} is {theirs.get(name)} instead of {ours.get(name)}"
                for name in sorted({**ours, **theirs})
                if ours.get(name) != theirs.get(name)
            ]
        if self.fingerprint != found.fingerprint:
            facts.append(f"the fingerprint is {found.fingerprint_text} instead of {self.fingerprint_text}")
        return facts

    def as_facts(self) -> dict[str, Any]:
        """As JSON, for the ledger; `from_facts` reads it back."""
        return {
            "rows": self.rows,
            "fingerprint": self.fingerprint_text,
            "sums": {name: hex(value) for name, value in self.sums.items()},
            "minima": {name: _as_json(value) for name, value in self.minima.items()},
            "maxima": {name: _as_json(value) for name, value in self.maxima.items()},
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Summary:
        """The summary that `as_facts` wrote."""
        return cls(
            facts["rows"],
            int(facts["fingerprint"], 16),
            {name: int(value, 16) for name, value in facts["sums"].items()},
            {name: _from_json(value) for name, value in facts["minima"].items()},
            {name: _from_json(value) for name, value in facts["maxima"].items()},
        )


def _summarize(frame: pl.DataFrame, columns: Sequence[Column], high: Words, low: Words) -> Summary:
    sums: dict[str, int] = {}
    minima: dict[str, float] = {}
    maxima: dict[str, float] = {}
    for column in columns:
        if column.type not in {"float", "time"} or column.name not in frame.columns:
            continue
        present = frame.get_column(column.name).drop_nulls().to_physical().to_numpy()
        if present.size == 0:
            continue
        if column.type == "float":
            sums[column.name] = exact_sum(present)
        # Adding 0 makes -0.0 and 0.0 one and the same extreme.
        minima[column.name] = present.min().item() + 0
        maxima[column.name] = present.max().item() + 0
    return Summary(frame.height, sum_of_hashes(high, low), sums, minima, maxima)


def exact_sum(numbers: npt.NDArray[np.float64]) -> int:
    """The sum of the finite ones of these doubles, in units of 2^-1074, without any rounding."""
    values = numbers[np.isfinite(numbers)]
    if values.size == 0:
        return 0
    fractions, exponents = np.frexp(values)
    # A double's mantissa has 53 bits: scaled by 2^53 it is a whole number; halves of it cannot overflow a sum.
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    high, low = mantissas >> 26, mantissas & 0x3FFFFFF
    lowest = int(exponents.min())
    offsets = (exponents - lowest).astype(np.int64)
    total = 0
    for offset in np.flatnonzero(np.bincount(offsets)):
        chosen = offsets == offset
        part = (int(high[chosen].sum()) << 26) + int(low[chosen].sum())
        shift = int(offset) + lowest - 53 + _UNIT_EXPONENT
        total += part << shift if shift >= 0 else part >> -shift
    return total


def _as_float(units: int) -> float:
    try:
        return float(Fraction(units, 1 << _UNIT_EXPONENT))
    except OverflowError:
        return math.copysign(math.inf, units)


def _merge(ours: Mapping[str, float], theirs: Mapping[str, float], choose: Any) -> dict[str, float]:
    merged = dict(ours)
    for name, value in theirs.items():
        merged[name] = choose(merged[name], value) if name in merged else value
    return merged


def _as_json(value: float) -> float | str:
    return value if isinstance(value, int) or math.isfinite(value) else repr(value)


def _from_json(value: float | str) -> float:
    return float(value) if isinstance(value, str) else value
