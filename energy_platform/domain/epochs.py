"""Epochs: numbers that count seconds, milli-, micro- or nanoseconds since 1970, whole and fractional."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from energy_platform.domain.time_forms import EpochUnit

#: Epochs by magnitude: up to this many seconds a number counts seconds, then milli-, micro- and nanoseconds.
_EPOCH_LIMIT_SECONDS = 10**11
_EPOCH_TEXT = r"^[+-]?\d{9,19}(\.\d+)?$"
_NUMBER_TEXT = r"^[+-]?[0-9]{1,19}(\.[0-9]*)?([eE][+-]?[0-9]{1,2})?$"
_WHOLE_TEXT = r"^[+-]?[0-9]{1,19}$"
#: Beyond year 9999 nothing downstream can hold the time.
_LAST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000
#: Microseconds of each unit; a nanosecond is less than one.
_MICROSECONDS: Mapping[EpochUnit, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UTC_MICROSECONDS = pl.Datetime("us", "UTC")


def from_epochs(raw: pl.Series, unit: EpochUnit) -> pl.Series:
    """Times of numbers, or of texts that are numbers, that count a known unit; null where they are none.

    What is finer than a microsecond is dropped from whole nanoseconds, and rounded elsewhere.
    """
    if raw.dtype.is_integer():
        return _from_integers_of(raw.cast(pl.Int64), unit)
    if raw.dtype.is_float():
        return _from_floats_of(raw, unit)
    if raw.dtype != pl.String:
        return pl.Series(raw.name, [None] * raw.len(), dtype=_UTC_MICROSECONDS)
    text = raw.str.strip_chars()
    text = text.set(~text.str.contains(_NUMBER_TEXT).fill_null(value=False), None)
    is_whole = text.str.contains(_WHOLE_TEXT).fill_null(value=False)
    # nanoseconds have 19 digits, of which not all numbers fit: no time of this calendar is among those
    whole = _from_integers_of(text.set(~is_whole, None).cast(pl.Int64, strict=False), unit)
    if is_whole.sum() == text.len() - text.null_count():
        return whole
    fractional = _from_floats_of(text.set(is_whole, None).cast(pl.Float64, strict=False), unit)
    return whole.to_frame("whole").select(pl.coalesce("whole", pl.lit(fractional))).to_series()


def _from_integers_of(numbers: pl.Series, unit: EpochUnit) -> pl.Series:
    if unit == "ns":
        return numbers.to_frame("n").select(_readable(pl.col("n") // 1_000)).to_series()
    scale = _MICROSECONDS[unit]
    # what would overflow is null before it is multiplied
    small = pl.when(pl.col("n").is_between(-_LAST // scale, _LAST // scale)).then(pl.col("n"))
    return numbers.to_frame("n").select(_readable(small * scale)).to_series()


def _from_floats_of(numbers: pl.Series, unit: EpochUnit) -> pl.Series:
    scaled = pl.col("n") / 1_000 if unit == "ns" else pl.col("n") * float(_MICROSECONDS[unit])
    microseconds = scaled.round(0, mode="half_to_even").cast(pl.Int64, strict=False)
    return numbers.to_frame("n").select(_readable(microseconds)).to_series()


def from_epoch_text(text: pl.Series) -> pl.Series:
    """Times of texts that can be nothing but epochs; their magnitude tells the unit."""
    candidates = text.set(~text.str.contains(_EPOCH_TEXT).fill_null(value=False), None)
    whole = from_integer_epoch(candidates.str.to_integer(strict=False))
    fractional = from_float_epoch(candidates.cast(pl.Float64, strict=False))
    return whole.to_frame("whole").select(pl.coalesce("whole", pl.lit(fractional))).to_series()


def from_integer_epoch(numbers: pl.Series) -> pl.Series:
    """Times of whole numbers; their magnitude tells the unit."""
    size = pl.col("n").abs()
    limit = _EPOCH_LIMIT_SECONDS
    microseconds = (
        pl.when(size < limit)
        .then(pl.col("n") * 1_000_000)
        .when(size < limit * 1_000)
        .then(pl.col("n") * 1_000)
        .when(size < limit * 1_000_000)
        .then(pl.col("n"))
        .otherwise(pl.col("n") // 1_000)
    )
    return numbers.to_frame("n").select(_readable(microseconds)).to_series()


def from_float_epoch(numbers: pl.Series) -> pl.Series:
    """Times of fractional numbers; their magnitude tells the unit."""
    size = pl.col("n").abs()
    limit = float(_EPOCH_LIMIT_SECONDS)
    scale = (
        pl.when(size < limit).then(1e6).when(size < limit * 1e3).then(1e3).when(size < limit * 1e6).then(1.0)
    ).otherwise(1e-3)
    microseconds = (pl.col("n") * scale).round(0, mode="half_to_even").cast(pl.Int64, strict=False)
    return numbers.to_frame("n").select(_readable(microseconds)).to_series()


def _readable(microseconds: pl.Expr) -> pl.Expr:
    return pl.when(microseconds.abs() <= _LAST).then(microseconds).cast(_UTC_MICROSECONDS)
