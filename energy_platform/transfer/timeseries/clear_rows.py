"""The short way for rows that are beyond doubt: their series is looked up, their fields are checked together.

Tags are mapped once for each combination of texts that names a series, and not once for each row. All other rows go by
the rules of `mapping`: nothing is refused here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import polars as pl

from energy_platform.domain.contracts import Measurement, TypedRange
from energy_platform.domain.points import SERIES
from energy_platform.sources.estate import SourceSpec
from energy_platform.transfer.reading.mapping import (
    DAY,
    KEY,
    ORDER,
    REASON,
    SOURCE,
    MappingRules,
    days_of,
    map_batch,
)
from energy_platform.transfer.reading.raw_columns import columns_behind, converted
from energy_platform.transfer.timeseries.registry import SeriesRegistry

#: Two hashes of the texts that name a series: no two combinations have both in common.
_HASH, _CHECK = "@hash", "@check"
_SEEDS: Final = (0x9E3779B9, 0x85EBCA6B)
#: Fewer rows go by the rules sooner than it is learned what they name.
_LEAST_ROWS: Final = 20_000
#: So many combinations of texts are known at most; rows that name others go by the rules.
_MOST_KNOWN: Final = 1 << 17
#: So many rows are mapped at most to learn what their texts name: where most are refused, nothing is learned by it.
_MOST_EXAMPLES: Final = 1 << 18
_ROW: Final = "@row"


class DividedRows(NamedTuple):
    """A record batch, divided.

    Attributes:
        clear: the rows beyond doubt, as `Staging` keeps them; what is null in all of them is of the type Null.
        others: a mask of the rows that go by the rules; None where there are none.
        days: the local day of each row of the batch; null where it falls on none.
    """

    clear: pl.DataFrame
    others: pl.Series | None
    days: pl.Series


class ClearRows:
    """Finds the rows beyond doubt in record batches of one source. Safe to use from several threads.

    Args:
        spec: of the source, whose shape is not wide.
        position: of the source in the estate.
        rules: of the mapping; its contract is a measurement.
        registry: of the series of the load.
    """

    def __init__(self, spec: SourceSpec, position: int, rules: MappingRules, registry: SeriesRegistry) -> None:
        self._spec = spec
        self._position = position
        self._rules = rules
        self._registry = registry
        self._contract = cast(Measurement, rules.contract)
        self._named_by = columns_behind(self._contract.tags, spec)
        self._ranges = [limits for limits in self._contract.typed_ranges if limits.by in self._contract.tags]
        # tables of what is known, by the types of the columns: the same text of another type may mean something else
        self._known: dict[tuple[pl.DataType, ...], pl.DataFrame] = {}
        self._examples = 0
        self._doubts: dict[tuple[str, ...], pl.Expr] = {}
        self._lock = threading.Lock()

    def divided(self, raw: pl.DataFrame) -> DividedRows | None:
        """The rows beyond doubt and the others; None where all are to go by the rules."""
        if raw.height < _LEAST_ROWS:
            return None
        spec, rules = self._spec, self._rules
        times = converted(raw, "time", "time", spec, rules.estate)
        if times.ambiguous or times.nonexistent:
            # they are counted where rows go by the rules
            return None
        days = days_of(times.values, rules)
        named = self._named(raw)
        if named is None:
            return None
        fields: dict[str, pl.Series] = {}
        doubts: list[pl.Expr] = []
        for field in self._contract.fields:
            found = converted(raw, field.name, field.type, spec, rules.estate)
            if found.refused is not None:
                doubts.append(pl.lit(found.refused))
            fields[field.name] = _typed(found.values, raw.height).alias(field.name)
        held = tuple(name for name, values in fields.items() if values.dtype != pl.Null)
        checked = pl.DataFrame([days, *(fields[name] for name in held), *named.get_columns()])
        others = checked.select(pl.any_horizontal(self._doubt(held), *doubts)).to_series()
        position = pl.Series(SOURCE, [self._position], dtype=pl.Int32).new_from_index(0, raw.height)
        key = _typed(raw.get_column(KEY), raw.height)
        clear = pl.DataFrame(
            [
                named.get_column(SERIES),
                times.values.alias("time"),
                *fields.values(),
                position,
                raw.get_column(ORDER),
                key,
                days,
            ]
        )
        if not others.any():
            return DividedRows(clear, None, days)
        return DividedRows(clear.filter(~others), others, days)

    def _doubt(self, held: tuple[str, ...]) -> pl.Expr:
        """Whether a row with these fields is in doubt; made once for each combination of fields."""
        if held not in self._doubts:
            outside = [_is_outside(limits) for limits in self._ranges if limits.column in held]
            unknown = pl.any_horizontal(pl.col(DAY, SERIES).is_null())
            self._doubts[held] = pl.any_horizontal(unknown, self._contract.broken(held), *outside)
        return self._doubts[held]

    def _named(self, raw: pl.DataFrame) -> pl.DataFrame | None:
        """Of each row `@series`, null where it is not known, and the limits of its values; None where none is known."""
        if not self._named_by:
            texts = pl.DataFrame({_HASH: pl.repeat("", raw.height, eager=True)})
        else:
            texts = raw.select(self._named_by)
        kinds = tuple(texts.dtypes)
        texts = texts.cast(pl.String)
        hashes = pl.DataFrame({_HASH: texts.hash_rows(_SEEDS[0]), _CHECK: texts.hash_rows(_SEEDS[1])})
        found = self._looked_up(hashes, kinds)
        if found is not None and not found.get_column(SERIES).null_count():
            return found
        unknown = hashes.with_row_index(_ROW)
        if found is not None:
            unknown = unknown.filter(found.get_column(SERIES).is_null())
        return self._looked_up(hashes, kinds) if self._learned(raw, unknown, kinds) else found

    def _looked_up(self, hashes: pl.DataFrame, kinds: tuple[pl.DataType, ...]) -> pl.DataFrame | None:
        known = self._known.get(kinds)
        if known is None:
            return None
        found = hashes.join(known, on=_HASH, how="left", maintain_order="left", suffix="@known")
        is_same = pl.col(_CHECK) == pl.col(f"{_CHECK}@known")
        return found.select(pl.when(is_same).then(SERIES).alias(SERIES), *known.columns[3:])

    def _learned(self, raw: pl.DataFrame, unknown: pl.DataFrame, kinds: tuple[pl.DataType, ...]) -> bool:
        """Map a row of each unknown combination by the rules; whether one was accepted.

        Args:
            raw: the record batch.
            unknown: `@row`, a number of a row in it, and the hashes of its texts.
            kinds: the types of the columns that hold these.
        """
        examples = unknown.unique(_HASH, keep="first", maintain_order=True)
        with self._lock:
            known = self._known.get(kinds)
            if (known is not None and known.height >= _MOST_KNOWN) or self._examples >= _MOST_EXAMPLES:
                return False
            self._examples += examples.height
        (mapped,) = map_batch(raw[examples.get_column(_ROW)], self._spec, self._position, self._rules)
        is_accepted = mapped.get_column(REASON).is_null()
        accepted = mapped.filter(is_accepted)
        if accepted.is_empty():
            return False
        further = examples.filter(is_accepted).select(
            _HASH, _CHECK, self._registry.numbers(accepted), *_limits(self._ranges, accepted)
        )
        with self._lock:
            known = self._known.get(kinds)
            # another thread may have met the same ones meanwhile
            self._known[kinds] = (
                further if known is None else pl.concat([known, further.join(known, on=_HASH, how="anti")])
            )
        return True


def _typed(values: pl.Series, height: int) -> pl.Series:
    """The same values; of the type Null, which costs nothing, where there is none."""
    if values.null_count() < height:
        return values
    return pl.Series(values.name, [None], dtype=pl.Null).new_from_index(0, height)


def _limits(ranges: Sequence[TypedRange], accepted: pl.DataFrame) -> list[pl.Series]:
    """The limits that the tags of each row set to its values."""
    found: list[pl.Series] = []
    for limits in ranges:
        tag = accepted.get_column(limits.by)
        for name, place, free in zip(_limit_names(limits), (0, 1), (-math.inf, math.inf), strict=True):
            numbers = {category: both[place] for category, both in limits.limits.items()}
            found.append(tag.replace_strict(numbers, default=free, return_dtype=pl.Float64).alias(name))
    return found


def _limit_names(limits: TypedRange) -> tuple[str, str]:
    return f"@least {limits.column}", f"@most {limits.column}"


def _is_outside(limits: TypedRange) -> pl.Expr:
    least, most = (pl.col(name) for name in _limit_names(limits))
    value = pl.col(limits.column)
    return ((value < least) | (value > most)).fill_null(value=False)
