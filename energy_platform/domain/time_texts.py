"""Reading the texts of a known form: straight from their bytes where many are of one length, else one by one.

A form is a regular expression with a group for each part, named by the codes of strptime (`time_forms.pattern_of`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.time_forms import HALF_DAYS, MONTHS

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_SECOND = 1_000_000
#: Texts are read so many at a time: what is made of them stays in a core's own cache.
_BLOCK = 1 << 14
_FULL_WIDTH: Mapping[str, int] = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "H": 2, "k": 2, "I": 2, "M": 2, "S": 2}
#: Two digits of a year up to here are of this century.
_LAST_YEAR = 68
_LAST_CALENDAR_YEAR = 9999
_ZERO = np.int64(0)


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """What texts of a form say.

    Attributes:
        times: microseconds since 1970; anything where nothing was read.
        is_local: where a local time was read.
        is_instant: where a time with an offset was read: it is in UTC.
    """

    times: Numbers
    is_local: Mask
    is_instant: Mask

    @property
    def is_read(self) -> Mask:
        """Where a time was read at all."""
        return self.is_local | self.is_instant


def read_by_bytes(raw: pl.Series, pattern: re.Pattern[str]) -> ReadTimes:
    """Read texts of a form by their bytes: those of one length mostly have one layout. The others are left unread."""
    rows = raw.len()
    found = ReadTimes(np.zeros(rows, np.int64), np.zeros(rows, np.bool_), np.zeros(rows, np.bool_))
    if raw.is_empty():
        return found
    lengths = raw.str.len_bytes()
    is_even = not lengths.null_count() and lengths.min() == lengths.max()
    for length in [None] if is_even else lengths.unique().drop_nulls():
        chosen = None if is_even else lengths == length
        texts = raw if chosen is None else raw.filter(chosen)
        form = _layout(texts, pattern)
        if form is None:
            continue
        times, valid = _read_layout(texts, form)
        places = slice(None) if chosen is None else chosen.arg_true().to_numpy()
        found.times[places] = times
        (found.is_instant if form.groupdict().get("z") else found.is_local)[places] = valid
    return found


def read_by_pattern(raw: pl.Series, pattern: str) -> ReadTimes:
    """Read texts of a form one by one."""
    groups = raw.str.extract_groups(pattern).struct.unnest()
    texts = {name: groups.get_column(name) for name in groups.columns}
    matched = pl.select(pl.any_horizontal([column.is_not_null() for column in texts.values()])).to_series().to_numpy()
    parts = {code: _number(code, column) for code, column in texts.items() if code != "z"}
    times, valid = _times_of(parts)
    valid = valid & matched
    offset = texts.get("z")
    if offset is None:
        return ReadTimes(times, valid, np.zeros(raw.len(), np.bool_))
    has_offset = offset.is_not_null().to_numpy()
    digits = offset.str.replace_all(r"[^0-9]", "")
    hours, minutes = (digits.str.slice(start, 2).cast(pl.Int64, strict=False).fill_null(0) for start in (0, 2))
    sign = offset.str.starts_with("-").fill_null(value=False).to_numpy()
    valid &= (hours < 24).to_numpy()
    ahead = (hours * 60 + minutes).to_numpy() * 60 * _SECOND
    return ReadTimes(times + np.where(sign, ahead, -ahead), valid & ~has_offset, valid & has_offset)


def as_times(read: ReadTimes, chosen: Mask) -> pl.Series:
    """The chosen ones of the times that were read, without a zone; null elsewhere."""
    times = pl.Series("times", read.times).cast(pl.Datetime("us"))
    return times if chosen.all() else times.set(~pl.Series(chosen), None)


def _layout(texts: pl.Series, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Where the parts stand, by one of the texts; None where others of that length may be divided otherwise."""
    for place in dict.fromkeys((0, texts.len() // 2, texts.len() - 1)):
        text = texts[place]
        form = pattern.fullmatch(text) if text.isascii() else None
        if form is None:
            continue
        for code, width in _FULL_WIDTH.items():
            begin, end = form.span(code) if code in pattern.groupindex else (-1, -1)
            if end - begin not in {0, width} and (text[begin - 1 : begin].isdigit() or text[end : end + 1].isdigit()):
                return None
        if form.groupdict().get("f") and text[form.end("f") : form.end("f") + 1].isdigit():
            return None
        return form
    return None


def _read_layout(texts: pl.Series, form: re.Match[str]) -> tuple[Numbers, Mask]:
    """Times of texts of one length, and which of them have exactly this layout and exist in the calendar."""
    length, rows = form.end(), texts.len()
    pattern, is_digit = np.frombuffer(form[0].encode(), np.uint8).copy(), np.zeros(length, np.bool_)
    for code in form.groupdict():
        part = slice(*form.span(code))
        # digits outside of the parts belong to the form itself
        is_digit[part] = (pattern[part] >= ord("0")) & (pattern[part] <= ord("9"))
    pattern[is_digit] = ord("0")
    size = min(rows, _BLOCK)
    # xor with the pattern leaves digits 0 to 9, and 0 for what stands between them
    patterns, limits = np.tile(pattern, size), np.tile(np.where(is_digit, 9, 0).astype(np.uint8), size)
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


def _read_digits(digits: npt.NDArray[np.uint8], form: re.Match[str]) -> tuple[Numbers, Mask]:
    rows, length = digits.shape

    def number(place: int, count: int) -> Numbers:
        value = digits[:, place].astype(np.int64) if count % 2 else None
        for further in range(place + count % 2, place + count, 2):
            # two digits at once, the first of which is the low byte
            pairs = np.ndarray(rows, "<u2", digits, offset=further, strides=(length,))
            pair = (pairs & 0xFF) * np.uint16(10) + (pairs >> 8)
            value = pair.astype(np.int64) if value is None else value * 100 + pair
        assert value is not None
        return value

    parts: dict[str, Numbers | np.int64] = {}
    for code, text in form.groupdict().items():
        if text is None or code == "z":
            continue
        place = form.start(code)
        if code == "f":
            # what is finer than a microsecond is dropped
            count = min(len(text), 6)
            parts[code] = number(place, count) * 10 ** (6 - count)
        elif code in _FULL_WIDTH:
            parts[code] = number(place, len(text))
        else:
            # letters are the same in all texts of the layout
            parts[code] = np.int64(_word(code, text))
    times, valid = _times_of(parts)
    offset = form.groupdict().get("z")
    if offset and offset not in {"Z", "z"}:
        start, end = form.span("z")
        hours = number(start + 1, 2)
        minutes = number(end - 2, 2) if len(offset) > 3 else _ZERO
        valid &= (hours < 24) & (minutes < 60)
        ahead = (hours * 60 + minutes) * 60 * _SECOND
        times += ahead if offset[0] == "-" else -ahead
    return times, valid


def _times_of(parts: Mapping[str, Numbers | np.int64]) -> tuple[Numbers, Mask]:
    """Microseconds since 1970 of a time's parts by their codes, and where the parts exist in the calendar."""
    if "Y" in parts and "y" in parts:
        year = np.where(parts["Y"] >= 0, parts["Y"], _in_century(parts["y"]))
    else:
        year = parts["Y"] if "Y" in parts else _in_century(parts["y"])
    first_days = _first_days_of_months()
    if "j" in parts:
        january = np.asarray(year * 12)
        first_day, day = first_days.take(january, mode="clip"), parts["j"]
        next_first_day = first_days.take(january + 12, mode="clip")
        valid = (year > 0) & (day > 0)
    else:
        month = parts["m"] if "m" in parts else parts["b"]
        months = np.asarray(year * 12 + month - 1)
        first_day, day = first_days.take(months, mode="clip"), parts["d"]
        next_first_day = first_days.take(months + 1, mode="clip")
        valid = (year > 0) & (month > 0) & (month <= 12) & (day > 0)
    valid &= day <= next_first_day - first_day
    hour, minute, second = parts.get("H", _ZERO), parts.get("M", _ZERO), parts.get("S", _ZERO)
    if "I" in parts:
        valid &= (parts["I"] > 0) & (parts["I"] <= 12)
        hour = parts["I"] % 12 + parts["p"]
    elif "p" in parts:
        half = parts["p"]
        valid &= (half < 0) | ((hour > 0) & (hour <= 12))
        hour = np.where(half < 0, hour, hour % 12 + half)
    if "k" in parts:
        hour = parts["k"]
        # 24 is no hour of its own: it ends the day, at the next one's midnight; none follows the last of the calendar
        ends_day = (minute == 0) & (second == 0) & (parts.get("f", _ZERO) == 0) & (year < _LAST_CALENDAR_YEAR)
        valid &= (hour < 24) | ((hour == 24) & ends_day)
    else:
        valid &= hour < 24
    valid &= (minute < 60) & (second < 60)
    times = (((first_day + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    times *= _SECOND
    if "f" in parts:
        times += parts["f"]
    return times, valid


def _in_century(year: Numbers | np.int64) -> Numbers:
    return np.where(year <= _LAST_YEAR, year + 2000, year + 1900)


def _word(code: str, text: str) -> int:
    word = text.casefold()
    return MONTHS.index(word[:3]) + 1 if code == "b" else HALF_DAYS[word]


def _number(code: str, texts: pl.Series) -> Numbers:
    """The parts with one code as numbers; where a text has none it is 0, of years and halves of the day -1."""
    if code == "f":
        texts = texts.str.slice(0, 6).str.pad_end(6, "0")
    elif code == "b":
        numbers = {name: place for place, name in enumerate(MONTHS, start=1)}
        words = texts.str.slice(0, 3).str.to_lowercase()
        return words.replace_strict(numbers, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
    elif code == "p":
        halves = texts.str.to_lowercase()
        return halves.replace_strict(HALF_DAYS, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy()
    return texts.cast(pl.Int64, strict=False).fill_null(-1 if code == "Y" else 0).to_numpy()


@cache
def _first_days_of_months() -> Numbers:
    """Days since 1970 of the first of each month, from year 0 on, up to the one behind year 9999."""
    return np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
