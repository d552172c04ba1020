"""The real estate, where it is present: all accounted for, Korean text intact, local times on the right instants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import Called, command, kind_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT.parent / "shared" / "legacy_estate"
FILE = ROOT / "energy_platform_tests" / "legacy_estate.yaml"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the real estate is not here")


@dataclass(frozen=True)
class Migrated:
    """The real estate in a store of its own tenant."""

    settings: Settings
    tenant: str
    call: Called
    expected: oracle.Expected


def digests() -> dict[str, str]:
    return {
        str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FOLDER.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def migrated(target: Settings, estates: Path) -> Iterator[Migrated]:
    tenant = f"legacy_{kind_of(target)}"
    before = digests()
    lines = FILE.read_text(encoding="utf-8").splitlines()
    # the same file for both stores, under a name of its own in each
    changed = [
        f"estate: {tenant}"
        if line.startswith("estate:")
        else f"tenant: {{code: {tenant}, name: 예시}}"
        if line.startswith("tenant:")
        else line
        for line in lines
    ]
    file = estates / f"{tenant}.yaml"
    file.write_text("\n".join(changed) + "\n", encoding="utf-8")
    place = estates / tenant
    call = command(target, place, "migrate", str(FOLDER), "--estate", str(file), report=True)
    yield Migrated(target, tenant, call, oracle.expected_of(FOLDER, {**oracle.LEGACY, "tenant": tenant}))
    assert digests() == before, "the folder itself stays untouched"


def test_it_is_proved(migrated: Migrated) -> None:
    assert migrated.call.code == 0, migrated.call.output
    assert migrated.call.report is not None
    assert migrated.call.report["proved"] is True


def test_everything_is_accounted_for(migrated: Migrated) -> None:
    assert migrated.call.report is not None
    sources = {source["source"]: source for source in migrated.call.report["sources"]}
    read = {name: source["read"] for name, source in sources.items()}
    assert read["sensor_readings.db/sensor_readings"] == 1_818
    assert read["sensor_readings.db/sensor_status"] == 11
    assert read["sensor_readings.db/alerts"] == 2
    assert read["building_data.csv"] == 43_800
    assert read["sensor_config.json/sensors"] == 55
    for name, account in migrated.expected.accounts.items():
        assert account.facts().items() <= sources[name].items(), name


def test_every_point_is_where_the_oracle_says(migrated: Migrated) -> None:
    found = store.points_in(migrated.settings, migrated.tenant)
    assert oracle.point_differences(migrated.expected.points, found)[:5] == []
    assert len(found["energy_consumption"]) == 43_800
    assert len(found["sensor_data"]) == 1_818


def test_every_row_is_what_the_oracle_says(migrated: Migrated) -> None:
    for table, rows in migrated.expected.rows.items():
        assert oracle.row_differences(rows, store.rows_in(migrated.settings, table, migrated.tenant)) == [], table
    buildings = store.rows_in(migrated.settings, "buildings", migrated.tenant)
    assert {building for _, building in buildings} >= {"B001", "B002", "B003", "B004", "B005"}


def test_korean_text_and_local_times(migrated: Migrated) -> None:
    found = store.points_in(migrated.settings, migrated.tenant)
    at = oracle.microseconds(datetime(2025, 8, 13, 9, 37, 29, 988_933, tzinfo=UTC))
    alert = found["alerts"][migrated.tenant, "B001", "temp_001", "warning", "온도 임계값 초과", at]
    assert alert == {"message": "1층 로비 온도가 28°C를 초과했습니다.", "resolved": False}
    at = oracle.microseconds(datetime(2025, 8, 13, 14, 37, 29, 988_933, tzinfo=UTC))
    reading = found["sensor_data"][migrated.tenant, "B001", "temp_001", "temperature", at]
    assert reading == {"value": 22.8, "confidence": 0.95, "status": "normal"}
    at = oracle.microseconds(datetime(2022, 12, 31, 15, tzinfo=UTC))
    assert found["energy_consumption"][migrated.tenant, "B001", "main", at]["power_kw"] == 3.25


def test_it_verifies(migrated: Migrated, estates: Path) -> None:
    file = estates / f"{migrated.tenant}.yaml"
    called = command(migrated.settings, estates / migrated.tenant, "verify", str(FOLDER), "--estate", str(file))
    assert called.code == 0, called.output
