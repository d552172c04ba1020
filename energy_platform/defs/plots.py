"""Plots of a load, from the figures in the ledger: no store is read for them."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from energy_platform.defs import facts
from energy_platform.defs.loading import LedgerEntries


def rows_by_day(entries: LedgerEntries) -> bytes | None:
    """How many rows each local day holds."""
    return facts.bars_by_day({day: float(entry.rows) for day, entry in facts.by_day(entries).items()}, "rows a day")


def mean_power_by_day(entries: LedgerEntries) -> bytes | None:
    """Mean power over all meters of each local day, in kW."""
    means: dict[date, float] = {}
    for day, entry in facts.by_day(entries).items():
        total = entry.facts.get("summary", {}).get("sums", {}).get("power_kw")
        if total is not None and entry.rows:
            # exact sums are kept as whole multiples of the smallest double
            means[day] = float(Fraction(int(total, 16), entry.rows << 1074))
    return facts.bars_by_day(means, "mean power, kW")
