"""From what a source holds to canonical types: every value either converts exactly or is refused by a reason code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.domain.time_forms import ANY_FORM, Ambiguous, TimeForm
from energy_platform.domain.times import parse_dates, parse_times
from energy_platform.domain.units import Unit
from energy_platform.sources.spec import NumberForm

_TRUE = ["1", "1.0", "true", "t", "yes", "y", "on"]
_FALSE = ["0", "0.0", "false", "f", "no", "n", "off"]
_SPECIAL_FLOATS: Mapping[str, float] = {
    sign + word: float(sign + word.removesuffix("inity"))
    for sign in ("", "+", "-")
    for word in ("inf", "infinity", "nan")
}


_PLAIN_NUMBERS: Final = NumberForm()
_MINUTES_OF_HOUR: Final = 60


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """How the values of a column are written.

    Attributes:
        time: of times and dates.
        ambiguous: what becomes of local times that exist twice.
        numbers: of numbers that are text.
        strip: texts of which one may stand glued to a number.
        unit: of its numbers; None where they are in the unit that is stored.
        per_minutes: its numbers are the energy of so many minutes; None where they are not.
    """

    time: TimeForm = ANY_FORM
    ambiguous: Ambiguous = "earliest"
    numbers: NumberForm = _PLAIN_NUMBERS
    strip: tuple[str, ...] = ()
    unit: Unit | None = None
    per_minutes: float | None = None

    @property
    def has_plain_numbers(self) -> bool:
        """Whether numbers stand there as any program writes them."""
        return not self.strip and self.numbers == _PLAIN_NUMBERS


PLAIN_FORM: Final = ColumnForm()


class Converted(NamedTuple):
    """A converted column.

    Attributes:
        values: in the canonical type.
        refused: a mask of the values that did not convert; None where all did.
        reason: the reason code of those.
        ambiguous: local times that exist twice.
        nonexistent: local times that do not exist.
        doubtful: a mask of the local times that exist twice and are to be refused for it; None where there are none.
    """

    values: pl.Series
    refused: pl.Series | None
    reason: str
    ambiguous: int = 0
    nonexistent: int = 0
    doubtful: pl.Series | None = None


def convert(raw: pl.Series, column_type: ColumnType, zone: ZoneInfo, form: ColumnForm = PLAIN_FORM) -> Converted:
    """Convert a raw column (String, Int64, Float64, Boolean or Null) into a canonical type.

    An empty text counts as absent, except where the column is a text.
    """
    if raw.dtype == pl.Null:
        raw = raw.cast(pl.String)
    if column_type == "text":
        return Converted(as_text(raw), None, "")
    if column_type == "json":
        return Converted(raw.cast(pl.String), None, "not_json")
    if column_type == "time":
        parsed = parse_times(raw, zone, form.time, form.ambiguous)
        doubtful = parsed.twice if form.ambiguous == "quarantine" else None
        refused = _not_converted(raw, parsed.times)
        return Converted(parsed.times, refused, "unreadable_time", parsed.ambiguous, parsed.nonexistent, doubtful)
    if column_type == "date":
        values, reason = parse_dates(raw, form.time), "not_a_date"
    elif column_type == "boolean":
        values, reason = _as_flags(raw), "not_a_flag"
    else:
        plain = plain_numbers(raw, form)
        values, reason = _as_integers(plain) if column_type == "integer" else as_floats(plain), "not_a_number"
        if form.unit is not None:
            values = _in_canonical_unit(values, form.unit)
        if form.per_minutes is not None:
            # a quarter of an hour is times 4, which is exact
            hours = Fraction(_MINUTES_OF_HOUR) / Fraction(form.per_minutes)
            values = _scaled(values, 0.0, float(hours.numerator), float(hours.denominator))
    return Converted(values, _not_converted(raw, values), reason)


def _not_converted(raw: pl.Series, values: pl.Series) -> pl.Series | None:
    """A mask of what stood there and has become nothing; None where nothing has."""
    if values.null_count() == (raw.null_count() if raw.dtype != pl.String else 0):
        return None
    lost = values.is_null() & raw.is_not_null()
    if raw.dtype == pl.String:
        lost &= raw.str.strip_chars() != ""
    return lost if lost.any() else None


def as_text(raw: pl.Series) -> pl.Series:
    """Text as it is; numbers in their shortest exact form."""
    return raw if raw.dtype == pl.String else raw.cast(pl.String)


def plain_numbers(raw: pl.Series, form: ColumnForm) -> pl.Series:
    """Numbers that are text as any program writes them; null where the text is no number of the form.

    Thousands are taken out only where they stand in groups of three: `1.5` is no number of a form in which points
    stand between thousands, least of all fifteen.
    """
    if raw.dtype != pl.String or form.has_plain_numbers:
        return raw
    text = raw.str.strip_chars()
    if form.strip:
        glued = "|".join(re.escape(text) for text in sorted(form.strip, key=len, reverse=True))
        text = text.str.replace(rf"^(?:{glued})\s*", "").str.replace(rf"\s*(?:{glued})$", "")
    if form.numbers == _PLAIN_NUMBERS:
        return text
    number, thousands = _number_patterns(form.numbers)
    is_number = text.str.contains(number)
    plain = text.str.replace_all(thousands, "") if thousands else text
    plain = plain.str.replace(form.numbers.decimal, ".", literal=True)
    frame = pl.DataFrame({"plain": plain, "text": text, "is_number": is_number})
    word = pl.col("text").str.to_lowercase().is_in(list(_SPECIAL_FLOATS))
    chosen = pl.when("is_number").then("plain").when(word).then("text")
    return frame.select(chosen).to_series()


def _number_patterns(form: NumberForm) -> tuple[str, str]:
    """What a number of a form looks like, and what stands between its thousands."""
    # a blank that does not break a line is meant by a blank
    between = "[ \u00a0\u202f]" if form.thousands.isspace() else re.escape(form.thousands)
    whole = rf"(?:[1-9][0-9]{{0,2}}(?:{between}[0-9]{{3}})+|[0-9]*)" if form.thousands else "[0-9]*"
    return rf"^[+-]?{whole}(?:{re.escape(form.decimal)}[0-9]*)?(?:[eE][+-]?[0-9]{{1,3}})?$", between


def _in_canonical_unit(values: pl.Series, unit: Unit) -> pl.Series:
    if unit.name == unit.canonical:
        return values
    return _scaled(values, unit.zero, unit.numerator, unit.denominator)


def _scaled(values: pl.Series, zero: float, numerator: float, denominator: float) -> pl.Series:
    """(value - zero) * numerator / denominator, each step rounded once.

    Not by polars: it divides by a number as it multiplies by its inverse, which is rounded already.
    """
    numbers = values.cast(pl.Float64)
    # what is beyond doubles is infinite, and refused for it
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (numbers.fill_null(0.0).to_numpy() - zero) * numerator / denominator
    return pl.Series(values.name, scaled).set(numbers.is_null(), None)


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
    exact = (floats.abs() <= EXACT_INTEGERS) & (floats == floats.floor())
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
