"""What stands in each kind of time-series store is read back and looked at, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from energy_platform.domain.days import DayRange
from energy_platform.domain.measurements import ALERTS, MEASUREMENTS, SENSOR_DATA
from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.tables import BUILDINGS, SENSORS, TENANTS
from energy_platform.quality import measurements
from energy_platform.quality.measurements import check_measurement, pieces_of
from energy_platform.quality.subject import Subject
from energy_platform.settings import Settings
from energy_platform.sources.estate import read_estate
from energy_platform.stores.cache.redis import BuildingCache
from energy_platform.stores.objects.opening import open_object_store
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.rows import write_rows
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform_tests.conftest import SAMPLE_ESTATE
from energy_platform_tests.domain.quality.readings import moving

ESTATE = "sample"
FIRST = date(2025, 4, 1)
#: Midnight of that day in Seoul.
START = datetime(2025, 3, 31, 15, tzinfo=UTC)
NOW = datetime(2025, 4, 4, 3, tzinfo=UTC)


@pytest.fixture
def subject(clean_stores: Settings, timeseries_settings: Settings) -> Iterator[Subject]:
    """An estate with one building and two sensors in its registers."""
    postgres = PostgresStore(clean_stores.postgres_url)
    rows = {
        TENANTS: [{"tenant_id": ESTATE, "name": "Sample"}],
        BUILDINGS: [{"tenant_id": ESTATE, "building_id": "B001"}],
        SENSORS: [
            {
                "tenant_id": ESTATE,
                "building_id": "B001",
                "sensor_id": name,
                "sensor_type": "temperature",
                "unit": "celsius",
                "update_interval_seconds": 1800.0,
                "maximum": limit,
            }
            for name, limit in (("s1", 23.0), ("s2", None))
        ],
    }
    with postgres.connection() as connection:
        for contract, found in rows.items():
            write_rows(connection, contract, ESTATE, pl.DataFrame(found, schema=contract.schema()))
    with open_timeseries(timeseries_settings) as timeseries:
        yield Subject(
            read_estate(SAMPLE_ESTATE),
            postgres,
            timeseries,
            BuildingCache(clean_stores.redis_url),
            open_object_store(clean_stores.objects_url, clean_stores.home),
            MEASUREMENTS.__getitem__,
            NOW,
        )


def points(values: list[float], **tags: str) -> pl.DataFrame:
    identity = {"tenant_id": ESTATE, "building_id": "B001", "sensor_id": "s1", "sensor_type": "temperature"} | tags
    times = [START + timedelta(minutes=30 * number) for number in range(len(values))]
    return pl.DataFrame(
        [{**identity, "time": time, "value": value} for time, value in zip(times, values, strict=True)],
        schema={name: kind for name, kind in SENSOR_DATA.schema().items() if name in {*SENSOR_DATA.key, "value"}},
    )


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}


def test_what_a_store_gives_back_is_looked_at(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    values = moving(144)
    values[50] = 45.0
    subject.timeseries.prepare(SENSOR_DATA)
    for found in (points(values), points(moving(100), sensor_id="s2"), points([20.0], sensor_id="stranger")):
        subject.timeseries.write(SENSOR_DATA, found)
    days = {FIRST + timedelta(days=number): 96 for number in range(3)}
    whole = by_name(check_measurement(subject, "sensor_data", days))

    assert {name for name, outcome in whole.items() if not outcome.passed} == {
        *("sensor_id_known", "spikes", "own_limits", "completeness"),
    }
    assert whole["key_unique"].checked == 245
    assert [sample["sensor_id"] for sample in whole["sensor_id_known"].samples] == ["stranger"]
    assert whole["own_limits"].unexpected == 1
    assert (whole["completeness"].checked, whole["completeness"].unexpected) == (288, 44)

    # day by day the same is found
    monkeypatch.setattr(measurements, "PIECE_ROWS", 1)
    pieces = by_name(check_measurement(subject, "sensor_data", days))
    assert {name: (one.passed, one.unexpected) for name, one in pieces.items()} == {
        name: (one.passed, one.unexpected) for name, one in whole.items()
    }
    assert pieces["key_unique"].checked == 245


def test_a_store_that_lost_all_is_silent_and_one_of_an_open_estate_is_stale(subject: Subject) -> None:
    subject.timeseries.prepare(SENSOR_DATA)
    lost = by_name(check_measurement(subject, "sensor_data", {FIRST: 96}))
    still_open = replace(subject, estate=replace(subject.estate, last_day=None))
    stale = by_name(check_measurement(still_open, "sensor_data", {FIRST: 96}))

    assert (lost["completeness"].checked, lost["completeness"].unexpected) == (96, 96)
    assert lost["freshness"].passed
    assert stale["freshness"].problem == "There is no reading at all."


def test_what_comes_as_it_likes_is_held_to_its_contract_alone(subject: Subject) -> None:
    identity = {"tenant_id": ESTATE, "building_id": "B001", "sensor_id": "", "alert_type": "x", "time": START}
    alerts = [{**identity, "severity": severity, "message": "m"} for severity in ("warning", "끔찍함")]
    subject.timeseries.prepare(ALERTS)
    subject.timeseries.write(ALERTS, pl.DataFrame(alerts, schema=ALERTS.schema()).drop("resolved"))
    found = by_name(check_measurement(subject, "alerts", {FIRST: 2}))

    assert {name for name, outcome in found.items() if not outcome.passed} == {"severity_category"}
    assert found["severity_category"].samples[0]["severity"] == "끔찍함"


def test_pieces_hold_whole_days_and_about_so_many_rows() -> None:
    days = {FIRST + timedelta(days=number): 400 for number in (0, 1, 2, 3, 7, 8)}

    assert pieces_of(days, rows=1000) == [
        DayRange(FIRST + timedelta(days=first), FIRST + timedelta(days=last))
        for first, last in ((0, 1), (2, 3), (7, 8))
    ]
    assert pieces_of({FIRST: 10**9}, rows=1000) == [DayRange(FIRST, FIRST)]
    assert pieces_of({}, rows=1000) == []
