"""Summaries: what a set of rows adds up to, exactly, in any order and in any number of pieces.

Two sets of rows are taken for the same when their counts, exact sums, extremes and fingerprints are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.fingerprints import MODULUS, Words, fingerprint_text, point_hashes, row_hashes
from energy_platform.domain.points import SeriesPoints

#: Every finite double is a whole multiple of 2^-1074, so sums in that unit are exact integers.
_UNIT_EXPONENT = 1074
#: What a field that no contract knows is called in sums: it counts the rows that hold it.
UNKNOWN_FIELD = "unknown field "
#: A double's mantissa has 53 bits; halves of it add up in 64 bits without overflow.
_MANTISSA_BITS, _LOW_BITS = 52, 26
_INFINITE_EXPONENT = 0x7FF
#: Whole numbers that lie so close together are told apart by their distance from the smallest.
_NARROW_RANGE = 1 << 16
#: Rows that are added up at a time: so many, and what is made of them, stay in a core's own cache.
_BLOCK = 1 << 15

_Groups = npt.NDArray[np.intp]


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
        if frame.is_empty():
            return cls()
        return _summarize(frame, columns, np.zeros(frame.height, np.intp), 1, *row_hashes(frame, columns))[0]

    @classmethod
    def by_group(
        cls, frame: pl.DataFrame, by: Sequence[str], columns: Sequence[Column]
    ) -> dict[tuple[Any, ...], Summary]:
        """A summary for each combination of values in the columns `by`; every row is hashed once."""
        if frame.is_empty():
            return {}
        return _by_group(frame, columns, frame.select(by), *row_hashes(frame, columns))

    @classmethod
    def of_points(
        cls, points: SeriesPoints, measurement: Measurement, by: pl.DataFrame
    ) -> dict[tuple[Any, ...], Summary]:
        """A summary for each combination of values in `by`: that of `by_group` over the points as one frame.

        Columns that the measurement does not know are not looked at.

        Args:
            points: in any order.
            measurement: whose points.
            by: what each point is grouped by; as many rows as points.
        """
        if points.height == 0:
            return {}
        return _by_group(points.rows, measurement.columns, by, *point_hashes(points, measurement))

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
            if ours != theirs and name.startswith(UNKNOWN_FIELD):
                facts.append(f"{theirs} rows hold the {name} instead of {ours}")
            elif ours != theirs:
                facts.append(f"the sum of {name} is {_as_float(theirs)!r} instead of {_as_float(ours)!r}")
        for label, ours, theirs in (
            ("smallest", self.minima, found.minima),
            ("largest", self.maxima, found.maxima),
        ):
            facts += [
                f"the {label} {name} is {_as_text(theirs.get(name))} instead of {_as_text(ours.get(name))}"
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


def _by_group(
    rows: pl.DataFrame, columns: Sequence[Column], by: pl.DataFrame, high: Words, low: Words
) -> dict[tuple[Any, ...], Summary]:
    groups, names = _number(by)
    summaries = _summarize(rows, columns, groups, names.height, high, low)
    number = "@number"
    ordered = names.with_row_index(number).sort(by.columns)
    return {tuple(name): summaries[place] for place, *name in ordered.iter_rows()}


def _number(by: pl.DataFrame) -> tuple[_Groups, pl.DataFrame]:
    """The group of each row as a number, and what the groups are."""
    groups, count = np.zeros(by.height, np.intp), 1
    for series in by:
        codes, size = _codes(series)
        groups = codes if count == 1 else groups * size + codes
        count *= size
        if count > _NARROW_RANGE:
            distinct, groups = np.unique(groups, return_inverse=True)
            count = distinct.size
    present = np.bincount(groups, minlength=count) > 0
    groups = (np.cumsum(present) - 1)[groups]
    examples = np.empty(int(present.sum()), np.intp)
    examples[groups] = np.arange(by.height)
    return groups, by[examples]


def _codes(series: pl.Series) -> tuple[_Groups, int]:
    """A number below the size for each value: the same for equal values, another for others; null is a value."""
    physical = series.to_physical()
    if physical.dtype.is_integer() and physical.null_count() < physical.len():
        low, high = int(physical.min()), int(physical.max())  # pyright: ignore[reportArgumentType]
        if high - low < _NARROW_RANGE:
            # null comes behind all others
            whole = physical.cast(pl.Int64).fill_null(high + 1).to_numpy()
            return (whole - low).astype(np.intp, copy=False), high - low + 2
    encoded = physical.rename("").to_arrow().dictionary_encode(null_encoding="encode")
    return pl.Series(encoded.indices).to_numpy().astype(np.intp), len(encoded.dictionary)


def _summarize(
    rows: pl.DataFrame, columns: Sequence[Column], groups: _Groups, count: int, high: Words, low: Words
) -> list[Summary]:
    """The summary of each group; `groups` says to which of them each row belongs."""
    sums: list[dict[str, int]] = [{} for _ in range(count)]
    minima: list[dict[str, float]] = [{} for _ in range(count)]
    maxima: list[dict[str, float]] = [{} for _ in range(count)]
    for column in columns:
        if column.type not in {"float", "time"} or column.name not in rows.columns:
            continue
        series, places = rows.get_column(column.name), groups
        if series.null_count():
            places = groups[series.is_not_null().to_numpy()]
            series = series.drop_nulls()
        if series.is_empty():
            continue
        values = series.to_physical().to_numpy()
        filled = np.flatnonzero(np.bincount(places, minlength=count)).tolist()
        if column.type == "float":
            totals = _exact_sums(values, places, count)
            for group in filled:
                sums[group][column.name] = totals[group]
        for extremes, found in zip((minima, maxima), _extremes(values, places, count), strict=True):
            numbers = found.tolist()
            for group in filled:
                # Adding 0 makes -0.0 and 0.0 one and the same extreme.
                extremes[group][column.name] = numbers[group] + 0
    heights = np.bincount(groups, minlength=count).tolist()
    prints = [
        ((above << 64) + below) % MODULUS
        for above, below in zip(_sums_of_words(high, groups, count), _sums_of_words(low, groups, count), strict=True)
    ]
    return [Summary(*facts) for facts in zip(heights, prints, sums, minima, maxima, strict=True)]


def _extremes(values: npt.NDArray[Any], groups: _Groups, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The smallest and the largest value of each group."""
    if count == 1:
        return np.array([values.min()]), np.array([values.max()])
    least, most = np.empty(count, values.dtype), np.empty(count, values.dtype)
    # any value of a group will do to start with
    least[groups] = values
    most[:] = least
    with np.errstate(invalid="ignore"):  # what is no number stays none, as with min() and max()
        np.minimum.at(least, groups, values)
        np.maximum.at(most, groups, values)
    return least, most


