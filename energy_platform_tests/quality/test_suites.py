"""Suites of Great Expectations from contracts: each kind of expectation passes, and is shown failing once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from energy_platform.domain.contracts import Contract
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, MEASUREMENTS, SENSOR_DATA
from energy_platform.domain.quality.expectations import expectations_of
from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.tables import BILLING, SENSORS, TABLES, USERS
from energy_platform.quality.register import SEPARATOR, with_physical_limits
from energy_platform.quality.suites import Surroundings, validate
from energy_platform_tests.domain.quality.readings import register

NOW = datetime(2025, 6, 1, tzinfo=UTC)
FIRST = datetime(2025, 5, 1, tzinfo=UTC)
SURROUNDINGS = Surroundings(
    NOW, (FIRST, NOW), {"buildings": {f"t{SEPARATOR}B001"}, "sensors": {f"t{SEPARATOR}s1", f"t{SEPARATOR}s2"}}
)
_FINE: dict[str, Any] = {
    "tenant_id": "t",
    "building_id": "B001",
    "sensor_id": "s1",
    "sensor_type": "temperature",
    "user_id": "U1",
    "invoice_id": "I1",
}
_BY_TYPE: dict[str, Any] = {
    "text": "x",
    "json": "{}",
    "float": 0.5,
    "integer": 3,
    "boolean": True,
    "time": FIRST + timedelta(hours=1),
    "date": date(2025, 5, 2),
}


def row(contract: Contract, **values: Any) -> dict[str, Any]:
    """A row that meets all expectations, but for some values."""
    fine = {
        column.name: _FINE.get(column.name, column.categories[0] if column.categories else _BY_TYPE[column.type])
        for column in contract.columns
    }
    return fine | values


def frame(contract: Contract, *rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=contract.schema())


def red(contract: Contract, rows: pl.DataFrame) -> dict[str, Outcome]:
    """The verdicts that are not green, by name."""
    return {outcome.name: outcome for outcome in validate(contract, rows, SURROUNDINGS) if not outcome.passed}


@pytest.mark.parametrize("contract", [*MEASUREMENTS.values(), *TABLES.values()], ids=lambda contract: contract.name)
def test_rows_that_meet_a_contract_pass_all_that_follows_from_it(contract: Contract) -> None:
    least = {
        c.name: None for c in contract.columns if not c.required and c.name not in {*contract.key, *contract.any_of[:1]}
    }
    fine = frame(contract, row(contract), row(contract, **least, **{contract.key[-1]: other(contract)}))

    verdicts = validate(contract, fine, SURROUNDINGS)

    assert [outcome.name for outcome in verdicts if not outcome.passed] == []
    assert [outcome.name for outcome in verdicts] == [each.name for each in expectations_of(contract)]


def other(contract: Contract) -> Any:
    """Another value for the last part of the key."""
    if contract.key[-1] == "time":
        return FIRST + timedelta(hours=2)
    return {"sensor_id": "s2"}.get(contract.key[-1], "y")


#: By contract: an expectation, and the values of a row that breaks it.
BREAKS: list[tuple[Contract, list[tuple[str, dict[str, Any]]]]] = [
    (
        SENSOR_DATA,
        [
            ("building_id_present", {"building_id": None}),
            ("confidence_range", {"confidence": 7.0}),
            ("status_category", {"status": "정상이 아님"}),
            ("value_range_temperature", {"value": 999.0}),
            ("value_range_humidity", {"sensor_type": "humidity", "value": 140.0}),
            ("value_range_occupancy", {"sensor_type": "occupancy", "value": -3.0}),
            ("value_range_power", {"sensor_type": "power", "value": 2e5}),
            ("content_present", {"value": None, "state": None}),
            ("time_in_days", {"time": NOW}),
            ("building_id_known", {"building_id": "B999"}),
            ("sensor_id_known", {"sensor_id": "s9"}),
            ("sensor_id_known", {"tenant_id": "other", "building_id": "", "sensor_id": "s1"}),
        ],
    ),
    (ENERGY_CONSUMPTION, [("humidity_pct_range", {"humidity_pct": 140.0})]),
    (USERS, [("created_at_past", {"created_at": NOW + timedelta(days=1)})]),
    (
        BILLING,
        [
            ("issued_on_past", {"issued_on": date(2025, 6, 2)}),
            ("period_start_up_to_period_end", {"period_start": date(2025, 5, 3)}),
        ],
    ),
    (SENSORS, [("maximum_up_to_critical_maximum", {"maximum": 9.0, "minimum": None})]),
]


@pytest.mark.parametrize(("contract", "breaks"), BREAKS, ids=[contract.name for contract, _ in BREAKS])
def test_rows_that_break_an_expectation_are_counted_and_shown(
    contract: Contract, breaks: list[tuple[str, dict[str, Any]]]
) -> None:
    last = contract.key[-1]
    rows = [
        row(contract, **{last: FIRST + timedelta(minutes=number) if last == "time" else f"y{number}", **values})
        for number, values in enumerate([{}, *(values for _, values in breaks)])
    ]
    found = red(contract, frame(contract, *rows))

    assert found.keys() == {name for name, _ in breaks}
    for name in found:
        expected = next(each for each in expectations_of(contract) if each.name == name)
        broken = [values for other_name, values in breaks if other_name == name]
        assert found[name].severity == expected.severity
        assert (found[name].unexpected, len(found[name].samples)) == (len(broken), len(broken))
        for shown, values in zip(found[name].samples, broken, strict=True):
            assert {*contract.key, expected.columns[0]} <= shown.keys()
            for column in values.keys() & shown.keys():
                value = values[column]
                assert shown[column] == (value if value is None or isinstance(value, str | float) else told(value))


def test_samples_are_json() -> None:
    rows = frame(SENSORS, row(SENSORS, maximum=9.0, floor=None))
    (sample,) = red(SENSORS, rows)["maximum_up_to_critical_maximum"].samples

    assert {type(value) for value in sample.values()} == {str, float}
    assert json.loads(json.dumps(sample)) == sample


def told(value: date) -> str:
    return f"{value.replace(tzinfo=None).isoformat()}Z" if isinstance(value, datetime) else value.isoformat()


def test_rows_with_the_same_key_are_counted() -> None:
    found = red(SENSOR_DATA, frame(SENSOR_DATA, row(SENSOR_DATA), row(SENSOR_DATA, value=1.0)))

    assert found.keys() == {"key_unique"}
    assert (found["key_unique"].unexpected, found["key_unique"].percent) == (2, 100.0)


@pytest.mark.parametrize(
    ("change", "red_ones"),
    [
        (lambda rows: rows.with_columns(pl.lit("stranger").alias("firmware")), {"columns"}),
        (lambda rows: rows.drop("confidence"), {"columns", "confidence_type", "confidence_range"}),
        (lambda rows: rows.with_columns(pl.lit("much").alias("confidence")), {"confidence_type", "confidence_range"}),
        (lambda rows: rows.with_columns(pl.col("time").dt.cast_time_unit("ms")), {"time_type", "time_in_days"}),
    ],
)
def test_columns_of_another_name_or_type_are_found_and_what_cannot_be_evaluated_says_so(
    change: Callable[[pl.DataFrame], pl.DataFrame], red_ones: set[str]
) -> None:
    found = red(SENSOR_DATA, change(frame(SENSOR_DATA, row(SENSOR_DATA))))

    assert found.keys() == red_ones
    assert all(each.problem or each.unexpected for each in found.values())


def test_personal_data_is_in_no_sample() -> None:
    rows = frame(
        USERS, row(USERS, user_id=None, email="kim@example.com", name="Kim", created_at=NOW + timedelta(days=9))
    )
    said = str([outcome.samples for outcome in validate(USERS, rows, SURROUNDINGS)])

    assert "created_at" in said
    assert "Kim" not in said
    assert "kim@" not in said


def test_no_rows_break_nothing() -> None:
    assert red(SENSOR_DATA, SENSOR_DATA.empty()) == {}


def test_a_sensor_without_limits_has_those_of_its_quantity_in_its_unit() -> None:
    def limits(**device: Any) -> tuple[float, float]:
        return with_physical_limits(register(**device)).select("minimum", "maximum").row(0)

    assert limits(unit="celsius") == (-60.0, 100.0)
    assert limits(unit="fahrenheit") == pytest.approx((-76.0, 212.0))
    assert limits(unit="celsius", minimum=18.0) == (18.0, None)
    assert limits(quantity="door") == (None, None)


def test_a_long_text_is_cut_where_a_sample_shows_it() -> None:
    found = red(SENSOR_DATA, frame(SENSOR_DATA, row(SENSOR_DATA, status="긴" * 60_000)))
    (sample,) = found["status_category"].samples
    assert sample["status"] == "긴" * 200 + "… (60,000 letters)"
