"""Digests: which local days of a source have changed since they were proven, told without mapping a single row.

A digest is a count and two sums of 64-bit hashes of the raw rows. It says that nothing has changed on this machine with
these versions; it is no proof: a digest that cannot be compared only means that the day is loaded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from energy_platform.sources.estate import SourceSpec
from energy_platform.transfer.mapping import DAY, KEY, ORDER, MappingRules

#: Changes when the same raw rows come to mean other points.
_VERSION: Final = 1
_SEEDS: Final = (0x9E3779B9, 0x85EBCA6B)
_MODULUS: Final = 1 << 64


class Digest(NamedTuple):
    """Of raw rows in any order.

    Attributes:
        rows: how many.
        first: the sum of their hashes, modulo 2^64.
        second: the sum of other hashes.
    """

    rows: int
    first: int
    second: int

    def __str__(self) -> str:
        return f"{self.rows}:{self.first:016x}{self.second:016x}"


def digests_by_day(raw: pl.DataFrame, days: pl.Series) -> dict[date | None, Digest]:
    """The digests of a record batch by local day.

    Args:
        raw: the source's columns, and `@key` and `@order`, which do not count.
        days: `@day` of each row; null where it falls on none.
    """
    content = raw.drop(KEY, ORDER)
    first, second = (content.hash_rows(seed) for seed in _SEEDS)
    halves = pl.DataFrame(
        {
            DAY: days,
            "first_low": first & 0xFFFFFFFF,
            "first_high": first // 2**32,
            "second_low": second & 0xFFFFFFFF,
            "second_high": second // 2**32,
        }
    )
    sums = halves.group_by(DAY).agg(pl.len(), pl.exclude(DAY).sum())
    return {
        day: Digest(rows, (a + (b << 32)) % _MODULUS, (c + (d << 32)) % _MODULUS)
        for day, rows, a, b, c, d in sums.iter_rows()
    }


#: Where rows stand in the order of their source: the first and the last, which others may lie between.
Stretch = tuple[int, int]


def stretches_by_day(raw: pl.DataFrame, days: pl.Series) -> dict[date | None, Stretch]:
    """Where the rows of each local day stand in a record batch; for arguments see `digests_by_day`."""
    places = pl.DataFrame([days, raw.get_column(ORDER)]).group_by(DAY)
    found = places.agg(pl.col(ORDER).min().alias("first"), pl.col(ORDER).max().alias("last"))
    return {day: (first, last) for day, first, last in found.iter_rows()}


def widest_stretch(stretches: Iterable[Stretch]) -> Stretch | None:
    """The stretch that all of these lie in; None where there are none."""
    together = list(stretches)
    return (min(first for first, _ in together), max(last for _, last in together)) if together else None


def add_digests(total: dict[date | None, Digest], further: Mapping[date | None, Digest]) -> None:
    """Add further rows to the digests of a source."""
    for day, digest in further.items():
        known = total.get(day, Digest(0, 0, 0))
        total[day] = Digest(
            known.rows + digest.rows,
            (known.first + digest.first) % _MODULUS,
            (known.second + digest.second) % _MODULUS,
        )


def meaning_of(spec: SourceSpec, rules: MappingRules) -> str:
    """A token for all that says what a raw row means, beside the row itself: digests compare under one meaning only."""
    estate = rules.estate
    parts: list[object] = [
        _VERSION,
        pl.__version__,
        (spec.kind, spec.table, spec.at, spec.key, spec.encoding, spec.separator, spec.shape, spec.target),
        sorted(spec.roles.items()),
        sorted(spec.extra.items()),
        sorted(spec.values.items()),
        sorted(spec.ignored),
        (spec.layout, spec.numbers, spec.missing, spec.ambiguous, sorted(spec.value_roles.items())),
        (str(estate.zone), estate.first_day, estate.last_day, estate.tenant_code),
        rules.contract,
    ]
    if any(role.from_sensor for role in spec.roles.values()) and rules.building_of_sensor is not None:
        parts.append(rules.building_of_sensor.sort(pl.all()).rows())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
