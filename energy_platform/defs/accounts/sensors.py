"""The clock of accounts: a file that has changed → its table."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.arrivals import new_tables
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate

#: Tables of this product.
ACCOUNTS = ("users", "subscriptions", "billing", "settings")


def sensors(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """Tables of accounts whose files have changed."""
    return new_tables(estate, settings, "accounts", [f"postgres/{name}" for name in ACCOUNTS])
