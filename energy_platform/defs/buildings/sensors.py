"""The clock of registers: a file that has changed → its table."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.arrivals import derived_tables, new_tables
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate


def sensors(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """Registers whose files have changed."""
    return new_tables(estate, settings, "registers", [*derived_tables(), "postgres/sensor_status"])
