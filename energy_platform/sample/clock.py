"""Wall-clock times of a local day: those that the zone skips are left out, those it repeats come once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray


def existing_minutes(day: date, zone: ZoneInfo, step: int) -> NDArray[np.int64]:
    """Minutes since local midnight, every `step`, at which the clock on the wall really stood on that day."""
    minutes = np.arange(0, 24 * 60, step)
    midnight = datetime.combine(day, time(), tzinfo=zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
    if midnight.utcoffset() == next_midnight.utcoffset():
        return minutes
    exists = []
    for minute in minutes.tolist():
        local = midnight + timedelta(minutes=minute)
        exists.append(local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None))
    return minutes[np.array(exists, dtype=bool)]
