"""Local days of a zone: the partitions. A day has 23 or 25 hours where clocks change; what is stored is UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from energy_platform.domain.errors import EstateError

if TYPE_CHECKING:
    import polars as pl

#: Microseconds.
_HOUR = 3_600_000_000
#: Hours are looked up for times that span at most so much.
_LONGEST_SPAN = timedelta(days=50 * 366)


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of that name. Raises EstateError for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise EstateError(
            f"The time zone {name!r} is unknown.",
            where="timezone",
            remedy="Name an IANA zone such as Asia/Seoul or Europe/Berlin.",
        ) from None


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day starts, UTC. Where midnight does not exist, the first instant after it."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The local day that an instant falls on."""
    return instant.astimezone(zone).date()


def local_day(time_column: str, zone: ZoneInfo) -> pl.Expr:
    """The local day of a UTC time column, as a polars Date expression."""
    import polars as pl

    return pl.col(time_column).map_batches(lambda times: local_days(times, zone), return_dtype=pl.Date)


def local_days(times: pl.Series, zone: ZoneInfo) -> pl.Series:
    """The local day of each time; null where there is none.

    The zone is asked about hours, and about single times only in those in which a day ends or clocks change.

    Args:
        times: UTC, in microseconds.
        zone: whose days.
    """
    import numpy as np
    import polars as pl

    low, high = times.min(), times.max()
    if not isinstance(low, datetime) or not isinstance(high, datetime) or high - low > _LONGEST_SPAN:
        return _local_days_one_by_one(times, zone)
    numbers = times.to_physical().fill_null(strategy="min").to_numpy() // _HOUR
    first = int(numbers.min())
    begins = np.arange(first, int(numbers.max()) + 2) * _HOUR
    marks = pl.Series(np.concatenate([begins[:-1], begins[1:] - 1]))
    local = marks.cast(times.dtype).dt.convert_time_zone(str(zone)).dt.replace_time_zone(None)
    at_begin, at_end = local.dt.date().to_physical().to_numpy().reshape(2, -1)
    ahead_at_begin, ahead_at_end = (local.to_physical() - marks).to_numpy().reshape(2, -1)
    hours = numbers - first
    days = pl.Series(times.name, at_begin[hours]).cast(pl.Date)
    # where clocks change within an hour, one day may end twice in it
    in_doubt = ((at_begin != at_end) | (ahead_at_begin != ahead_at_end))[hours]
    if in_doubt.any():
        doubtful = pl.Series(in_doubt)
        days = days.scatter(doubtful.arg_true(), _local_days_one_by_one(times.filter(doubtful), zone))
    return days.set(times.is_null(), None) if times.null_count() else days


def _local_days_one_by_one(times: pl.Series, zone: ZoneInfo) -> pl.Series:
    return times.dt.convert_time_zone(str(zone)).dt.date()


@dataclass(frozen=True, slots=True)
class DayRange:
    """Local days from `first` to `last`, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        """Every day of the range, in order."""
        day = self.first
        while day <= self.last:
            yield day
            day += timedelta(days=1)

    def __contains__(self, day: date) -> bool:
        """Whether a day lies in the range."""
        return self.first <= day <= self.last

    def __len__(self) -> int:
        """How many days."""
        return max(0, (self.last - self.first).days + 1)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Start of the first day and end of the last, UTC, half open."""
        return start_of(self.first, zone), start_of(self.last + timedelta(days=1), zone)
