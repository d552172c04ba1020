"""A contract names the first rule that a row breaks."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from energy_platform.domain.contracts import MAX_TEXT_BYTES, REASONS, UNDATED_REASONS, Column, Contract
from energy_platform.domain.measurements import ALERTS, ENERGY_CONSUMPTION, MEASUREMENTS, PREDICTIONS, SENSOR_DATA
from energy_platform.domain.tables import MODEL_SCORES, TABLES, USERS

NOON = datetime(2025, 3, 1, 3, tzinfo=UTC)
READING: dict[str, Any] = {
    "tenant_id": "default",
    "building_id": "B001",
    "sensor_id": "temp_001",
    "sensor_type": "temperature",
    "time": NOON,
    "value": 21.5,
    "state": None,
    "confidence": 0.98,
    "status": "normal",
}
HOUR: dict[str, Any] = {
    "tenant_id": "default",
    "building_id": "B001",
    "meter_id": "main",
    "time": NOON,
    "power_kw": 12.5,
    "temperature_c": None,
    "humidity_pct": None,
    "occupancy": None,
}
ALERT: dict[str, Any] = {
    "tenant_id": "default",
    "building_id": "B001",
    "sensor_id": "",
    "severity": "",
    "alert_type": "",
    "time": NOON,
    "message": "온도 경고",
    "resolved": None,
}
FORECAST: dict[str, Any] = {
    "tenant_id": "default",
    "building_id": "B001",
    "model": "seasonal",
    "lead_days": "",
    "time": NOON,
    "power_kw": 3.0,
    "lower_kw": None,
    "upper_kw": None,
    "issued_at": None,
}
SCORE: dict[str, Any] = {"tenant_id": "default", "model": "ridge", "mape": math.inf}


def verdict(contract: Contract, row: dict[str, Any]) -> str | None:
    frame = pl.DataFrame([row], schema=contract.schema(), orient="row")
    return frame.select(contract.violation()).item()


@pytest.mark.parametrize(
    ("contract", "row"),
    [
        (SENSOR_DATA, READING),
        (ENERGY_CONSUMPTION, HOUR),
        (ALERTS, ALERT),
        (PREDICTIONS, FORECAST),
        (MODEL_SCORES, SCORE),
    ],
    ids=lambda value: value.name if isinstance(value, Contract) else "",
)
def test_a_good_row(contract: Contract, row: dict[str, Any]) -> None:
    assert verdict(contract, row) is None


@pytest.mark.parametrize(
    ("contract", "row", "changes", "reason"),
    [
        (SENSOR_DATA, READING, {"time": None}, "unreadable_time"),
        (SENSOR_DATA, READING, {"building_id": None}, "missing_key"),
        (SENSOR_DATA, READING, {"sensor_id": ""}, "missing_key"),
        (SENSOR_DATA, READING, {"value": None}, "missing_value"),
        (SENSOR_DATA, READING, {"value": math.nan}, "not_finite"),
        (SENSOR_DATA, READING, {"value": -math.inf}, "not_finite"),
        (SENSOR_DATA, READING, {"value": 100.1}, "out_of_range"),
        (SENSOR_DATA, READING, {"value": -60.1}, "out_of_range"),
        (SENSOR_DATA, READING, {"confidence": 1.01}, "out_of_range"),
        (SENSOR_DATA, READING, {"confidence": math.nan}, "not_finite"),
        (SENSOR_DATA, READING, {"status": "x" * (MAX_TEXT_BYTES + 1)}, "too_long"),
        (SENSOR_DATA, READING, {"status": "가" * (MAX_TEXT_BYTES // 3 + 1)}, "too_long"),
        (ENERGY_CONSUMPTION, HOUR, {"power_kw": None}, "missing_value"),
        (ENERGY_CONSUMPTION, HOUR, {"humidity_pct": 100.5}, "out_of_range"),
        (ENERGY_CONSUMPTION, HOUR, {"occupancy": -1.0}, "out_of_range"),
        (ENERGY_CONSUMPTION, HOUR, {"power_kw": math.inf}, "not_finite"),
        (ALERTS, ALERT, {"message": None}, "missing_value"),
        (PREDICTIONS, FORECAST, {"model": ""}, "missing_key"),
        (MODEL_SCORES, SCORE, {"mape": math.nan}, "not_finite"),
        (USERS, {"tenant_id": "default"}, {"user_id": None}, "missing_key"),
    ],
)
def test_a_broken_row(contract: Contract, row: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    assert verdict(contract, row | changes) == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 100.0},
        {"value": -60.0},
        {"value": None, "state": "open"},
        {"sensor_type": "", "value": 1e9},
        {"sensor_type": "noise", "value": -1e9},
        {"confidence": None, "status": None},
        {"status": "가" * (MAX_TEXT_BYTES // 3)},
    ],
)
def test_the_limits_are_allowed(changes: dict[str, Any]) -> None:
    assert verdict(SENSOR_DATA, READING | changes) is None


def test_the_key_is_judged_first() -> None:
    assert verdict(SENSOR_DATA, READING | {"building_id": None, "value": math.nan}) == "missing_key"
    assert verdict(SENSOR_DATA, READING | {"value": math.nan, "confidence": 7.0}) == "not_finite"


def test_further_fields_follow_sorted_and_count_as_content() -> None:
    wider = ENERGY_CONSUMPTION.with_fields((Column("solar_kw", "float"), Column("gas_m3", "float")))
    assert wider.column_names[-2:] == ("gas_m3", "solar_kw")
    assert wider.with_fields((Column("gas_m3", "float"),)) == wider
    only_gas = HOUR | {"power_kw": None, "gas_m3": 3.0, "solar_kw": None}
    assert verdict(wider, only_gas) is None
    assert verdict(wider, only_gas | {"gas_m3": None}) == "missing_value"


def test_every_identity_starts_with_the_tenant() -> None:
    for contract in (*MEASUREMENTS.values(), *TABLES.values()):
        assert contract.key[0] == "tenant_id", contract.name
        assert len(set(contract.column_names)) == len(contract.columns), contract.name
        for name in contract.key:
            contract.column(name)


def test_a_measurement_is_tags_time_and_fields() -> None:
    assert SENSOR_DATA.tags == ("tenant_id", "building_id", "sensor_id", "sensor_type")
    assert [column.name for column in SENSOR_DATA.fields] == ["value", "state", "confidence", "status"]
    assert {column.type for measurement in MEASUREMENTS.values() for column in measurement.fields} == {
        "float",
        "text",
        "boolean",
    }


def test_undated_reasons_are_reasons() -> None:
    assert set(REASONS) >= UNDATED_REASONS


def test_passwords_and_addresses_are_personal() -> None:
    assert {column.name for column in USERS.columns if column.personal} == {"email", "name", "password_hash"}
