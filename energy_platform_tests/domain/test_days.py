"""Days are local: 23, 24 or 25 hours, and every instant falls on exactly one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.days import DayRange, day_of, local_day, local_days, start_of, zone_of
from energy_platform.domain.errors import EstateError

ZONES = (
    "Asia/Seoul",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/St_Johns",
    "UTC",
)
SPAN = (datetime(2040, 1, 1, tzinfo=UTC) - datetime(2001, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
INSTANTS = st.integers(0, SPAN).map(lambda passed: datetime(2001, 1, 1, tzinfo=UTC) + timedelta(microseconds=passed))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Seoul", date(2025, 3, 30), 24),
        ("Europe/Berlin", date(2025, 3, 30), 23),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("America/New_York", date(2025, 11, 2), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_hours_of_a_day(zone: str, day: date, hours: float) -> None:
    start, stop = DayRange(day, day).bounds(zone_of(zone))
    assert stop - start == timedelta(hours=hours)


def test_midnight_in_seoul_is_three_in_the_afternoon_before() -> None:
    assert start_of(date(2025, 3, 1), zone_of("Asia/Seoul")) == datetime(2025, 2, 28, 15, tzinfo=UTC)


def test_where_midnight_does_not_exist_the_day_starts_at_one() -> None:
    zone = zone_of("America/Sao_Paulo")
    start = start_of(date(2018, 11, 4), zone)
    assert start == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert start.astimezone(zone).isoformat() == "2018-11-04T01:00:00-02:00"


@given(INSTANTS, st.sampled_from(ZONES))
@settings(max_examples=200, deadline=None)
def test_every_instant_lies_within_its_day(instant: datetime, zone_name: str) -> None:
    zone = zone_of(zone_name)
    day = day_of(instant, zone)
    start, stop = DayRange(day, day).bounds(zone)
    assert start <= instant < stop
    frame = pl.DataFrame({"time": [instant]}, schema={"time": pl.Datetime("us", "UTC")})
    assert frame.select(local_day("time", zone)).item() == day


def test_a_range_includes_both_ends() -> None:
    days = DayRange(date(2025, 2, 27), date(2025, 3, 1))
    assert list(days) == [date(2025, 2, 27), date(2025, 2, 28), date(2025, 3, 1)]
    assert len(days) == 3
    assert date(2025, 3, 1) in days
    assert date(2025, 3, 2) not in days
    assert len(DayRange(date(2025, 3, 2), date(2025, 3, 1))) == 0


@pytest.mark.parametrize("name", ["Asia/Soul", "", "../etc/passwd", "/etc/localtime", "Asia"])
def test_an_unknown_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(EstateError, match="Asia/Seoul or Europe/Berlin") as refused:
        zone_of(name)
    assert repr(name) in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_zone_is_a_zone() -> None:
    assert zone_of("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@given(st.lists(st.none() | INSTANTS, max_size=30), st.sampled_from(ZONES))
@settings(max_examples=200, deadline=None)
def test_days_of_many_times_are_those_of_each(instants: list[datetime | None], zone_name: str) -> None:
    zone = zone_of(zone_name)
    times = pl.Series("time", instants, dtype=pl.Datetime("us", "UTC"))
    expected = [None if instant is None else day_of(instant, zone) for instant in instants]
    assert local_days(times, zone).to_list() == expected


def test_a_day_that_ends_twice_within_an_hour() -> None:
    """In Newfoundland clocks went back at one minute past midnight."""
    zone = zone_of("America/St_Johns")
    first = datetime(2008, 11, 2, 2, 29, tzinfo=UTC)
    times = pl.Series(
        "time", [first + timedelta(seconds=20 * step) for step in range(8)], dtype=pl.Datetime("us", "UTC")
    )
    second, back = date(2008, 11, 2), date(2008, 11, 1)
    assert local_days(times, zone).to_list() == [back] * 3 + [second] * 3 + [back] * 2
