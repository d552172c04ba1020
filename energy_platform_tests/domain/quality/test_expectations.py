"""What follows from a contract, in words."""

from __future__ import annotations

import re

import pytest

from energy_platform.domain.contracts import Column, Contract
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, MEASUREMENTS, SENSOR_DATA, SENSOR_LIMITS
from energy_platform.domain.quality.expectations import expectations_of
from energy_platform.domain.quantities import QUANTITIES
from energy_platform.domain.tables import TABLES, USERS

CONTRACTS = [*MEASUREMENTS.values(), *TABLES.values()]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_expectation_has_a_name_of_its_own_and_says_what_it_expects(contract: Contract) -> None:
    expected = expectations_of(contract)

    assert len({each.name for each in expected}) == len(expected)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", each.name) and each.description for each in expected)
    assert {"columns", "key_unique"} <= {each.name for each in expected}
    assert {column for each in expected for column in each.columns} <= set(contract.column_names)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_references_lead_to_tables_with_a_code_as_key(contract: Contract) -> None:
    for reference in contract.references:
        assert TABLES[reference.table].key == ("tenant_id", reference.column)
        assert reference.column in contract.column_names
    for low, high in contract.in_order:
        assert contract.column(low).type == contract.column(high).type


def test_readings_are_expected_to_be_what_the_contract_lets_in() -> None:
    by_name = {each.name: each for each in expectations_of(SENSOR_DATA)}

    assert list(by_name) == [
        *("columns", "tenant_id_present", "building_id_present", "sensor_id_present", "time_type", "time_present"),
        *("value_type", "confidence_type", "confidence_range", "status_category"),
        *(f"value_range_{quantity}" for quantity in SENSOR_LIMITS),
        *("key_unique", "content_present", "time_in_days", "building_id_known", "sensor_id_known"),
    ]
    assert (by_name["value_range_humidity"].minimum, by_name["value_range_humidity"].maximum) == (0.0, 100.0)
    assert by_name["status_category"].severity == by_name["sensor_id_known"].severity == "warning"
    assert by_name["value_range_humidity"].severity == "error"


def test_fields_that_an_estate_adds_bring_their_own_expectations() -> None:
    grown = ENERGY_CONSUMPTION.with_fields((Column("co2_ppm", "float"),))

    names, before = ({each.name for each in expectations_of(one)} for one in (grown, ENERGY_CONSUMPTION))
    assert names - before == {"co2_ppm_type"}
    assert grown.references == ENERGY_CONSUMPTION.references


def test_personal_columns_are_known_as_such() -> None:
    assert not {each.name for each in expectations_of(USERS) if each.personal} & {"user_id_present", "columns"}
    assert {column.name for column in USERS.columns if column.personal} == {"email", "name", "password_hash"}


def test_limits_refuse_what_they_always_refused() -> None:
    assert dict(SENSOR_LIMITS) == {
        "temperature": (-60.0, 100.0),
        "humidity": (0.0, 100.0),
        "occupancy": (0.0, 100_000.0),
        "power": (-100_000.0, 100_000.0),
    }


@pytest.mark.parametrize(
    ("quantity", "unit", "limits"),
    [
        ("temperature", "celsius", (-60.0, 100.0)),
        ("temperature", "°F", (-76.0, 212.0)),
        ("power", "W", (-1e8, 1e8)),
        ("power", "MW", (-100.0, 100.0)),
        ("humidity", "%", (0.0, 100.0)),
        ("power", "percent", (-100_000.0, 100_000.0)),
    ],
)
def test_limits_are_told_in_the_unit_of_the_device(quantity: str, unit: str, limits: tuple[float, float]) -> None:
    assert QUANTITIES[quantity].limits_in(unit) == pytest.approx(limits)


def test_units_that_a_quantity_is_mixed_up_with_are_known() -> None:
    for quantity in QUANTITIES.values():
        assert len(quantity.other_units()) == len(quantity.mixed_up_with)
