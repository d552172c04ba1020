"""The names of keys in Redis. The braces are literal: Redis Cluster keeps keys with the same text in them together.

What would end a part of a name early is percent-encoded, so that every key can be read back; all else, Korean codes
too, stands as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

LATEST: Final = "latest:building"
NOTIFICATIONS: Final = "notifications:building"
PREDICTION: Final = "cache:prediction"
SESSION: Final = "session:user"
ANALYSIS: Final = "temp:analysis"

_BUILDING_PREFIXES: Final = (LATEST, NOTIFICATIONS, PREDICTION)
_SINGLE_PREFIXES: Final = (SESSION, ANALYSIS)

_SPECIAL: Final = re.compile(r"[%:{}\x00-\x20\x7f]")
_BUILDING_KEY: Final = re.compile(r"([a-z]+:[a-z]+):\{([^:{}]*):([^:{}]*)\}")
_SINGLE_KEY: Final = re.compile(r"([a-z]+:[a-z]+):\{([^:{}]*)\}")


@dataclass(frozen=True)
class BuildingKey:
    """A key that belongs to a building of a tenant."""

    prefix: str
    tenant_id: str
    building_id: str


@dataclass(frozen=True)
class SingleKey:
    """A key that belongs to one session or one analysis."""

    prefix: str
    id: str


def latest_building(tenant_id: str, building_id: str) -> str:
    """`latest:building:{tenant:code}`: the newest value of each sensor of a building."""
    return _building_key(LATEST, tenant_id, building_id)


def notifications_building(tenant_id: str, building_id: str) -> str:
    """`notifications:building:{tenant:code}`: the newest alerts of a building."""
    return _building_key(NOTIFICATIONS, tenant_id, building_id)


def cached_prediction(tenant_id: str, building_id: str) -> str:
    """`cache:prediction:{tenant:code}`: the current forecast of a building."""
    return _building_key(PREDICTION, tenant_id, building_id)


def user_session(session_id: str) -> str:
    """`session:user:{id}`."""
    return f"{SESSION}:{{{_escaped(session_id)}}}"


def temporary_analysis(analysis_id: str) -> str:
    """`temp:analysis:{id}`."""
    return f"{ANALYSIS}:{{{_escaped(analysis_id)}}}"


def parse(key: str) -> BuildingKey | SingleKey | None:
    """What a key belongs to; None where it is none that this module writes."""
    found = _BUILDING_KEY.fullmatch(key)
    if found and found[1] in _BUILDING_PREFIXES:
        building = BuildingKey(found[1], unquote(found[2]), unquote(found[3]))
        # only one spelling of a key is ours: any other would be a second key for the same building
        return building if _building_key(found[1], building.tenant_id, building.building_id) == key else None
    found = _SINGLE_KEY.fullmatch(key)
    if found and found[1] in _SINGLE_PREFIXES:
        single = SingleKey(found[1], unquote(found[2]))
        return single if f"{single.prefix}:{{{_escaped(single.id)}}}" == key else None
    return None


def parse_building(key: str) -> BuildingKey | None:
    """The building that a key belongs to; None where it belongs to none."""
    parsed = parse(key)
    return parsed if isinstance(parsed, BuildingKey) else None


def _building_key(prefix: str, tenant_id: str, building_id: str) -> str:
    return f"{prefix}:{{{_escaped(tenant_id)}:{_escaped(building_id)}}}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", text)
