"""Digests: which local days of a source have changed since they were proven, told without mapping a single row.

A digest is a count and two sums of 64-bit hashes of the raw rows. It says that nothing has changed on this machine with
these versions; it is no proof: a digest that cannot be compared only means that the day is loaded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.stretches import Stretch, are_within, merged
from energy_platform.transfer.reading.mapping import DAY, KEY, ORDER, MappingRules

#: Changes when the same raw rows come to mean other points.
_VERSION: Final = 3
_SEED: Final = 0x9E3779B9
#: A finalizer of hashes, Stafford's 13th: http://zimbry.blogspot.com/2011/09/better-bit-mixing-improving-on.html
_FACTORS: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MODULUS: Final = 1 << 64
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

_Numbers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


class Digest(NamedTuple):
    """Of raw rows in any order.

    Attributes:
        rows: how many.
        first: the sum of their hashes, modulo 2^64.
        second: the sum of what mixing makes of each of them: changes that cancel out in one sum do not in the other.
    """

    rows: int
    first: int
    second: int

    def __str__(self) -> str:
        return f"{self.rows}:{self.first:016x}{self.second:016x}"


_FIGURES: Final = {
    "piece": pl.Int64,
    DAY: pl.Date,
    "rows": pl.UInt64,
    "lowest": pl.Int64,
    "highest": pl.Int64,
    "first_low": pl.UInt64,
    "first_high": pl.UInt64,
    "second_low": pl.UInt64,
    "second_high": pl.UInt64,
}
_SUMS: Final = ("first_low", "first_high", "second_low", "second_high")
#: Figures are kept by so many places of the order to begin with, and by more where there would be too many figures.
_LEAST_PIECE: Final = 256
_MOST_FIGURES: Final = 1 << 16
_MOST_PLACES: Final = 1 << 60


def figures_of(raw: pl.DataFrame, days: pl.Series) -> pl.DataFrame:
    """What a record batch holds of each local day, for `Contents`.

    Args:
        raw: the source's columns, and `@key` and `@order`, which do not count.
        days: `@day` of each row; null where it falls on none.
    """
    if raw.is_empty():
        return pl.DataFrame(schema=_FIGURES)
    # the same number is the same, whether others of its batch have decimals or not
    whole = [column.name for column in raw.get_columns() if column.dtype == pl.Int64 and _are_exact(column)]
    content = raw.drop(KEY, ORDER).cast(dict.fromkeys(set(whole) - {ORDER}, pl.Float64))
    first = content.hash_rows(_SEED).to_numpy()
    order = raw.get_column(ORDER).to_numpy()
    pieces = order // _LEAST_PIECE
    numbers = days.to_physical().cast(pl.Int64)
    earliest = numbers.min()
    # rows that fall on no day make one of their own
    none = earliest - 1 if isinstance(earliest, int) else 0
    day_numbers = numbers.fill_null(none).to_numpy() if numbers.null_count() else numbers.to_numpy()
    places, starts = _groups(pieces, day_numbers)
    if places is not None:
        first, order, pieces, day_numbers = first[places], order[places], pieces[places], day_numbers[places]
    second = _mixed(first)
    sums = (first & _LOW, first >> _HALF, second & _LOW, second >> _HALF)
    found = pl.DataFrame(
        {
            "piece": pieces[starts] * _LEAST_PIECE,
            DAY: pl.Series(day_numbers[starts]).cast(pl.Int32).cast(pl.Date),
            "rows": np.diff(starts, append=order.size).astype(np.uint64),
            "lowest": np.minimum.reduceat(order, starts),
            "highest": np.maximum.reduceat(order, starts),
            **{name: np.add.reduceat(words, starts) for name, words in zip(_SUMS, sums, strict=True)},
        }
    )
    if not numbers.null_count():
        return found
    is_none = pl.Series(day_numbers[starts] == none)
    return found.with_columns(found.get_column(DAY).set(is_none, None))


def _groups(pieces: _Numbers, days: _Numbers) -> tuple[_Numbers | None, _Numbers]:
    """In which order rows of one piece and day follow each other (None: in theirs), and where each group starts."""
    of_piece, of_day = pieces - pieces.min(), days - days.min()
    span = int(of_day.max()) + 1
    if (int(of_piece.max()) + 1) * span >= _MODULUS // 2:
        of_piece = np.unique(of_piece, return_inverse=True)[1]
    # numbers of few bytes are sorted by their digits
    groups = (of_piece * span + of_day).astype(np.min_scalar_type((int(of_piece.max()) + 1) * span))
    places = None if (groups[1:] >= groups[:-1]).all() else np.argsort(groups, kind="stable")
    ordered = groups if places is None else groups[places]
    return places, np.flatnonzero(np.diff(ordered, prepend=ordered[:1] + 1))


def _mixed(words: _Words) -> _Words:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FACTORS[0])
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_FACTORS[1])
    return words ^ (words >> np.uint64(31))


def _are_exact(numbers: pl.Series) -> bool:
    """Whether doubles can tell these whole numbers from their neighbours."""
    return bool((numbers.abs() <= EXACT_INTEGERS).all())


class Contents:
    """What a source holds of each local day, and where in its order.

    Kept by pieces of the order, so that it can be said which places a day's rows stand at, and so that a part of the
    source that has changed can be looked at alone. Memory does not grow with the source.

    Args:
        figures: see `figures`; None to begin with nothing.
        piece: how many places of the order are a piece, in these figures.
    """

    def __init__(self, figures: pl.DataFrame | None = None, piece: int = _LEAST_PIECE) -> None:
        self._parts = [] if figures is None else [figures]
        self._waiting = 0
        self.piece = piece

    @property
    def figures(self) -> pl.DataFrame:
        """Per piece (the place at which it begins) and day: rows, their first and last place, and sums of hashes."""
        self._gather()
        return self._parts[0] if self._parts else pl.DataFrame(schema=_FIGURES)

    def add(self, figures: pl.DataFrame) -> None:
        """Add further rows, by what `figures_of` says of them."""
        self._parts.append(figures)
        self._waiting += figures.height
        if self._waiting > _MOST_FIGURES:
            self._gather()

    def digests(self) -> dict[date | None, Digest]:
        """By local day; None: of rows that fall on none."""
        sums = self.figures.group_by(DAY).agg(pl.col("rows").sum(), *(pl.col(name).sum() for name in _SUMS))
        return {
            day: Digest(rows, (a + (b << 32)) % _MODULUS, (c + (d << 32)) % _MODULUS)
            for day, rows, a, b, c, d in sums.iter_rows()
        }

    def stretches(self, days: Collection[date | None]) -> list[Stretch]:
        """Where the rows of these days stand, with others between them; in order and apart."""
        chosen = pl.col(DAY).is_in([day for day in days if day is not None])
        wanted = self.figures.filter((chosen | pl.col(DAY).is_null()) if None in days else chosen)
        places = wanted.group_by("piece").agg(pl.col("lowest").min(), pl.col("highest").max()).sort("piece")
        return merged(places.select("lowest", "highest").iter_rows(), self.piece)

    def whole_pieces(self, stretches: Iterable[Stretch]) -> list[Stretch]:
        """The stretches that these lie in and that hold every row of their pieces."""
        piece = self.piece
        return merged((first // piece * piece, last // piece * piece + piece - 1) for first, last in stretches)

    def without(self, stretches: Sequence[Stretch]) -> Contents:
        """What is held outside of stretches that hold whole pieces."""
        figures = self.figures
        return Contents(figures.filter(~are_within(figures.get_column("piece"), stretches)), self.piece)

    def _gather(self) -> None:
        if len(self._parts) < 2 and not self._waiting:
            return
        figures = pl.concat(self._parts)
        while True:
            figures = figures.group_by(pl.col("piece") // self.piece * self.piece, DAY).agg(
                pl.col("rows").sum(),
                pl.col("lowest").min(),
                pl.col("highest").max(),
                *(pl.col(name).sum() for name in _SUMS),
            )
            if figures.height <= _MOST_FIGURES or self.piece >= _MOST_PLACES:
                break
            self.piece *= 4
        self._parts, self._waiting = [figures], 0


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
        spec.register,
    ]
    if any(role.from_sensor for role in spec.roles.values()) and rules.building_of_sensor is not None:
        parts.append(rules.building_of_sensor.sort(pl.all()).rows())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
