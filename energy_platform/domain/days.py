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

    return pl.col(time_column).dt.convert_time_zone(str(zone)).dt.date()


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
