"""How times are written, where an estate file says so: the unit of an epoch, a format, or which number is the day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

#: What becomes of a local time that exists twice, where clocks go back.
Ambiguous = Literal["earliest", "latest", "quarantine"]
EpochUnit = Literal["s", "ms", "us", "ns"]
DateOrder = Literal["day_first", "month_first"]


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How the times of a column are written; where nothing is said, what they look like decides.

    Attributes:
        unit: of epoch numbers.
        format: in the codes of strptime, and `%k`: an hour up to 24, which is the next day's midnight.
        order: of day and month in dates such as 01/02/2025.
    """

    unit: EpochUnit | None = None
    format: str | None = None
    order: DateOrder | None = None


ANY_FORM: Final = TimeForm()

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: What stands for the half of a day, and how many hours it adds; `오전` and `오후` stand before the hour.
HALF_DAYS: Final[Mapping[str, int]] = {"am": 0, "pm": 12, "오전": 0, "오후": 12}

_MONTH_NAMES = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)
_WEEKDAYS = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|[월화수목금토일](?:요일)?"
_OFFSET = r"[+-][0-9][0-9](?::?[0-5][0-9])?|Z|z"
_CODES: Final[Mapping[str, str]] = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>1[0-2]|0[1-9]|[1-9])",
    "d": r"(?P<d>3[0-1]|[1-2][0-9]|0[1-9]|[1-9])",
    "j": r"(?P<j>36[0-6]|3[0-5][0-9]|[1-2][0-9]{2}|0[1-9][0-9]|00[1-9]|[1-9][0-9]|0[1-9]|[1-9])",
    "H": r"(?P<H>2[0-3]|[0-1][0-9]|[0-9])",
    "k": r"(?P<k>2[0-4]|[0-1][0-9]|[0-9])",
    "I": r"(?P<I>1[0-2]|0[1-9]|[1-9])",
    "M": r"(?P<M>[0-5][0-9]|[0-9])",
    "S": r"(?P<S>[0-5][0-9]|[0-9])",
    "f": r"(?P<f>[0-9]{1,9})",
    "z": rf"(?P<z>{_OFFSET})",
    "b": rf"(?P<b>{_MONTH_NAMES})",
    "p": r"(?P<p>[ap]m|오전|오후)",
    "a": rf"(?:{_WEEKDAYS})",
}
_SAME: Final = (("Y", "y"), ("m", "b"), ("H", "I"), ("H", "k"), ("k", "I"))
_SAME_CODE: Final[Mapping[str, str]] = {"B": "b", "h": "b", "A": "a"}
_WHOLE_CODES: Final[Mapping[str, str]] = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"}
KNOWN_CODES: Final = "%Y %y %m %d %j %b %B %H %k %I %p %M %S %f %z %a %A"

_CLOCK = (
    r"(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    rf"(?:\s*(?P<p>[ap]m))?(?:\s*(?P<z>{_OFFSET}))?"
)
_YEAR = r"(?:(?P<Y>[0-9]{4})|(?P<y>[0-9]{2}))"
_DAY, _MONTH = r"(?P<d>[0-9]{1,2})", r"(?P<m>[0-9]{1,2})"


class FormatError(ValueError):
    """A format that cannot be used; its text says why."""


@cache
def pattern_of(form: TimeForm) -> str:
    """The regular expression of the texts of a form, one group for each part; any case counts.

    The groups are named by the codes of strptime. Python and Rust understand it alike.

    Raises:
        FormatError: the form's format cannot be used.
    """
    if form.format is not None:
        return _pattern_of_format(form.format)
    first, second = (_DAY, _MONTH) if form.order == "day_first" else (_MONTH, _DAY)
    # a dot may be followed by a blank, as in `1. 3. 2025`
    between = r"(?:[/-]|\.\s?)"
    return rf"(?i)^{first}{between}{second}{between}{_YEAR}\.?(?:(?:\s+|t){_CLOCK})?$"


def _pattern_of_format(given: str) -> str:
    text = re.sub("%([FTR])", lambda code: _WHOLE_CODES[code[1]], given.strip())
    parts: list[str] = []
    seen: set[str] = set()
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character.isspace():
            if parts[-1] != r"\s+":
                parts.append(r"\s+")
            continue
        if character != "%":
            parts.append(re.escape(character))
            continue
        code = text[position : position + 1]
        position += 1
        if code == "%":
            parts.append("%")
            continue
        code = _SAME_CODE.get(code, code)
        if code not in _CODES:
            raise FormatError(f"the code %{code} is unknown; codes are {KNOWN_CODES}")
        if code in seen and code != "a":
            raise FormatError(f"the code %{code} stands twice")
        seen.add(code)
        parts.append(_CODES[code])
    _check_complete(seen)
    return rf"(?i)^{''.join(parts)}$"


def _check_complete(codes: set[str]) -> None:
    if not codes & {"Y", "y"}:
        raise FormatError("it has no year: %Y, or %y for two digits")
    if "j" not in codes and not ("d" in codes and codes & {"m", "b"}):
        raise FormatError("it has no day: %d with %m or %b, or %j for the day of the year")
    for one, other in (*_SAME, ("j", "d"), ("j", "m"), ("j", "b")):
        if {one, other} <= codes:
            raise FormatError(f"%{one} and %{other} say the same")
    if ("I" in codes) != ("p" in codes):
        raise FormatError("%I and %p go together: an hour up to 12 needs AM or PM")
    for finer, coarser in (("f", "S"), ("S", "M")):
        if finer in codes and coarser not in codes:
            raise FormatError(f"%{finer} needs %{coarser} beside it")
    if "M" in codes and not codes & {"H", "k", "I"}:
        raise FormatError("%M needs %H beside it")
