"""Caches: proven time series → Redis, each key with a time to live → proof → by themselves, when those change."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.clocks import sensor_status
from energy_platform.defs.factory import Target, product
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate


def definitions(estate: Estate, settings: Settings) -> dg.Definitions:
    """The newest values and the notifications of each building, and the sensor that refreshes them."""
    caches = product(
        estate,
        "caches",
        Target(
            "redis/latest",
            after=("timeseries/sensor_data",),
            eager=True,
            description="The newest value of every sensor, a key per building: `latest:building:{tenant:code}`.",
        ),
        Target(
            "redis/notifications",
            after=("timeseries/alerts",),
            eager=True,
            description="Open alerts, a key per building: `notifications:building:{tenant:code}`.",
        ),
    )
    refresh = dg.AutomationConditionSensorDefinition(
        "refresh_caches",
        target=dg.AssetSelection.groups("caches"),
        default_status=sensor_status(settings),
        description="Fills Redis again when the time series have changed and are proven.",
    )
    return dg.Definitions.merge(caches, dg.Definitions(sensors=[refresh]))
