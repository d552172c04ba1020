"""Readings: SQLite, CSV and JSON files → the time series → proof per day → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.defs.plots import rows_by_day
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """Readings of single sensors, by local day."""
    return product(
        estate,
        "readings",
        Target("timeseries/sensor_data", after=("postgres/sensors",), daily=True, plot=rows_by_day),
    )
