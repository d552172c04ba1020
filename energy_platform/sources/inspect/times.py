"""How a column writes its times: epochs, ISO, day or month first, Korean, in one column or in two."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise, product
from typing import Final, Literal

from energy_platform.domain.time_forms import TimeForm as DomainForm
from energy_platform.domain.time_forms import pattern_of

Order = Literal["day_first", "month_first"]
EpochUnit = Literal["s", "ms", "us", "ns"]

_MANY = 0.9
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
_ZONE = r"\s*(?:Z|z|UTC|[+-]\d{2}(?::?\d{2})?)"
_ISO_DAY = r"\d{4}([-/.])\d{1,2}\1\d{1,2}"
_ISO = re.compile(rf"{_ISO_DAY}[T ]{_CLOCK}")
_ISO_ZONE = re.compile(rf"{_ISO_DAY}[T ]{_CLOCK}({_ZONE})")
_ISO_DATE = re.compile(rf"{_ISO_DAY}\.?")
_DAY_OR_MONTH = re.compile(
    rf"(\d{{1,2}})([/-]|\. ?)(\d{{1,2}})\2(\d{{4}}|\d{{2}})\.?(?:[T ]+({_CLOCK})( ?[AaPp][Mm])?(?:{_ZONE})?)?"
)
#: The hour 24 behind a date.
_ENDS_DAY = re.compile(r"(?<=[T ])24(?=:|$)")
_CLOCK_ONLY = re.compile(rf"({_CLOCK})( ?[AaPp][Mm])?")
_WHOLE = re.compile(r"[+-]?\d+(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?")
#: Epochs are taken for times from 1990 to 2100.
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_EPOCHS: Final[tuple[tuple[EpochUnit, float], ...]] = (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9))
#: Times without signs between their parts, by the number of digits.
_COMPACT: Final = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
#: Ways to write a time that only a format can tell.
_FORMATS: Final[tuple[tuple[str, str], ...]] = (
    (r"\d{4}년 \d{1,2}월 \d{1,2}일 \d{1,2}시 \d{1,2}분 \d{1,2}초", "%Y년 %m월 %d일 %H시 %M분 %S초"),
    (r"\d{4}년 \d{1,2}월 \d{1,2}일 \d{1,2}시 \d{1,2}분", "%Y년 %m월 %d일 %H시 %M분"),
    (r"\d{4}년 \d{1,2}월 \d{1,2}일 \d{1,2}시", "%Y년 %m월 %d일 %H시"),
    (r"\d{4}년 \d{1,2}월 \d{1,2}일 \d{1,2}:\d{2}", "%Y년 %m월 %d일 %H:%M"),
    (r"\d{4}년 \d{1,2}월 \d{1,2}일", "%Y년 %m월 %d일"),
    (r"\d{4}\. \d{1,2}\. \d{1,2}\. \d{1,2}:\d{2}:\d{2}", "%Y. %m. %d. %H:%M:%S"),
    (r"\d{4}\. \d{1,2}\. \d{1,2}\. \d{1,2}:\d{2}", "%Y. %m. %d. %H:%M"),
    (r"\d{4}\. \d{1,2}\. \d{1,2}\.", "%Y. %m. %d."),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4} \d{1,2}:\d{2}:\d{2}", "%d-%b-%Y %H:%M:%S"),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4} \d{1,2}:\d{2}", "%d-%b-%Y %H:%M"),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", "%d-%b-%Y"),
    (r"\d{1,2} [A-Za-z]{3} \d{4} \d{1,2}:\d{2}:\d{2}", "%d %b %Y %H:%M:%S"),
    (r"\d{1,2} [A-Za-z]{3} \d{4} \d{1,2}:\d{2}", "%d %b %Y %H:%M"),
    (r"[A-Za-z]{3} \d{1,2}, \d{4} \d{1,2}:\d{2}", "%b %d, %Y %H:%M"),
    (r"[A-Za-z]{3} \d{1,2}, \d{4} \d{1,2}:\d{2} [AaPp][Mm]", "%b %d, %Y %I:%M %p"),
    (r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}:\d{2} [AaPp][Mm]", "%Y-%m-%d %I:%M:%S %p"),
    (r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2} [AaPp][Mm]", "%Y-%m-%d %I:%M %p"),
    (r"\d{4}-\d{1,2}-\d{1,2} (오전|오후) \d{1,2}:\d{2}:\d{2}", "%Y-%m-%d %p %I:%M:%S"),
    (r"\d{4}-\d{1,2}-\d{1,2} (오전|오후) \d{1,2}:\d{2}", "%Y-%m-%d %p %I:%M"),
    (r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}", "%Y-%m-%d %H"),
)
#: The parts of such times, the longer ones first: each pair of them is tried.
_DATES: Final = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%d.%b.%Y", "%d %b %Y"),
    *("%b %d %Y", "%b %d, %Y", "%a, %d %b %Y", "%Y년 %m월 %d일", "%Y년%m월%d일", "%Y. %m. %d."),
)
_BETWEEN: Final = (" ", "T", "-", "_", ":")
_CLOCKS: Final = (
    *("%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M:%S", "%H:%M", "%H.%M.%S", "%H.%M", "%H%M%S", "%H%M", "%I:%M:%S %p"),
    *("%I:%M %p", "%I:%M:%S%p", "%I:%M%p", "%p %I:%M:%S", "%p %I:%M", "%H시 %M분 %S초", "%H시 %M분", "%H시%M분%S초"),
    *("%H시%M분", "%H시", ""),
)
_ZONES: Final = ("", "%z", " %z")
_OFFSET = r"(?: ?(?:[Zz]|[+-]\d\d(?::?\d\d)?))?$"
_DIGITS: Final = {
    "%H%M%S": re.compile(rf"\D\d{{6}}{_OFFSET}", re.ASCII),
    "%H%M": re.compile(rf"\D\d{{4}}{_OFFSET}", re.ASCII),
}
_LONG_MONTH = re.compile(r"(?i)(?:january|february|march|april|june|july|august|september|october|november|december)")


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a column writes its times.

    Attributes:
        what: for people, e.g. `epoch in milliseconds`.
        zoned: the times carry a zone, or are instants.
        offsets: that stand in them, e.g. `+09:00`; epochs and `Z` are `+00:00`.
        unit: of an epoch.
        format: strptime codes, where the column is read by nothing else.
        order: of day and month, where both stand before the year.
        doubtful: both orders fit.
        has_clock: a time of day stands in it.
    """

    what: str
    zoned: bool = False
    offsets: frozenset[str] = frozenset()
    unit: EpochUnit | None = None
    format: str | None = None
    order: Order | None = None
    doubtful: bool = False
    has_clock: bool = True

    def read(self, text: str) -> datetime | None:
        """The time that a text is, without its zone (epochs: in UTC); None where it is none."""
        text = text.strip()
        try:
            if self.unit is not None:
                seconds = float(text) / dict(_EPOCHS)[self.unit]
                return datetime(1970, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001
            if self.format is not None:
                return _formatted_time(text, self.format)
            if self.order is not None:
                return _ordered(text, self.order)
            return _iso(text)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class ClockForm:
    """How a column writes times of day that stand apart from their dates.

    Attributes:
        format: strptime codes.
        what: for people.
        problem: why no format reads all of them; empty where one does.
    """

    format: str
    what: str
    problem: str = ""

    def since_midnight(self, text: str) -> timedelta | None:
        """The time of day that a text is; None where it is none."""
        try:
            return _formatted_time(f"2000-01-01 {text.strip()}", f"%Y-%m-%d {self.format}") - datetime(2000, 1, 1)  # noqa: DTZ001
        except ValueError:
            return None


def time_form(cells: Sequence[str]) -> TimeForm | None:
    """How nearly all of the cells write a time; None where they are no times."""
    held = [cell.strip() for cell in cells if cell.strip()]
    if not held:
        return None
    for find in (_compact, _epoch, _iso_form, _slashed, _formatted, _composed):
        if (form := find(held)) is not None:
            return form
    return None


def clock_form(cells: Sequence[str]) -> ClockForm | None:
    """How nearly all of the cells write a time of day; whole hours are one, from 0 to 23."""
    held = [cell.strip() for cell in cells if cell.strip()]
    if not held:
        return None
    matches = [match for cell in held if (match := _CLOCK_ONLY.fullmatch(cell))]
    if len(matches) >= _MANY * len(held):
        longest = max(matches, key=lambda match: len(match[1]))
        form = _clock_format(longest[1], bool(longest[2]))
        form = form.replace("%H", "%k") if any(match[1].startswith("24:") for match in matches) else form
        return ClockForm(form, f"time of day such as {longest[0]}")
    if all(re.fullmatch(r"\d{1,2}", cell) and int(cell) < 24 for cell in held):
        return ClockForm("%H", "hour of day")
    if all(re.fullmatch(r"\d{1,2}", cell) and 1 <= int(cell) <= 24 for cell in held):
        return ClockForm(
            "%k",
            "hour from 1 to 24",
            "hours run from 1 to 24. Read by `%k`, each time ends its hour, and 24 is the midnight behind the day",
        )
    if all(re.fullmatch(r"\d{4}", cell) and int(cell[:2]) < 24 and int(cell[2:]) < 60 for cell in held):
        return ClockForm("%H%M", "time of day such as 0930")
    return None


def date_format(form: TimeForm, example: str) -> str | None:
    """Strptime codes of a column of dates; None where the form does not tell."""
    if form.format is not None:
        return form.format
    found = _DAY_OR_MONTH.fullmatch(example.strip())
    if form.order is not None and found:
        sign, year = found[2].strip(), "%Y" if len(found[4]) == 4 else "%y"
        first, second = ("%d", "%m") if form.order == "day_first" else ("%m", "%d")
        return f"{first}{sign}{second}{sign}{year}"
    found = _ISO_DATE.fullmatch(example.strip())
    return f"%Y{found[1]}%m{found[1]}%d" if found else None


def _many(held: Sequence[str], test: Callable[[str], object]) -> bool:
    return sum(1 for cell in held if test(cell)) >= _MANY * len(held)


def _compact(held: Sequence[str]) -> TimeForm | None:
    for digits, form in _COMPACT.items():
        if _many(held, lambda cell, digits=digits, form=form: len(cell) == digits and _plausible(cell, form)):
            return TimeForm(f"date and time in {digits} digits", format=form, has_clock=digits > 8)
    return None


def _plausible(cell: str, form: str) -> bool:
    if not cell.isascii() or not cell.isdigit():
        return False
    try:
        return 1990 <= datetime.strptime(cell, form).year < 2100  # noqa: DTZ007
    except ValueError:
        return False


def _epoch(held: Sequence[str]) -> TimeForm | None:
    if not _many(held, _NUMBER.fullmatch):
        return None
    numbers = [float(cell) for cell in held if _NUMBER.fullmatch(cell)]
    for unit, factor in _EPOCHS:
        inside = sum(1 for number in numbers if _FIRST * factor <= number < _LAST * factor)
        # zeros and faults of single rows are no reason against it
        if inside >= _MANY * len(held):
            names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
            fractional = "" if all(_WHOLE.fullmatch(cell) for cell in held) else "fractional "
            return TimeForm(f"epoch in {fractional}{names[unit]}", zoned=True, offsets=frozenset({"+00:00"}), unit=unit)
    return None


def _iso_form(held: Sequence[str]) -> TimeForm | None:
    zoned = [match for cell in held if (match := _ISO_ZONE.fullmatch(cell))]
    plain = [cell for cell in held if _ISO.fullmatch(cell)]
    dates = [cell for cell in held if _ISO_DATE.fullmatch(cell)]
    if len(zoned) + len(plain) + len(dates) < _MANY * len(held):
        return None
    if zoned and not plain and not dates:
        return TimeForm("text with a zone", zoned=True, offsets=frozenset(_offset(match[2]) for match in zoned))
    if zoned:
        return TimeForm("text, partly with a zone", offsets=frozenset(_offset(match[2]) for match in zoned))
    if plain and any(_ENDS_DAY.search(cell) for cell in plain):
        return _up_to_24(plain)
    if plain:
        return TimeForm("text without a zone")
    return TimeForm("date", has_clock=False, format="%Y.%m.%d." if dates[0].endswith(".") else None)


def _slashed(held: Sequence[str]) -> TimeForm | None:
    found = [match for cell in held if (match := _DAY_OR_MONTH.fullmatch(cell))]
    if len(found) < _MANY * len(held):
        return None
    first = sum(int(match[1]) > 12 for match in found)
    second = sum(int(match[3]) > 12 for match in found)
    doubtful = not first and not second
    order: Order = "day_first" if first >= second and not doubtful else "month_first"
    if doubtful:
        order = _smoother(found)
    words = "day first" if order == "day_first" else "month first"
    return TimeForm(f"text, {words}", order=order, doubtful=doubtful, has_clock=any(match[5] for match in found))


def _smoother(found: Sequence[re.Match[str]]) -> Order:
    """The order in which the times of the file go on evenly: a guess, where both fit."""

    def leaps(day: int, month: int) -> int:
        days = [(int(match[4]), int(match[month]), int(match[day])) for match in found]
        return sum(1 for before, after in pairwise(days) if after[1] != before[1])

    return "day_first" if leaps(1, 3) <= leaps(3, 1) else "month_first"


def _formatted(held: Sequence[str]) -> TimeForm | None:
    for pattern, form in _FORMATS:
        if _many(held, re.compile(pattern).fullmatch):
            return TimeForm(f"text such as {held[0]}", format=form, has_clock="%H" in form or "%I" in form)
    return None


def _composed(held: Sequence[str]) -> TimeForm | None:
    """A date and a clock that are written in one of the ways people write each, with anything between."""
    first = held[0]
    for date in _DATES:
        if not _begins_with(date).match(first) or (date == "%Y%m%d" and not re.match(r"\d{8}(?!\d)", first)):
            continue
        for between, clock, zone in product(_BETWEEN, _CLOCKS, _ZONES):
            form = f"{date}{between}{clock}{zone}" if clock else date
            pattern = re.compile(pattern_of(DomainForm(format=form)), re.ASCII)
            digits = _DIGITS.get(clock)
            # `0130` is no minute and no second of one digit each
            if digits is not None and not _many(held, digits.search):
                continue
            if pattern.match(first) and _many(held, pattern.match):
                # months are spelled out, as strptime wants to know
                form = form.replace("%b", "%B") if any(_LONG_MONTH.search(cell) for cell in held) else form
                return TimeForm(f"text such as {first}", bool(zone), format=form, has_clock=bool(clock))
    return None


@lru_cache
def _begins_with(date: str) -> re.Pattern[str]:
    return re.compile(pattern_of(DomainForm(format=date)).removesuffix("$"), re.ASCII)


def _up_to_24(plain: Sequence[str]) -> TimeForm:
    """Of texts in which midnight is the 24:00 of the day before."""
    longest = max(plain, key=len)
    found = _ISO.fullmatch(longest)
    assert found is not None
    sign, between = found[1], longest[re.search(r"[T ]", longest).start()]  # pyright: ignore[reportOptionalMemberAccess]
    clock = _clock_format(longest.partition(between)[2], noon=False).replace("%H", "%k")
    return TimeForm("text without a zone, midnight as 24:00", format=f"%Y{sign}%m{sign}%d{between}{clock}")


def _formatted_time(text: str, form: str) -> datetime:
    """A local time, for the first day alone."""
    text = text.replace("오전", "AM").replace("오후", "PM")
    if "%k" not in form:
        return datetime.strptime(text, form)  # noqa: DTZ007
    form, day_ends = form.replace("%k", "%H"), bool(_ENDS_DAY.search(text))
    read = datetime.strptime(_ENDS_DAY.sub("00", text) if day_ends else text, form)  # noqa: DTZ007
    return read + timedelta(days=1) if day_ends else read


def _clock_format(clock: str, noon: bool) -> str:
    hour = "%I" if noon else "%H"
    parts = f"{hour}:%M:%S" if clock.count(":") == 2 else f"{hour}:%M"
    if "." in clock:
        parts += ".%f"
    return f"{parts} %p" if noon else parts


def _offset(text: str) -> str:
    text = text.strip()
    if text in {"Z", "z", "UTC"}:
        return "+00:00"
    digits = text.replace(":", "").ljust(5, "0")
    return f"{digits[:3]}:{digits[3:]}"


def _iso(text: str) -> datetime | None:
    day, _, clock = text.replace("T", " ", 1).partition(" ")
    year, month, date_ = (int(part) for part in re.split(r"[-/.]", day.rstrip("."))[:3])
    return _with_clock(datetime(year, month, date_), clock)  # noqa: DTZ001


def _ordered(text: str, order: Order) -> datetime | None:
    found = _DAY_OR_MONTH.fullmatch(text)
    if found is None:
        return None
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    day, month = (first, second) if order == "day_first" else (second, first)
    return _with_clock(datetime(year + 2000 if year < 100 else year, month, day), found[5] or "")  # noqa: DTZ001


def _with_clock(day: datetime, clock: str) -> datetime:
    found = re.match(r"(\d{1,2}):(\d{2})", clock)
    return day + timedelta(hours=int(found[1]), minutes=int(found[2])) if found else day
