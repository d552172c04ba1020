"""Alerts: files → the time series → proof per day → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """Alerts of the past, by local day. A day without one is a good day, so that nothing is due every morning."""
    return product(estate, "alerts", Target("timeseries/alerts", after=("postgres/sensors",)))
