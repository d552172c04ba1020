"""The names of the checks on readings, and what each says. They are told to Dagster before any data is read."""

from __future__ import annotations

from collections.abc import Mapping

#: Checks on the behaviour of series, for measurements that sensors and meters feed.
SERIES_CHECKS: Mapping[str, str] = {
    "completeness": "Every series has at least 95 % of the readings that its interval lets one expect.",
    "gaps": "No series is silent for more than an hour and three intervals.",
    "flatline": "No reading stays the same for hours where it should move.",
    "spikes": "No single reading lies far from those before and after it.",
    "clock_jumps": "The minute at which a series is read does not move from one reading to the next.",
    "unit_mix_up": "No reading looks like one in another unit: W or MW for kW, °F for °C.",
    "zero_or_missing": "No zero and no 9999 stands where a value is missing.",
    "own_limits": "Every reading lies within the limits that the register of sensors has for its sensor and unit.",
    "freshness": "The newest reading is at most 26 hours old, as long as more is to come.",
}

#: Measurements whose rows are readings at intervals.
MEASURED = ("sensor_data", "energy_consumption")
#: Measurements whose sensors stand in the register with limits of their own.
WITH_OWN_LIMITS = ("sensor_data",)


def series_checks_of(measurement: str) -> dict[str, str]:
    """The checks on the series of a measurement, by name; none where its rows come as they like."""
    if measurement not in MEASURED:
        return {}
    return {
        name: said for name, said in SERIES_CHECKS.items() if name != "own_limits" or measurement in WITH_OWN_LIMITS
    }
