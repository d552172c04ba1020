"""Small estates, the definitions over them, and an event log of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from energy_platform.definitions import build_definitions
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings
from energy_platform_tests.defs.runs import Runs


@pytest.fixture(scope="session")
def small_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One building, six days, no flaws; not to be changed."""
    folder = tmp_path_factory.mktemp("estates") / "small"
    make_sample(folder, SampleOptions(buildings=1, days=6, flaws=False, interval_minutes=60))
    return folder


@pytest.fixture
def runs(clean_stores: Settings, store_environment: Settings, small_sample: Path, tmp_path: Path) -> Iterator[Runs]:
    """Runs over a copy of the small estate in empty stores."""
    import shutil

    folder = tmp_path / "estate"
    shutil.copytree(small_sample, folder)
    definitions = build_definitions(store_environment.model_copy(update={"estate": folder}))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(folder, definitions, instance)
