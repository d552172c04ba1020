"""The clock of energy: rows in files → exactly the days that they touch."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.arrivals import derived_tables, new_days
from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate


def sensors(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """Rows of meters that have come, late ones included."""
    return new_days(estate, settings, "energy_consumption", [*derived_tables(), f"postgres/{CORRECTIONS_TABLE}"])
