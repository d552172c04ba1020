"""Estates in stores that all tests share: each test brings an estate and a tenant of its own, so none is emptied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from energy_platform.settings import Settings, get_settings


@pytest.fixture(scope="module", params=["postgres", "influxdb"])
def target(request: pytest.FixtureRequest) -> Settings:
    """Stores with time series in PostgreSQL and in InfluxDB, in turn."""
    return request.getfixturevalue("stores" if request.param == "postgres" else "influx")


@pytest.fixture(scope="module")
def estates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the estates of a module."""
    return tmp_path_factory.mktemp("estates")


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """No test leaves its settings behind."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
