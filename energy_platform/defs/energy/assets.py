"""Energy: files of meters → the time series → proof per day → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.defs.plots import mean_power_by_day
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """Energy use of buildings and what drives it, by local day."""
    return product(
        estate,
        "energy",
        Target("timeseries/energy_consumption", after=("postgres/buildings",), daily=True, plot=mean_power_by_day),
    )