def _sums_of_words(words: Words, groups: _Groups, count: int) -> list[int]:
    """The sum of each group's 64-bit words, exact for up to 2^32 words."""
    low, high = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    for block in _blocks(words.size):
        np.add.at(low, groups[block], words[block] & np.uint64(0xFFFFFFFF))
        np.add.at(high, groups[block], words[block] >> np.uint64(32))
    return [(above << 32) + below for above, below in zip(high.tolist(), low.tolist(), strict=True)]


def exact_sum(numbers: npt.NDArray[np.float64]) -> int:
    """The sum of the finite ones of these doubles, in units of 2^-1074, without any rounding."""
    return _exact_sums(numbers, np.zeros(numbers.size, np.intp), 1)[0]


def _exact_sums(numbers: npt.NDArray[np.float64], groups: _Groups, count: int) -> list[int]:
    """`exact_sum` of each group: whole mantissas are added up per group and exponent, then shifted into place."""
    bits = np.ascontiguousarray(numbers).view(np.int64)
    exponents = ((bits >> _MANTISSA_BITS) & _INFINITE_EXPONENT).astype(np.intp, copy=False)
    in_use = np.flatnonzero(np.bincount(exponents, minlength=_INFINITE_EXPONENT + 1))
    slot_of = np.zeros(_INFINITE_EXPONENT + 1, np.intp)
    slot_of[in_use] = np.arange(in_use.size)
    low, high = np.zeros(count * in_use.size, np.int64), np.zeros(count * in_use.size, np.int64)
    for block in _blocks(bits.size):
        exponent, sign = exponents[block], bits[block] >> 63
        mantissa = bits[block] & ((1 << _MANTISSA_BITS) - 1)
        # all but the subnormal numbers have a leading 1 that is not written
        mantissa |= (exponent > 0).astype(np.int64) << _MANTISSA_BITS
        mantissa ^= sign
        mantissa -= sign
        places = groups[block] * in_use.size + slot_of[exponent]
        np.add.at(low, places, mantissa & ((1 << _LOW_BITS) - 1))
        np.add.at(high, places, mantissa >> _LOW_BITS)
    totals = [0] * count
    filled = np.flatnonzero(low | high)
    exponents_of = in_use[filled % in_use.size]
    for group, exponent, above, below in zip(
        (filled // in_use.size).tolist(),
        exponents_of.tolist(),
        high[filled].tolist(),
        low[filled].tolist(),
        strict=True,
    ):
        if exponent != _INFINITE_EXPONENT:
            totals[group] += ((above << _LOW_BITS) + below) << max(exponent - 1, 0)
    return totals


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _BLOCK):
        yield slice(start, start + _BLOCK)


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


def _as_text(extreme: float | None) -> str:
    """An extreme for people: of a time its instant, which is kept as microseconds; of no rows, none."""
    if extreme is None:
        return "none"
    if isinstance(extreme, int):
        try:
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=extreme)).isoformat()
        except OverflowError:
            # a store may hold later years than this
            return f"{extreme} µs"
    return str(extreme)


def _as_json(value: float) -> float | str:
    return value if isinstance(value, int) or math.isfinite(value) else repr(value)


def _from_json(value: float | str) -> float:
    return float(value) if isinstance(value, str) else value
