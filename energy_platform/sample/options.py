"""What a sample is made from: the options, checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from energy_platform.domain.days import zone_of
from energy_platform.domain.errors import UsageError

#: The last day of a sample that names no first one: fixed, so that the same options always give the same rows.
DEFAULT_LAST_DAY = date(2025, 5, 29)

MAXIMUM_BUILDINGS = 20_000
MAXIMUM_DAYS = 3_660


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """The size and the seed of a sample; the same options give the same rows.

    Attributes:
        buildings: how many, 1 to 20,000.
        days: how many local days, 1 to 3,660.
        seed: of all random numbers.
        first_day: the first local day; by default the sample ends on 2025-05-29.
        timezone: the zone in which its naive times are local.
        interval_minutes: of power and occupancy sensors, a divisor of 60; the others read half as often.
        flaws: whether to plant flaws.
        estate: code of the estate.
        tenant: code of its only tenant.
    """

    buildings: int = 3
    days: int = 90
    seed: int = 1
    first_day: date | None = None
    timezone: str = "Asia/Seoul"
    interval_minutes: int = 30
    flaws: bool = True
    estate: str = "sample"
    tenant: str = "sample"

    @property
    def start(self) -> date:
        """The first local day."""
        return self.first_day or DEFAULT_LAST_DAY - timedelta(days=self.days - 1)

    @property
    def end(self) -> date:
        """The last local day."""
        return self.start + timedelta(days=self.days - 1)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its times."""
        return zone_of(self.timezone)

    def check(self) -> None:
        """Raises UsageError, naming the option, for what makes no sense."""
        _within("--buildings", self.buildings, 1, MAXIMUM_BUILDINGS)
        _within("--days", self.days, 1, MAXIMUM_DAYS)
        _within("--seed", self.seed, 0, 2**63 - 1)
        if not 1 <= self.interval_minutes <= 60 or 60 % self.interval_minutes:
            raise UsageError(
                f"Readings every {self.interval_minutes} minutes do not divide an hour.",
                where="--interval-minutes",
                remedy="Give a divisor of 60, such as 1, 5, 15 or 30.",
            )
        for option, code in (("--estate", self.estate), ("--tenant", self.tenant)):
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", code):
                raise UsageError(
                    f"{code!r} is not a code.",
                    where=option,
                    remedy="Use up to 40 lower-case letters, digits and underscores, a letter first.",
                )
        zone = self.zone
        # one day of air: a planted row lies a day after the last, and must not lie in the future
        newest = datetime.now(UTC).astimezone(zone).date() - timedelta(days=3)
        if self.end > newest:
            raise UsageError(
                f"The sample would end on {self.end}, too close to today: its rows would lie in the future.",
                where="--start",
                remedy=f"Start earlier or ask for fewer days, so that it ends by {newest}.",
            )
        if self.start.year < 2001:
            # planted rows of clocks that were reset lie before 2000, and must lie before the first day
            raise UsageError(f"{self.start} is too early.", where="--start", remedy="Start in 2001 or later.")


def _within(option: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise UsageError(
            f"{number} is out of range.", where=option, remedy=f"Give a whole number from {least:,} to {most:,}."
        )
