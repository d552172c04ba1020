"""The clock of forecasts: rows in files → exactly the days that they touch."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.arrivals import derived_tables, new_days
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate


def sensors(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """Forecasts that have come, late ones included."""
    return new_days(estate, settings, "predictions", derived_tables())
