"""Reading times: text with or without a zone, and epochs, into UTC microseconds.

A time that carries no zone is local in the estate's zone. Where clocks change, the rule is that of Python's zoneinfo
with fold=0: a local time that exists twice is the earlier instant; one that does not exist goes by the offset that
held before the gap. Both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

_UTC_MICROSECONDS = pl.Datetime("us", "UTC")
_NAIVE_MICROSECONDS = pl.Datetime("us")
_EPOCH_TEXT = r"^[+-]?\d{9,19}(\.\d+)?$"
_WITH_OFFSET = r"\d:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
_NAIVE_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
#: Epochs by magnitude: up to this many seconds a number counts seconds, then milli-, micro- and nanoseconds.
_EPOCH_LIMIT_SECONDS = 10**11


@dataclass(frozen=True, slots=True)
class ParsedTimes:
    """Times of a batch.

    Attributes:
        times: UTC, in microseconds; null where nothing readable stood.
        ambiguous: how many local times exist twice.
        nonexistent: how many local times do not exist.
    """

    times: pl.Series
    ambiguous: int = 0
    nonexistent: int = 0


def parse_times(raw: pl.Series, zone: ZoneInfo) -> ParsedTimes:
    """Read a column of times: ISO 8601 text (`T` or a blank, `-`, `/` or `.` in the date), or epochs.

    Args:
        raw: String, Int64, Float64, or Datetime.
        zone: of the times that carry none.
    """
    if raw.dtype.is_integer():
        return ParsedTimes(_from_integer_epoch(raw.cast(pl.Int64)))
    if raw.dtype.is_float():
        return ParsedTimes(_from_float_epoch(raw))
    if raw.dtype != pl.String:
        return ParsedTimes(pl.Series(raw.name, [None] * raw.len(), dtype=_UTC_MICROSECONDS))
    text = _tidy(raw)
    naive = _parse_naive(text)
    parsed = _localize(naive, zone)
    left_over = parsed.times.is_null() & text.is_not_null()
    if not left_over.any():
        return parsed
    others = text.set(~left_over, None)
    times = parsed.times.to_frame("times").with_columns(
        pl.coalesce(
            "times",
            pl.lit(_parse_with_offset(others)),
            pl.lit(_from_epoch_text(others)),
        )
    )
    return ParsedTimes(times.get_column("times"), parsed.ambiguous, parsed.nonexistent)


def parse_dates(raw: pl.Series) -> pl.Series:
    """Read calendar dates from ISO text; a time of day behind the date is dropped. Null where none stood."""
    if raw.dtype != pl.String:
        return pl.Series(raw.name, [None] * raw.len(), dtype=pl.Date)
    return _parse_naive(_tidy(raw)).dt.date()


def _tidy(raw: pl.Series) -> pl.Series:
    text = raw.str.strip_chars()
    return text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", "$1-$2-$3").str.replace(
        r"^(\d{4}-\d{1,2}-\d{1,2})[Tt]", "$1 "
    )


def _parse_naive(text: pl.Series) -> pl.Series:
    naive = text.str.to_datetime(_NAIVE_FORMATS[0], strict=False, time_unit="us")
    for form in _NAIVE_FORMATS[1:]:
        if naive.null_count() == text.null_count():
            break
        if "%H" in form:
            further = text.str.to_datetime(form, strict=False, time_unit="us")
        else:
            further = text.str.to_date(form, strict=False).cast(_NAIVE_MICROSECONDS)
        naive = naive.to_frame("naive").select(pl.coalesce("naive", pl.lit(further))).to_series()
    return naive


def _localize(naive: pl.Series, zone: ZoneInfo) -> ParsedTimes:
    name = str(zone)
    local = naive.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    latest = naive.dt.replace_time_zone(name, ambiguous="latest", non_existent="null")
    ambiguous = int((local != latest).sum())
    times = local.dt.convert_time_zone("UTC")
    in_gap = naive.is_not_null() & times.is_null()
    nonexistent = int(in_gap.sum())
    if nonexistent:
        # rare, so one by one: these local times lie in the hour that clocks skip
        instants = [
            stamp.replace(tzinfo=zone).astimezone(UTC) if missing else None
            for stamp, missing in zip(naive, in_gap, strict=True)
        ]
        filled = pl.Series("filled", instants, dtype=_UTC_MICROSECONDS)
        times = times.to_frame("times").select(pl.coalesce("times", pl.lit(filled))).to_series()
    return ParsedTimes(times, ambiguous, nonexistent)


def _parse_with_offset(text: pl.Series) -> pl.Series:
    candidates = text.set(~text.str.contains(_WITH_OFFSET).fill_null(value=False), None)
    candidates = (
        candidates.str.replace(r"\s*(Z|z|UTC)$", "+00:00")
        .str.replace(r"\s+([+-]\d{2}(:?\d{2})?)$", "$1")
        .str.replace(r"([+-]\d{2})$", "$1:00")
        .str.replace(r"([+-]\d{2})(\d{2})$", "$1:$2")
        .str.replace(r"(\d{2}),(\d+)", "$1.$2")
        .str.replace(r" (\d{1,2}:\d{2})([+-])", " $1:00$2")
    )
    return candidates.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", strict=False, time_unit="us", time_zone="UTC")


def _from_epoch_text(text: pl.Series) -> pl.Series:
    candidates = text.set(~text.str.contains(_EPOCH_TEXT).fill_null(value=False), None)
    whole = _from_integer_epoch(candidates.str.to_integer(strict=False))
    fractional = _from_float_epoch(candidates.cast(pl.Float64, strict=False))
    return whole.to_frame("whole").select(pl.coalesce("whole", pl.lit(fractional))).to_series()


def _from_integer_epoch(numbers: pl.Series) -> pl.Series:
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


def _from_float_epoch(numbers: pl.Series) -> pl.Series:
    size = pl.col("n").abs()
    limit = float(_EPOCH_LIMIT_SECONDS)
    scale = (
        pl.when(size < limit).then(1e6).when(size < limit * 1e3).then(1e3).when(size < limit * 1e6).then(1.0)
    ).otherwise(1e-3)
    microseconds = (pl.col("n") * scale).round(0, mode="half_to_even").cast(pl.Int64, strict=False)
    return numbers.to_frame("n").select(_readable(microseconds)).to_series()


def _readable(microseconds: pl.Expr) -> pl.Expr:
    # Beyond year 9999 nothing downstream can hold the time.
    last = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000
    return pl.when(microseconds.abs() <= last).then(microseconds).cast(_UTC_MICROSECONDS)
