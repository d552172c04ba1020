"""From what a source holds to canonical types: every value either converts exactly or is refused by a reason code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.times import parse_dates, parse_times

_TRUE = ["1", "1.0", "true", "t", "yes", "y", "on"]
_FALSE = ["0", "0.0", "false", "f", "no", "n", "off"]
_SPECIAL_FLOATS: Mapping[str, float] = {
    sign + word: float(sign + word.removesuffix("inity"))
    for sign in ("", "+", "-")
    for word in ("inf", "infinity", "nan")
}
#: A double counts every whole number up to here.
_EXACT_INTEGERS = float(2**53)


class Converted(NamedTuple):
    """A converted column.

    Attributes:
        values: in the canonical type.
        refused: a mask of the values that did not convert.
        reason: the reason code of those.
        ambiguous: local times that exist twice.
        nonexistent: local times that do not exist.
    """

    values: pl.Series
    refused: pl.Series
    reason: str
    ambiguous: int = 0
    nonexistent: int = 0


def convert(raw: pl.Series, column_type: ColumnType, zone: ZoneInfo) -> Converted:
    """Convert a raw column (String, Int64, Float64, Boolean or Null) into a canonical type.

    An empty text counts as absent, except where the column is a text.
    """
    if raw.dtype == pl.Null:
        raw = raw.cast(pl.String)
    if column_type == "text":
        return Converted(as_text(raw), pl.repeat(value=False, n=raw.len(), eager=True), "")
    if column_type == "json":
        return Converted(raw.cast(pl.String), pl.repeat(value=False, n=raw.len(), eager=True), "not_json")
    present = raw.is_not_null()
    if raw.dtype == pl.String:
        present = present & (raw.str.strip_chars() != "")
    if column_type == "time":
        parsed = parse_times(raw, zone)
        refused = parsed.times.is_null() & present
        return Converted(parsed.times, refused, "unreadable_time", parsed.ambiguous, parsed.nonexistent)
    if column_type == "date":
        values, reason = parse_dates(raw), "not_a_date"
    elif column_type == "boolean":
        values, reason = _as_flags(raw), "not_a_flag"
    elif column_type == "integer":
        values, reason = _as_integers(raw), "not_a_number"
    else:
        values, reason = as_floats(raw), "not_a_number"
    return Converted(values, values.is_null() & present, reason)


def as_text(raw: pl.Series) -> pl.Series:
    """Text as it is; numbers in their shortest exact form."""
    return raw if raw.dtype == pl.String else raw.cast(pl.String)


def as_floats(raw: pl.Series) -> pl.Series:
    """Doubles; null where the value is no number. `inf` and `nan` in any spelling are numbers here."""
    if raw.dtype == pl.Boolean:
        return pl.Series(raw.name, [None] * raw.len(), dtype=pl.Float64)
    if raw.dtype != pl.String:
        return raw.cast(pl.Float64)
    text = raw.str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    left_over = numbers.is_null() & text.is_not_null()
    if left_over.any():
        words = text.set(~left_over, None).str.to_lowercase()
        special = words.replace_strict(_SPECIAL_FLOATS, default=None, return_dtype=pl.Float64)
        numbers = numbers.to_frame("n").select(pl.coalesce("n", pl.lit(special))).to_series()
    return numbers


def _as_integers(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_integer():
        return raw.cast(pl.Int64)
    if raw.dtype == pl.String:
        whole = raw.str.strip_chars().str.to_integer(strict=False)
        if whole.null_count() == raw.null_count():
            return whole
    else:
        whole = pl.Series(raw.name, [None] * raw.len(), dtype=pl.Int64)
    floats = as_floats(raw)
    exact = (floats.abs() <= _EXACT_INTEGERS) & (floats == floats.floor())
    rounded = floats.set(~exact.fill_null(value=False), None).cast(pl.Int64, strict=False)
    return whole.to_frame("whole").select(pl.coalesce("whole", pl.lit(rounded))).to_series()


def _as_flags(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.Boolean:
        return raw
    words = as_text(raw).str.strip_chars().str.to_lowercase()
    return (
        words.to_frame("word")
        .select(
            pl.when(pl.col("word").is_in(_TRUE))
            .then(pl.lit(value=True))
            .when(pl.col("word").is_in(_FALSE))
            .then(pl.lit(value=False))
        )
        .to_series()
    )
