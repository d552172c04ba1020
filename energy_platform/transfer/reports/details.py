"""What a page shows beside the report: days, reasons and mended rows, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from energy_platform.domain.accounts import UNDATED, WHOLE
from energy_platform.domain.days import DayRange
from energy_platform.stores.postgres import ledger, mended, quarantine
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reports.verdicts import accounts_in


@dataclass(frozen=True, slots=True)
class Day:
    """One local day of a time series: points that stand, rows that were refused, and whether it is proven."""

    rows: int
    refused: int
    proven: bool


@dataclass(frozen=True, slots=True)
class Details:
    """What the page shows beside the report.

    Attributes:
        days: by asset and day.
        refused: source, reason, rows and the first time that one was seen.
        mended: rows by source.
        made_at: when.
    """

    days: Mapping[str, Mapping[date, Day]] = field(default_factory=dict)
    refused: Sequence[tuple[str, str, int, datetime]] = ()
    mended: Mapping[str, int] = field(default_factory=dict)
    made_at: datetime | None = None


def details_of(platform: Platform, chosen: DayRange | None = None) -> Details:
    """What stands in the ledger and in the quarantine, over the days of a range (all: None)."""
    days: dict[str, dict[date, Day]] = {}
    code = platform.estate.code
    with platform.postgres.connection() as connection:
        for entry in ledger.read(connection, code):
            if entry.partition in {UNDATED, WHOLE}:
                continue
            day = date.fromisoformat(entry.partition)
            if chosen is None or day in chosen:
                refused = sum(account.quarantined for account in accounts_in(entry).values())
                days.setdefault(entry.asset, {})[day] = Day(entry.rows, refused, entry.proven)
        counts: dict[tuple[str, str], tuple[int, datetime]] = {}
        found = quarantine.counts_by_day(connection, code)
        for source, reason, partition, rows, first_seen, _ in found.iter_rows():
            if chosen is None or not partition[:1].isdigit() or date.fromisoformat(partition) in chosen:
                known = counts.get((source, reason), (0, first_seen))
                counts[source, reason] = (known[0] + rows, min(known[1], first_seen))
        by_source: dict[str, int] = {}
        for row in mended.read(connection, code):
            by_source[row.source] = by_source.get(row.source, 0) + 1
    refused_rows = [(*place, rows, first) for place, (rows, first) in sorted(counts.items())]
    return Details(days, refused_rows, by_source, platform.now)
