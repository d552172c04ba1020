"""Reading times: text with or without a zone, and epochs, into UTC microseconds.

A time that carries no zone is local in the estate's zone. Where clocks change, the rule is that of Python's zoneinfo
with fold=0: a local time that exists twice is the earlier instant; one that does not exist goes by the offset that
held before the gap. Both are counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

_UTC_MICROSECONDS = pl.Datetime("us", "UTC")
_NAIVE_MICROSECONDS = pl.Datetime("us")
_EPOCH_TEXT = r"^[+-]?\d{9,19}(\.\d+)?$"
_WITH_OFFSET = r"\d:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$"
_NAIVE_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
#: Epochs by magnitude: up to this many seconds a number counts seconds, then milli-, micro- and nanoseconds.
_EPOCH_LIMIT_SECONDS = 10**11
_SECOND = 1_000_000
_HOUR, _DAY = 3600 * _SECOND, 86_400 * _SECOND
#: Local times that are at least so far from any change of clocks go by an offset that is beyond doubt.
_NEAR_A_CHANGE = 2 * _DAY
#: The changes of clocks are looked up for batches that span at most so much.
_LONGEST_SPAN = 50 * 366 * _DAY
#: Texts are read so many at a time: what is made of them stays in a core's own cache.
_BLOCK = 1 << 14
_PLAIN_TIME = re.compile(r"\d{4}([-/.])\d\d\1\d\d[ Tt]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|z|[+-]\d\d:\d\d)?", re.ASCII)

_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]


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
    plain = _read_plain(raw)
    local = _localize(_as_times(plain.times, plain.is_local), zone)
    times = local.times.to_frame("times")
    if plain.is_instant.any():
        instants = _as_times(plain.times, plain.is_instant).dt.replace_time_zone("UTC")
        times = times.select(pl.coalesce("times", pl.lit(instants)))
    read = plain.is_local | plain.is_instant
    left_over = ~pl.Series(read) & raw.is_not_null()
    if not left_over.any():
        return ParsedTimes(times.to_series(), local.ambiguous, local.nonexistent)
    others = _parse_others(raw.filter(left_over), zone)
    times = times.to_series().scatter(left_over.arg_true(), others.times)
    return ParsedTimes(times, local.ambiguous + others.ambiguous, local.nonexistent + others.nonexistent)


def _parse_others(raw: pl.Series, zone: ZoneInfo) -> ParsedTimes:
    """Read texts of any form."""
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


@dataclass(frozen=True, slots=True)
class _PlainTimes:
    """What the texts of a plain form say; the others are left to those who know more forms.

    Attributes:
        times: microseconds since 1970; anything where nothing was read.
        is_local: where a local time was read.
        is_instant: where a time with an offset was read: it is in UTC.
    """

    times: _Numbers
    is_local: _Mask
    is_instant: _Mask


def _read_plain(raw: pl.Series) -> _PlainTimes:
    """Read texts of a form like `2025-03-01 12:00:00` straight from their bytes: all of one length have one form."""
    rows = raw.len()
    plain = _PlainTimes(np.zeros(rows, np.int64), np.zeros(rows, np.bool_), np.zeros(rows, np.bool_))
    lengths = raw.str.len_bytes()
    for length in lengths.unique().drop_nulls().to_list():
        chosen = lengths == length
        texts = raw.filter(chosen) if lengths.null_count() or not chosen.all() else raw
        form = _PLAIN_TIME.fullmatch(texts[0])
        if form is None:
            continue
        times, valid = _read_form(texts, form)
        places = slice(None) if texts is raw else chosen.arg_true().to_numpy()
        plain.times[places] = times
        (plain.is_instant if form[3] else plain.is_local)[places] = valid
    return plain


def _read_form(texts: pl.Series, form: re.Match[str]) -> tuple[_Numbers, _Mask]:
    """Times of texts of one length, and which of them have exactly this form and exist in the calendar."""
    length, rows = form.end(), texts.len()
    pattern = np.frombuffer(re.sub(r"\d", "0", form[0]).encode(), np.uint8)
    size = min(rows, _BLOCK)
    # xor with the pattern leaves digits 0 to 9, and 0 for what stands between them
    patterns, limits = np.tile(pattern, size), np.tile(np.where(pattern == ord("0"), 9, 0).astype(np.uint8), size)
    _, offsets, content = texts.rename("").to_arrow().buffers()
    begin = int(np.frombuffer(offsets, np.int64, 1)[0])
    data = np.frombuffer(content, np.uint8, rows * length, begin)
    times, valid = np.empty(rows, np.int64), np.empty(rows, np.bool_)
    for start in range(0, rows, size):
        block = data[start * length : (start + size) * length]
        left = block ^ patterns[: block.size]
        fits = (left <= limits[: block.size]).reshape(-1, length)
        part = slice(start, start + size)
        times[part], valid[part] = _read_digits(left.reshape(-1, length), form)
        if not fits.all():
            valid[part] &= fits.all(axis=1)
    return times, valid


def _read_digits(digits: npt.NDArray[np.uint8], form: re.Match[str]) -> tuple[_Numbers, _Mask]:
    def number(place: int, count: int) -> _Numbers:
        value = digits[:, place].astype(np.int64)
        for further in range(place + 1, place + count):
            value *= 10
            value += digits[:, further]
        return value

    year, month, day = number(0, 4), number(5, 2), number(8, 2)
    hour, minute, second = number(11, 2), number(14, 2), number(17, 2)
    months = year * 12 + month - 1
    first_days = _first_days_of_months()
    first_day = first_days.take(months, mode="clip")
    valid = (year > 0) & (month > 0) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    valid &= (day > 0) & (day <= first_days.take(months + 1, mode="clip") - first_day)
    times = (((first_day + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    times *= _SECOND
    fraction, offset = form[2], form[3]
    if fraction:
        # what is finer than a microsecond is dropped
        count = min(len(fraction) - 1, 6)
        times += number(20, count) * 10 ** (6 - count)
    if offset and offset not in {"Z", "z"}:
        hours, minutes = number(form.end() - 5, 2), number(form.end() - 2, 2)
        valid &= (hours < 24) & (minutes < 60)
        ahead = (hours * 60 + minutes) * 60 * _SECOND
        times += ahead if offset[0] == "-" else -ahead
    return times, valid


@cache
def _first_days_of_months() -> _Numbers:
    """Days since 1970 of the first of each month, from year 0 on, up to the one behind year 9999."""
    return np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _as_times(numbers: _Numbers, chosen: _Mask) -> pl.Series:
    times = pl.Series("times", numbers).cast(_NAIVE_MICROSECONDS)
    return times if chosen.all() else times.set(~pl.Series(chosen), None)


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
    numbers = naive.to_physical()
    low, high = numbers.min(), numbers.max()
    if not isinstance(low, int) or not isinstance(high, int) or high - low > _LONGEST_SPAN:
        return _localize_one_by_one(naive, zone)
    changes, offsets = _changes(low - 2 * _NEAR_A_CHANGE, high + 2 * _NEAR_A_CHANGE, zone)
    if changes.size == 0:
        return ParsedTimes((numbers - int(offsets[0])).cast(_NAIVE_MICROSECONDS).dt.replace_time_zone("UTC"))
    local = numbers.fill_null(low).to_numpy()
    era = np.searchsorted(changes, local)
    edges = np.concatenate(([low - _LONGEST_SPAN], changes, [high + _LONGEST_SPAN]))
    near = (local - edges[era] < _NEAR_A_CHANGE) | (edges[era + 1] - local < _NEAR_A_CHANGE)
    times = pl.Series(naive.name, local - offsets[era]).cast(_NAIVE_MICROSECONDS).dt.replace_time_zone("UTC")
    if naive.null_count():
        times = times.set(naive.is_null(), None)
    if not near.any():
        return ParsedTimes(times)
    doubtful = pl.Series(near)
    judged = _localize_one_by_one(naive.filter(doubtful), zone)
    return ParsedTimes(times.scatter(doubtful.arg_true(), judged.times), judged.ambiguous, judged.nonexistent)


def _changes(start: int, stop: int, zone: ZoneInfo) -> tuple[_Numbers, _Numbers]:
    """The hours in which clocks change between two instants, and the offsets before, between and behind them."""
    instants = pl.Series(np.arange(start, stop, _HOUR)).cast(_UTC_MICROSECONDS)
    local = instants.dt.convert_time_zone(str(zone)).dt.replace_time_zone(None)
    offsets = local.to_physical().to_numpy() - instants.to_physical().to_numpy()
    places = np.flatnonzero(np.diff(offsets))
    return instants.to_physical().to_numpy()[places], offsets[np.concatenate((places, [offsets.size - 1]))]


def _localize_one_by_one(naive: pl.Series, zone: ZoneInfo) -> ParsedTimes:
    name = str(zone)
    local = naive.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    latest = naive.dt.replace_time_zone(name, ambiguous="latest", non_existent="null")
    ambiguous = int((local != latest).sum())
    times = local.dt.convert_time_zone("UTC")
    in_gap = naive.is_not_null() & times.is_null()
    nonexistent = int(in_gap.sum())
    if nonexistent:
        # rare, so one by one: these local times lie in the hour that clocks skip
        instants = [stamp.replace(tzinfo=zone).astimezone(UTC) for stamp in naive.filter(in_gap)]
        times = times.scatter(in_gap.arg_true(), pl.Series(instants, dtype=_UTC_MICROSECONDS))
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
