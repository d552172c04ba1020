"""Registers: files, or the data itself where no file names them → PostgreSQL → proof → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.sources.estate import Estate

MEASURED = ("sensor_data", "energy_consumption", "alerts")


def definitions(estate: Estate) -> dg.Definitions:
    """Tenants, buildings and sensors, and the last known state of each sensor."""
    return product(
        estate,
        "buildings",
        Target("postgres/tenants", derived_from=MEASURED),
        Target("postgres/buildings", after=("postgres/tenants",), derived_from=MEASURED),
        Target("postgres/sensors", after=("postgres/buildings",), derived_from=("sensor_data",)),
        Target("postgres/sensor_status", after=("postgres/sensors",)),
    )
