"""One token for the versions of all sources of a measurement: what the ledger's days were recorded for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.transfer.reading.mapping import MappingRules, contract_of
from energy_platform.transfer.scanning.digests import meaning_of
from energy_platform.transfer.scanning.survey import SENSOR_TARGETS, source_versions


def versions_token(estate: Estate, measurement: str, now: datetime, found: Mapping[str, str]) -> str:
    """Changes with any source of a measurement, and with what the estate file says about it.

    Args:
        estate: whose sources.
        measurement: its name.
        now: aware; what lies after it is refused.
        found: versions of those sources that are there, by name.

    Returns:
        32 hexadecimal digits, however many sources there are.
    """
    # the same file means something else where the estate file says so
    rules = MappingRules(estate, contract_of(measurement), now)
    specs = [spec for spec in estate.sources_of(measurement) if spec.name in found]
    register = _register_version(estate) if any(map(_asks_sensors, specs)) else ""
    versions = {
        spec.name: f"{found[spec.name]}/{meaning_of(spec, rules)}{register if _asks_sensors(spec) else ''}"
        for spec in specs
    }
    return _hash(versions, 32)


def _asks_sensors(spec: SourceSpec) -> bool:
    return any(role.from_sensor for role in spec.roles.values())


def _register_version(estate: Estate) -> str:
    """Changes where a source does that may say in which building a sensor is."""
    specs = [spec for target in SENSOR_TARGETS for spec in estate.sources_of(target)]
    return "/" + _hash(source_versions(tuple(specs)), 16)


def _hash(versions: Mapping[str, str], digits: int) -> str:
    return hashlib.sha256(repr(sorted(versions.items())).encode()).hexdigest()[:digits]
