"""The one partitions definition: local days of the estate, shared by every asset that knows days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import dagster as dg

from energy_platform.domain.days import DayRange
from energy_platform.sources.estate import Estate

#: Tags of a run over a range of days: the first and the last.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def daily_partitions(estate: Estate) -> dg.DailyPartitionsDefinition:
    """Local days of the estate's zone, from its first day to its last, or to the day that is still open."""
    return dg.DailyPartitionsDefinition(
        start_date=estate.first_day.isoformat(),
        # Dagster's end is the first moment that no longer belongs to it
        end_date=None if estate.last_day is None else (estate.last_day + timedelta(days=1)).isoformat(),
        timezone=str(estate.zone),
        end_offset=1 if estate.last_day is None else 0,
    )


def days_of(context: dg.AssetExecutionContext) -> DayRange:
    """The days that a run of a partitioned asset is asked for."""
    keys = context.partition_key_range
    return DayRange(date.fromisoformat(keys.start), date.fromisoformat(keys.end))


def last_complete_day(estate: Estate, now: datetime) -> date:
    """The newest day of the estate that is over.

    Args:
        estate: gives the zone and the last day.
        now: any aware time.
    """
    yesterday = now.astimezone(estate.zone).date() - timedelta(days=1)
    return yesterday if estate.last_day is None else min(yesterday, estate.last_day)
