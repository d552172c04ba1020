"""Forecasts: those of the prototype → the time series → proof per day → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """Forecasts of power, by the local day that they are for."""
    return product(estate, "forecasts", Target("timeseries/predictions", after=("postgres/buildings",)))
