"""Energy: files of meters → the time series → proof per day → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.defs.plots import mean_power_by_day
from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """Energy use of buildings and what drives it, by local day, and what was corrected of the registers of meters."""
    return product(
        estate,
        "energy",
        Target(f"postgres/{CORRECTIONS_TABLE}", after=("postgres/buildings",)),
        Target("timeseries/energy_consumption", after=("postgres/buildings",), daily=True, plot=mean_power_by_day),
    )
