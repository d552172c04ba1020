"""Which days a check looks at: those that it is asked for, else those whose verdict is newer than the last check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from energy_platform.defs import facts
from energy_platform.defs.partitions import RANGE_END, RANGE_START
from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import UsageError

if TYPE_CHECKING:
    from energy_platform.stores.postgres.ledger import LedgerEntry

#: Days that are looked at where nothing was checked before: a look at all of them is asked for by name.
FIRST_TIME_DAYS = 31
#: In the metadata of a check: up to which verdict of the ledger it has seen all.
SEEN = "ledger_seen_up_to"
PARTITION = "dagster/partition"

_REMEMBERED = 20
_EVALUATION = "ASSET_CHECK_EVALUATION"


class QualityWindow(dg.ConfigurableResource):
    """The days that checks on time series look at; shown in the launchpad, once for all checks of the run."""

    first: str = Field(default="", description="First local day, e.g. 2025-03-01. Empty: what is new is looked at.")
    last: str = Field(default="", description="Last local day, included. Empty: up to the newest.")

    def asked_for(self, tags: dict[str, str]) -> DayRange | None:
        """The days that the launchpad or the run's own range of partitions names; None where neither does.

        Raises:
            UsageError: one of them is no day.
        """
        first = self.first or tags.get(RANGE_START) or tags.get(PARTITION, "")
        last = self.last or tags.get(RANGE_END) or tags.get(PARTITION, "")
        if not first and not last:
            return None
        return DayRange(_day(first, date.min), _day(last, date.max))


def days_to_check(entries: Sequence[LedgerEntry], asked_for: DayRange | None, seen: datetime | None) -> dict[date, int]:
    """The days that hold data and are due, and how many rows each holds.

    Args:
        entries: of the ledger.
        asked_for: days that somebody names.
        seen: up to which verdict all was checked before; None where nothing was.
    """
    held = {day: entry for day, entry in facts.by_day(entries).items() if entry.rows}
    if asked_for is not None:
        due = [day for day in held if day in asked_for]
    elif seen is None:
        due = sorted(held)[-FIRST_TIME_DAYS:]
    else:
        newer = [day for day, entry in held.items() if entry.recorded_at is not None and entry.recorded_at > seen]
        due = newer or sorted(held)[-1:]
    return {day: held[day].rows for day in due}


def seen_by(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> datetime | None:
    """Up to which verdict of the ledger the last check has seen all; None where there was none."""
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=_REMEMBERED)
    for record in history:
        event = record.event.dagster_event if record.event is not None else None
        if event is None or event.event_type_value != _EVALUATION:
            continue
        told = event.asset_check_evaluation_data.metadata.get(SEEN)
        if told is not None:
            return datetime.fromisoformat(str(told.value))
    return None


def _day(text: str, where_empty: date) -> date:
    try:
        return date.fromisoformat(text) if text else where_empty
    except ValueError:
        raise UsageError(
            f"{text!r} is no day.", where="the days of the quality checks", remedy="Write it as 2025-03-01."
        ) from None
