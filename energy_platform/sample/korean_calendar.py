"""Days on which Korean offices and schools are closed, 2023 to 2027; beyond those years the fixed dates only."""

from __future__ import annotations

from datetime import date
from typing import Literal

DayKind = Literal["workday", "saturday", "holiday"]

#: Rows of the occupancy profiles, in this order.
DAY_KINDS: tuple[DayKind, ...] = ("workday", "saturday", "holiday")

#: Public holidays with the same date every year, as (month, day).
FIXED_HOLIDAYS = frozenset({(1, 1), (3, 1), (5, 5), (6, 6), (8, 15), (10, 3), (10, 9), (12, 25)})

#: Lunar New Year, Buddha's birthday, Chuseok, substitute days, and days off by decree (elections among them).
MOVING_HOLIDAYS = frozenset(
    date(year, int(text[:2]), int(text[3:]))
    for year, texts in {
        2023: "01-21 01-22 01-23 01-24 05-27 05-29 09-28 09-29 09-30 10-02",
        2024: "02-09 02-10 02-11 02-12 04-10 05-06 05-15 09-16 09-17 09-18 10-01",
        2025: "01-27 01-28 01-29 01-30 03-03 05-06 06-03 10-05 10-06 10-07 10-08",
        2026: "02-16 02-17 02-18 03-02 05-24 05-25 06-03 08-17 09-24 09-25 09-26 10-05",
        2027: "02-06 02-07 02-08 02-09 05-13 08-16 09-14 09-15 09-16 10-04 10-11 12-27",
    }.items()
    for text in texts.split()
)


def is_holiday(day: date) -> bool:
    """Whether a day is a Korean public holiday."""
    return (day.month, day.day) in FIXED_HOLIDAYS or day in MOVING_HOLIDAYS


def day_kind(day: date) -> DayKind:
    """How buildings are used on a day: Sundays count as holidays."""
    if is_holiday(day) or day.weekday() == 6:
        return "holiday"
    return "saturday" if day.weekday() == 5 else "workday"
