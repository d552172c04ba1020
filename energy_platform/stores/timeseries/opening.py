"""The time-series store that the settings name."""

from __future__ import annotations

from energy_platform.domain.errors import SettingError
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.interface import TimeSeries


def open_timeseries(settings: Settings) -> TimeSeries:
    """InfluxDB where `influx_url` names one, else the tables in PostgreSQL. Nothing is reached before the first use.

    Raises:
        SettingError: the settings name neither, or no URL.
    """
    if settings.influx_url:
        from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries

        return InfluxTimeSeries(settings)
    if settings.postgres_url.get_secret_value():
        from energy_platform.stores.postgres.connection import KEPT_CONNECTIONS, PostgresStore
        from energy_platform.stores.timeseries.postgres import PostgresTimeSeries

        return PostgresTimeSeries(
            PostgresStore(settings.postgres_url, kept=KEPT_CONNECTIONS), settings.postgres_admin_url
        )
    raise SettingError(
        "No store of time series is named.",
        where="ENERGY_INFLUX_URL, ENERGY_POSTGRES_URL",
        remedy="Set one of them, or start local stores: energy-platform up",
    )
