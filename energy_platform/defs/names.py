"""Names of assets: the ledger's `place/noun` as Dagster's key, and keys of the files that an estate consists of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import dagster as dg

from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.sources.estate import Estate

OWNERS = ["team:data-engineering"]
MODEL_FILES = dg.AssetKey(["legacy", "models"])
#: The assets that are made from that folder.
MADE_FROM_MODELS = frozenset({"models/artifacts", "postgres/models"})


def key_of(asset: str) -> dg.AssetKey:
    """The key of an asset by its name in the ledger, e.g. `timeseries/sensor_data`."""
    return dg.AssetKey(asset.split("/"))


def name_of(key: dg.AssetKey) -> str:
    """The name in the ledger of an asset by its key."""
    return "/".join(key.path)


def legacy_key(source: str) -> dg.AssetKey:
    """The key of a source by its name in the estate, e.g. legacy/sensor_readings_db/sensor_readings."""
    return dg.AssetKey(["legacy", *(_plain(part) for part in source.split("/"))])


def assets_of(estate: Estate) -> list[str]:
    """Every asset that this estate can fill, by its name in the ledger, in the order of loading.

    The transfer says the same; this one opens nothing and imports no library of the transfer's.
    """
    fed = set(estate.targets())
    tables = [name for name in TABLES_IN_ORDER if name in fed or name in DERIVED]
    tables += [CORRECTIONS_TABLE] if estate.register_sources() else []
    names = [f"postgres/{name}" for name in tables]
    if estate.models_folder is not None:
        names += ["models/artifacts", "postgres/models"]
    names += [f"timeseries/{name}" for name in MEASUREMENTS_IN_ORDER if name in fed]
    names += [cache for cache, measurement in CACHES.items() if measurement in fed]
    return names


DERIVED = frozenset({"tenants", "buildings", "sensors"})
TABLES_IN_ORDER = (
    "tenants",
    "buildings",
    "sensors",
    "sensor_status",
    "users",
    "subscriptions",
    "billing",
    "settings",
    "model_scores",
    "feature_importances",
)
MEASUREMENTS_IN_ORDER = ("sensor_data", "energy_consumption", "alerts", "predictions")
CACHES = {"redis/latest": "sensor_data", "redis/notifications": "alerts"}


def unique(keys: Iterable[dg.AssetKey]) -> list[dg.AssetKey]:
    """Each key once, in order."""
    return list(dict.fromkeys(keys))


def _plain(part: str) -> str:
    """A part of a file's name with the letters that a key may have; two different parts stay different."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", part)
    # a dot before an ending is the rule; any other lost letter could make two names one
    if plain == re.sub(r"\.(?=[A-Za-z0-9]+$)", "_", part):
        return plain
    return f"{plain}_{hashlib.sha256(part.encode()).hexdigest()[:6]}"
