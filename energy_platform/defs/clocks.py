"""Whether schedules and sensors run by themselves."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import dagster as dg

from energy_platform.settings import Settings

_HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


def clocks_run(settings: Settings) -> bool:
    """Clocks run by default, except where a local UI points at stores of another machine.

    There they would do the work of that machine's own clocks a second time; they can be switched on in the UI.
    """
    if settings.environment != "local":
        return True
    urls = (
        settings.postgres_url.get_secret_value(),
        settings.redis_url.get_secret_value(),
        settings.influx_url,
    )
    return all((urlsplit(url).hostname or "") in _HERE | {socket.gethostname()} for url in urls)


def schedule_status(settings: Settings) -> dg.DefaultScheduleStatus:
    """The status that a schedule starts with."""
    return dg.DefaultScheduleStatus.RUNNING if clocks_run(settings) else dg.DefaultScheduleStatus.STOPPED


def sensor_status(settings: Settings) -> dg.DefaultSensorStatus:
    """The status that a sensor starts with."""
    return dg.DefaultSensorStatus.RUNNING if clocks_run(settings) else dg.DefaultSensorStatus.STOPPED
