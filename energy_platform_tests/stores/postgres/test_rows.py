"""Rows come back as they were written, whatever they hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from psycopg import sql

from energy_platform.domain.contracts import Contract
from energy_platform.domain.errors import OwnershipError, StoreError
from energy_platform.domain.measurements import ALERTS, SENSOR_DATA
from energy_platform.domain.tables import BILLING, BUILDINGS, MODEL_SCORES, MODELS, SENSORS, TENANTS, USERS
from energy_platform.settings import Settings
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.copying import canonical_json, copy_out
from energy_platform.stores.postgres.rows import delete_rows, owners, read_rows, table_of, write_rows

ESTATE = "here"


@pytest.fixture(scope="module")
def loader(stores: Settings) -> Iterator[psycopg.Connection]:
    """One connection for many examples, each rolled back."""
    with PostgresStore(stores.postgres_url).connection() as connection:
        yield connection
        connection.rollback()


def frame_of(contract: Contract, *rows: dict[str, Any]) -> pl.DataFrame:
    empty: dict[str, Any] = dict.fromkeys(contract.column_names)
    return pl.DataFrame([empty | row for row in rows], schema=contract.schema())


def tenant(connection: psycopg.Connection, code: str = "t", estate: str = ESTATE) -> None:
    write_rows(connection, TENANTS, estate, frame_of(TENANTS, {"tenant_id": code, "name": code}))


characters = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
texts = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "\\.", "\\.\n\\.", "a\n\\.\nb", "\\N", '"', '""', "a,b", "\r", "\r\n", "\\", "NULL", "null"]
    ),
    st.text(characters, max_size=20),
    st.text(st.sampled_from('",\n\r\\. '), max_size=8),
)
floats = st.one_of(
    st.none(), st.floats(allow_nan=False), st.sampled_from([math.inf, -math.inf, math.nan, -0.0, 5e-324])
)
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(characters, max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(characters, max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
documents = st.one_of(
    st.none(),
    st.dictionaries(st.text(characters, max_size=4), values, max_size=3).map(json.dumps).map(canonical_json),
)
numbers = count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "email": texts,
                "name": texts,
                "role": texts,
                "active": st.one_of(st.none(), st.booleans()),
                "created_at": st.one_of(st.none(), times),
                "attributes": documents,
            }
        ),
        max_size=6,
    )
)
def test_any_row_of_a_table_comes_back_as_it_was(loader: psycopg.Connection, rows: list[dict[str, Any]]) -> None:
    code = f"t{next(numbers)}"
    frame = frame_of(USERS, *({"tenant_id": code, "user_id": f"{i}", **row} for i, row in enumerate(rows)))
    try:
        assert write_rows(loader, USERS, ESTATE, frame) == len(rows)
        assert_frame_equal(read_rows(loader, USERS, [code]), frame.with_columns(pl.lit(ESTATE).alias("estate")))
        assert write_rows(loader, USERS, ESTATE, frame) == 0
    finally:
        loader.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries({"time": times, "value": floats, "confidence": floats, "state": texts, "status": texts}),
        max_size=6,
        unique_by=lambda row: row["time"],
    ),
    texts.filter(bool),
)
def test_any_point_of_a_time_series_comes_back_as_it_was(
    loader: psycopg.Connection, points: list[dict[str, Any]], sensor: str
) -> None:
    code = f"t{next(numbers)}"
    tags = {"tenant_id": code, "building_id": "", "sensor_id": sensor, "sensor_type": ""}
    frame = frame_of(SENSOR_DATA, *(tags | point for point in points))
    try:
        assert write_rows(loader, SENSOR_DATA, ESTATE, frame) == len(points)
        found = read_rows(loader, SENSOR_DATA, [code])
        assert_frame_equal(found, frame.sort("time"), check_exact=True)
        for before, after in zip(frame.sort("time")["value"], found["value"], strict=True):
            assert before is None or math.isnan(before) or math.copysign(1, before) == math.copysign(1, after)
    finally:
        loader.rollback()


def test_many_rows_of_nasty_text_come_back(loader: psycopg.Connection) -> None:
    rows = 60_000
    nasty = ['"', "\n", 'a"\n,"b', "\\.", "", None, "\r\n", ",,,", '""\n""', "plain"]
    frame = pl.DataFrame({"tenant_id": ["many"] * rows, "user_id": [f"{i:06}" for i in range(rows)]}).with_columns(
        *(pl.lit(None, USERS.column(name).polars_type).alias(name) for name in USERS.column_names[2:])
    )
    frame = frame.with_columns(
        pl.Series("email", [nasty[i % 10] for i in range(rows)], pl.String),
        pl.Series("name", [nasty[i // 10 % 10] for i in range(rows)], pl.String),
    )
    try:
        tenant(loader, "many")
        assert write_rows(loader, USERS, ESTATE, frame) == rows
        assert_frame_equal(read_rows(loader, USERS, ["many"]).drop("estate"), frame)
        # other tests' rows stand in the same table
        source = sql.SQL("{} WHERE tenant_id = 'many'").format(table_of(USERS))
        assert sum(part.height for part in copy_out(loader, {"email": "text"}, source, batch_rows=7_000)) == rows
    finally:
        loader.rollback()


def test_numbers_dates_and_reserved_names(connection: psycopg.Connection) -> None:
    tenant(connection)
    scores = frame_of(MODEL_SCORES, {"tenant_id": "t", "model": "m", "mape": math.inf, "rmse": 0.1})
    models = frame_of(
        MODELS,
        {
            "tenant_id": "t",
            "name": "m",
            "file_name": "m.pkl",
            "size_bytes": 2**62,
            "sha256": "0",
            "references": '["b","a"]',
        },
    )
    billing = frame_of(
        BILLING,
        {"tenant_id": "t", "invoice_id": "1", "period_start": date(1899, 12, 31), "period_end": date(2200, 2, 28)},
    )
    for contract, frame in ((MODEL_SCORES, scores), (MODELS, models), (BILLING, billing)):
        assert write_rows(connection, contract, ESTATE, frame) == 1
        assert_frame_equal(read_rows(connection, contract, ["t"]).drop("estate"), frame)


def test_only_what_differs_is_changed(connection: psycopg.Connection) -> None:
    rows = [{"tenant_id": "t", "building_id": f"B{i}", "floors": i} for i in range(3)]
    tenant(connection)
    assert write_rows(connection, BUILDINGS, ESTATE, frame_of(BUILDINGS, *rows)) == 3
    rows[1]["floors"] = None
    assert write_rows(connection, BUILDINGS, ESTATE, frame_of(BUILDINGS, *rows)) == 1
    assert read_rows(connection, BUILDINGS, ["t"])["floors"].to_list() == [0, None, 2]
    assert read_rows(connection, BUILDINGS, ["other"]).is_empty()
    assert read_rows(connection, BUILDINGS, []).schema == {**BUILDINGS.schema(), "estate": pl.String()}


def test_rows_are_deleted_by_key(connection: psycopg.Connection) -> None:
    tenant(connection)
    tenant(connection, "u")
    rows = [{"tenant_id": "t", "building_id": f"B{i}"} for i in range(3)]
    write_rows(connection, BUILDINGS, ESTATE, frame_of(BUILDINGS, *rows))
    assert (
        delete_rows(connection, BUILDINGS, frame_of(BUILDINGS, rows[0], {"tenant_id": "t", "building_id": "B9"})) == 1
    )
    assert read_rows(connection, BUILDINGS, ["t"])["building_id"].to_list() == ["B1", "B2"]
    assert delete_rows(connection, TENANTS, frame_of(TENANTS, {"tenant_id": "u"})) == 1
    assert delete_rows(connection, TENANTS, TENANTS.empty()) == 0


def test_another_estates_rows_are_refused_and_named(store: PostgresStore) -> None:
    with store.connection() as connection:
        tenant(connection)
        tenant(connection, "u", estate="there")
    both = frame_of(TENANTS, {"tenant_id": "t", "name": "x"}, {"tenant_id": "u", "name": "x"}, {"tenant_id": "v"})
    with store.connection() as connection:
        assert owners(connection, TENANTS, both).rows() == [("t", "here"), ("u", "there")]
        assert owners(connection, TENANTS, both, estate="here").rows() == [("u", "there")]
        assert owners(connection, TENANTS, TENANTS.empty()).columns == ["tenant_id", "estate"]
    with pytest.raises(OwnershipError, match=r"1 row.* estate there"), store.connection() as connection:
        write_rows(connection, TENANTS, "here", both.head(2))
    with store.connection() as connection:
        assert read_rows(connection, TENANTS, ["t", "u"])["name"].to_list() == ["t", "u"]


def test_a_dangling_reference_is_refused_at_commit_whatever_the_order(store: PostgresStore) -> None:
    sensor = frame_of(SENSORS, {"tenant_id": "t", "sensor_id": "s", "building_id": "B1"})
    with store.connection() as connection:
        write_rows(connection, SENSORS, ESTATE, sensor)
        write_rows(connection, BUILDINGS, ESTATE, frame_of(BUILDINGS, {"tenant_id": "t", "building_id": "B1"}))
        tenant(connection)
    with pytest.raises(StoreError, match="23503"), store.connection() as connection:
        write_rows(connection, SENSORS, ESTATE, sensor.with_columns(pl.lit("B2").alias("building_id")))


def test_nul_is_refused_before_the_server_sees_it(connection: psycopg.Connection) -> None:
    with pytest.raises(StoreError, match="NUL"):
        write_rows(connection, TENANTS, ESTATE, frame_of(TENANTS, {"tenant_id": "t", "name": "a\x00b"}))


def test_points_outside_of_the_yearly_partitions_are_kept(connection: psycopg.Connection) -> None:
    tags = {"tenant_id": "t", "building_id": "b", "sensor_id": "", "severity": "", "alert_type": "", "message": "m"}
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in (1969, 2010, 2039, 2040)]
    write_rows(connection, ALERTS, ESTATE, frame_of(ALERTS, *(tags | {"time": moment} for moment in moments)))
    assert read_rows(connection, ALERTS, ["t"])["time"].to_list() == moments
    found = connection.execute("SELECT tableoid::regclass::text FROM timeseries.alerts ORDER BY time").fetchall()
    assert [name for (name,) in found] == [
        "timeseries.alerts_other",
        "timeseries.alerts_2010",
        "timeseries.alerts_2039",
        "timeseries.alerts_other",
    ]


def test_canonical_json_is_one_spelling() -> None:
    assert canonical_json('{"b": 1.50, "a": ["é", null]}') == '{"a":["é",null],"b":1.5}'
    assert canonical_json("[1e16, 1.5E+20, -1e300, -0.0, 1e-7, 1e15]") == (
        f"[10000000000000000,150000000000000000000,-1{'0' * 300},0.0,1e-07,1000000000000000.0]"
    )
    assert canonical_json(None) is None
