"""Reading times: text with or without a zone, and epochs, into UTC microseconds.

A time that carries no zone is local in the estate's zone; `local_times` says what holds where clocks change.
"""

from __future__ import annotations

import re
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.domain.epochs import from_epoch_text, from_epochs, from_float_epoch, from_integer_epoch
from energy_platform.domain.local_times import NAIVE_MICROSECONDS, UTC_MICROSECONDS, ParsedTimes, localize
from energy_platform.domain.time_forms import ANY_FORM, Ambiguous, TimeForm, pattern_of
from energy_platform.domain.time_texts import ReadTimes, as_times, read_by_bytes, read_by_pattern

__all__ = ["ParsedTimes", "parse_dates", "parse_times"]

_WITH_OFFSET = r"\d:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
_NAIVE_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
#: Texts of this form are read straight from their bytes.
_PLAIN_TIME = re.compile(
    r"(?P<Y>\d{4})([-/.])(?P<m>\d\d)\2(?P<d>\d\d)[ Tt](?P<H>\d\d):(?P<M>\d\d)"
    r"(?::(?P<S>\d\d)(?:\.(?P<f>\d{1,9}))?)?(?P<z>Z|z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


def parse_times(
    raw: pl.Series, zone: ZoneInfo, form: TimeForm = ANY_FORM, ambiguous: Ambiguous = "earliest"
) -> ParsedTimes:
    """Read a column of times: of the form that is given, else ISO 8601 text, or epochs.

    ISO 8601 is meant broadly: `T` or a blank before the hour, `-`, `/` or `.` in the date.

    Args:
        raw: String, Int64, Float64, or Datetime.
        zone: of the times that carry none.
        form: how the times are written.
        ambiguous: which of two instants a local time is that exists twice.
    """
    if form.unit is not None:
        return ParsedTimes(from_epochs(raw, form.unit))
    if form.format is not None and not raw.dtype.is_float():
        text = raw.cast(pl.String).str.strip_chars()
        read = _read(text, form)
        return _localized(read, zone, ambiguous)
    if raw.dtype.is_integer():
        return ParsedTimes(from_integer_epoch(raw.cast(pl.Int64)))
    if raw.dtype.is_float():
        return ParsedTimes(from_float_epoch(raw))
    if raw.dtype != pl.String:
        return ParsedTimes(pl.Series(raw.name, [None] * raw.len(), dtype=UTC_MICROSECONDS))
    if form.order is not None:
        return _parse_ordered(raw, zone, form, ambiguous)
    read = read_by_bytes(raw, _PLAIN_TIME)
    return _with_others(read, raw, zone, ambiguous)


def parse_dates(raw: pl.Series, form: TimeForm = ANY_FORM) -> pl.Series:
    """Read calendar dates from text; a time of day behind the date is dropped. Null where none stood."""
    if form.format is not None and not raw.dtype.is_float():
        return _dates(_read(raw.cast(pl.String).str.strip_chars(), form))
    if raw.dtype != pl.String:
        return pl.Series(raw.name, [None] * raw.len(), dtype=pl.Date)
    iso = _parse_naive(_tidy(raw)).dt.date()
    if form.order is None:
        return iso
    return _dates(_read(raw.str.strip_chars(), form)).to_frame("d").select(pl.coalesce("d", pl.lit(iso))).to_series()


def _dates(read: ReadTimes) -> pl.Series:
    return as_times(read, read.is_read).dt.date()


def _parse_ordered(raw: pl.Series, zone: ZoneInfo, form: TimeForm, ambiguous: Ambiguous) -> ParsedTimes:
    """Read dates such as 01/02/2025 in a known order; texts that are none of these are read like any other."""
    read = _read(raw.str.strip_chars(), form)
    parsed = _localized(read, zone, ambiguous)
    left_over = ~pl.Series(read.is_read) & raw.is_not_null()
    if not left_over.any():
        return parsed
    others = parse_times(raw.filter(left_over), zone, ambiguous=ambiguous)
    return others.scattered(parsed.times, left_over.arg_true()).counting(parsed)


@cache
def _compiled(form: TimeForm) -> re.Pattern[str]:
    return re.compile(pattern_of(form), re.ASCII)


def _read(text: pl.Series, form: TimeForm) -> ReadTimes:
    read = read_by_bytes(text, _compiled(form))
    left_over = ~pl.Series(read.is_read) & text.is_not_null()
    if left_over.any():
        further = read_by_pattern(text.filter(left_over), pattern_of(form))
        places = left_over.arg_true().to_numpy()
        read.times[places] = further.times
        read.is_local[places], read.is_instant[places] = further.is_local, further.is_instant
    return read


def _localized(read: ReadTimes, zone: ZoneInfo, ambiguous: Ambiguous) -> ParsedTimes:
    local = localize(as_times(read, read.is_local), zone, ambiguous)
    if not read.is_instant.any():
        return local
    instants = as_times(read, read.is_instant).dt.replace_time_zone("UTC")
    times = local.times.to_frame("times").select(pl.coalesce("times", pl.lit(instants))).to_series()
    return ParsedTimes(times, local.ambiguous, local.nonexistent, local.twice)


def _with_others(read: ReadTimes, raw: pl.Series, zone: ZoneInfo, ambiguous: Ambiguous) -> ParsedTimes:
    """The times that were read, and those of the texts that are left over."""
    parsed = _localized(read, zone, ambiguous)
    if read.is_read.all():
        return parsed
    left_over = ~pl.Series(read.is_read) & raw.is_not_null()
    if not left_over.any():
        return parsed
    others = _parse_others(raw.filter(left_over), zone, ambiguous)
    return others.scattered(parsed.times, left_over.arg_true()).counting(parsed)


def _parse_others(raw: pl.Series, zone: ZoneInfo, ambiguous: Ambiguous = "earliest") -> ParsedTimes:
    """Read texts of any form."""
    text = _tidy(raw)
    parsed = localize(_parse_naive(text), zone, ambiguous)
    left_over = parsed.times.is_null() & text.is_not_null()
    if not left_over.any():
        return parsed
    others = text.set(~left_over, None)
    times = parsed.times.to_frame("times").with_columns(
        pl.coalesce(
            "times",
            pl.lit(_parse_with_offset(others)),
            pl.lit(from_epoch_text(others)),
        )
    )
    return ParsedTimes(times.get_column("times"), parsed.ambiguous, parsed.nonexistent, parsed.twice)


def _tidy(raw: pl.Series) -> pl.Series:
    text = raw.str.strip_chars()
    text = text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", "$1-$2-$3")
    text = text.str.replace(r"^(\d{4}-\d{1,2}-\d{1,2})[Tt]", "$1 ")
    return text.str.replace(r"(:\d{2}),(\d{1,9})$", "$1.$2")


def _parse_naive(text: pl.Series) -> pl.Series:
    naive = text.str.to_datetime(_NAIVE_FORMATS[0], strict=False, time_unit="us")
    for form in _NAIVE_FORMATS[1:]:
        if naive.null_count() == text.null_count():
            break
        if "%H" in form:
            further = text.str.to_datetime(form, strict=False, time_unit="us")
        else:
            further = text.str.to_date(form, strict=False).cast(NAIVE_MICROSECONDS)
        naive = naive.to_frame("naive").select(pl.coalesce("naive", pl.lit(further))).to_series()
    return naive


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
