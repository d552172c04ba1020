"""What every time-series store does alike: the same tests against InfluxDB and against PostgreSQL."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from energy_platform.domain.contracts import Column
from energy_platform.domain.errors import (
    FieldTypeConflictError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, MEASUREMENTS, SENSOR_DATA
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.interface import TimeSeries
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform_tests.stores.timeseries.samples import (
    NOON,
    assert_holds,
    new_name,
    new_tenant,
    points,
    read,
    reading,
)

MICROSECOND = timedelta(microseconds=1)

HOSTILE = [
    "plain",
    "서울 본사 3층",
    "it's",
    '"quoted"',
    "comma, equals= space ",
    " leading",
    "back\\slash",
    "a\\,b",
    "a\\=b",
    "\\n is no line break",
    "tab\tinside",
    "' OR ''='",
    "'; DROP MEASUREMENT sensor_data; --",
    '" OR tenant_id = "x',
    "\\' OR 1=1 --",
    "/* no */ comment",
    "\u2028separator",
    "😀",
    "NULL",
    "\\N",
    "\\.",
    "%s {} $1",
    "\ufeffmark",
]


@pytest.fixture
def store(timeseries_settings: Settings) -> Iterator[TimeSeries]:
    with open_timeseries(timeseries_settings) as opened:
        for measurement in MEASUREMENTS.values():
            opened.prepare(measurement)
        yield opened


@pytest.fixture
def tenant() -> str:
    return new_tenant()


def test_every_measurement_comes_back_as_it_was_written(store: TimeSeries, tenant: str) -> None:
    rows_of = {
        "sensor_data": [
            reading(tenant, value=-3.25, confidence=0.5, status="normal"),
            reading(tenant, sensor_id="문 1", sensor_type="", state="열림"),
            reading(tenant, sensor_id="S3", value=0.1, state=""),
        ],
        "energy_consumption": [
            {"tenant_id": tenant, "building_id": "B001", "meter_id": "main", "time": NOON, "power_kw": 12.75},
            {
                "tenant_id": tenant,
                "building_id": "B001",
                "meter_id": "main",
                "time": NOON + MICROSECOND,
                "occupancy": 3.0,
            },
        ],
        "predictions": [
            {"tenant_id": tenant, "building_id": "B001", "model": "Ridge, v2", "time": NOON, "power_kw": 1.0},
            {
                "tenant_id": tenant,
                "building_id": "B001",
                "model": "Ridge, v2",
                "lead_days": "1",
                "time": NOON,
                "power_kw": 2.0,
                "lower_kw": 1.5,
                "upper_kw": 2.5,
                "issued_at": "2024-02-29T12:00:00Z",
            },
        ],
        "alerts": [
            {
                "tenant_id": tenant,
                "building_id": "B001",
                "severity": "warning",
                "time": NOON,
                "resolved": False,
                "message": 'It said: "too warm",\nthen\r\nstopped \\',
            },
            {
                "tenant_id": tenant,
                "building_id": "B001",
                "severity": "info",
                "time": NOON,
                "resolved": True,
                "message": "",
            },
            {
                "tenant_id": tenant,
                "building_id": "B001",
                "alert_type": "open",
                "time": NOON,
                "message": "resolved: unknown",
            },
        ],
    }
    for name, measurement in MEASUREMENTS.items():
        written = points(measurement, rows_of[name])
        store.write(measurement, written)
        assert_holds(store, measurement, written, tenant)


def test_no_points_is_no_error(store: TimeSeries, tenant: str) -> None:
    store.write(SENSOR_DATA, SENSOR_DATA.empty())
    store.delete(SENSOR_DATA, SENSOR_DATA.empty())
    assert list(store.read(SENSOR_DATA, [tenant])) == []
    assert list(store.read(SENSOR_DATA, [])) == []
    assert store.latest(SENSOR_DATA, [tenant]).schema == SENSOR_DATA.schema()
    assert store.latest(SENSOR_DATA, []).height == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_in_a_tag_and_in_a_field(store: TimeSeries, tenant: str, text: str) -> None:
    hostile = f"{tenant} {text}"
    written = points(SENSOR_DATA, [reading(hostile, sensor_id=text, state=f"{text}\\"), reading(hostile, status=text)])
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, value=-1.0)]))
    store.write(SENSOR_DATA, written)
    assert_holds(store, SENSOR_DATA, written, hostile)
    assert store.latest(SENSOR_DATA, [hostile]).sort("sensor_id").rows() == written.sort("sensor_id").rows()
    store.delete(SENSOR_DATA, written.head(1))
    assert_holds(store, SENSOR_DATA, written.tail(1), hostile)
    assert read(store, SENSOR_DATA, tenant).height == 1


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
tags = texts.filter(lambda text: not text.endswith("\\") and "\n" not in text and "\r" not in text)
floats = st.floats(allow_nan=False, allow_infinity=False)
rows = st.fixed_dictionaries(
    {
        "building_id": tags,
        "sensor_id": tags,
        "sensor_type": tags,
        "time": st.datetimes(datetime(1690, 1, 1), datetime(2250, 1, 1)).map(lambda time: time.replace(tzinfo=UTC)),  # noqa: DTZ001
        "value": st.none() | floats,
        "state": texts,
        "confidence": st.none() | floats,
        "status": st.none() | texts,
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=30, unique_by=lambda row: tuple(row[name] for name in SENSOR_DATA.key[1:])))
def test_whatever_is_written_is_read(store: TimeSeries, drawn: list[dict[str, object]]) -> None:
    tenant = new_tenant()
    written = points(SENSOR_DATA, [{**row, "tenant_id": tenant} for row in drawn])
    store.write(SENSOR_DATA, written)
    assert_holds(store, SENSOR_DATA, written, tenant)


def test_numbers_are_exact(store: TimeSeries, tenant: str) -> None:
    numbers = [0.0, -0.0, 0.1, 1 / 3, 1e-300, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e15]
    numbers += [1e16, 1e21, 1e22, 123456789012345678.0, 9007199254740993.0, math.pi, -math.e]
    written = points(
        SENSOR_DATA, [reading(tenant, NOON + index * MICROSECOND, value=number) for index, number in enumerate(numbers)]
    )
    store.write(SENSOR_DATA, written)
    assert read(store, SENSOR_DATA, tenant).get_column("value").to_list() == numbers


def test_times_are_exact_before_1970_and_far_away(store: TimeSeries, tenant: str) -> None:
    times = [
        datetime(1677, 9, 21, 0, 12, 43, 145225, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2009, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2010, 1, 1, tzinfo=UTC),
        NOON,
        NOON + MICROSECOND,
        datetime(2100, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2262, 4, 11, 23, 47, 16, 854775, tzinfo=UTC),
    ]
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, time) for time in times]))
    assert read(store, SENSOR_DATA, tenant).get_column("time").to_list() == times


def test_a_range_holds_its_start_and_not_its_stop(store: TimeSeries, tenant: str) -> None:
    times = [NOON - MICROSECOND, NOON, NOON + MICROSECOND, NOON + 2 * MICROSECOND]
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, time) for time in times]))

    def found(start: datetime | None, stop: datetime | None) -> list[datetime]:
        return read(store, SENSOR_DATA, tenant, start=start, stop=stop).get_column("time").to_list()

    assert found(NOON, NOON + 2 * MICROSECOND) == times[1:3]
    assert found(NOON + MICROSECOND, None) == times[2:]
    assert found(None, NOON) == times[:1]
    assert found(NOON, NOON) == []
    early = datetime(1969, 12, 31, 23, 59, 59, 999998, tzinfo=UTC)
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, early), reading(tenant, early + MICROSECOND)]))
    assert found(early + MICROSECOND, datetime(1970, 1, 1, tzinfo=UTC)) == [early + MICROSECOND]


def test_a_point_written_again_is_overwritten(store: TimeSeries, tenant: str) -> None:
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, value=1.0, status="old")]))
    corrected = points(SENSOR_DATA, [reading(tenant, value=2.0, status=""), reading(tenant, NOON + MICROSECOND)])
    store.write(SENSOR_DATA, corrected)
    assert_holds(store, SENSOR_DATA, corrected, tenant)


def test_an_absent_field_leaves_what_was_there(store: TimeSeries, tenant: str) -> None:
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, value=1.0, status="kept", confidence=0.5)]))
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, state="new", confidence=0.25)]))
    union = points(SENSOR_DATA, [reading(tenant, value=1.0, status="kept", state="new", confidence=0.25)])
    assert_holds(store, SENSOR_DATA, union, tenant)
    partly = points(SENSOR_DATA, [reading(tenant, value=9.0)]).select([*SENSOR_DATA.key, "value"])
    store.write(SENSOR_DATA, partly)
    assert_holds(store, SENSOR_DATA, union.with_columns(value=pl.lit(9.0)), tenant)


def test_many_points_go_in_several_requests_and_a_replay_changes_nothing(store: TimeSeries, tenant: str) -> None:
    index = pl.int_range(30_001, eager=True)
    written = pl.DataFrame({"index": index}).select(
        tenant_id=pl.lit(tenant),
        building_id=pl.format("B{}", pl.col("index") % 7),
        sensor_id=pl.format("S{}", pl.col("index") % 70),
        sensor_type=pl.lit("temperature"),
        time=pl.lit(NOON).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds=pl.col("index")),
        value=(pl.col("index") * 0.37).sin() * 40,
        state=pl.when(pl.col("index") % 11 == 0).then(pl.lit("line\nbreak")),
        confidence=pl.lit(None, dtype=pl.Float64),
        status=pl.lit("normal"),
    )
    for _ in range(2):
        store.write(SENSOR_DATA, written)
        assert_holds(store, SENSOR_DATA, written, tenant)
    newest = store.latest(SENSOR_DATA, [tenant])
    expected = written.sort("time").group_by("building_id", "sensor_id").last()
    assert newest.select("sensor_id", "time").sort("sensor_id").rows() == (
        expected.select("sensor_id", "time").sort("sensor_id").rows()
    )
    # half of them there already, half new
    later = written.tail(20_000).with_columns(value=pl.lit(1.0), time=pl.col("time") + pl.duration(microseconds=10_000))
    store.write(SENSOR_DATA, later)
    assert read(store, SENSOR_DATA, tenant).get_column("value").eq(1.0).sum() == 20_000


def test_tenants_are_told_apart(store: TimeSeries) -> None:
    ours, theirs, others = new_tenant(), new_tenant(), new_tenant()
    for tenant in (ours, theirs, others):
        store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, value=float(len(tenant)))]))
    assert read(store, SENSOR_DATA, ours).get_column("tenant_id").to_list() == [ours]
    assert set(read(store, SENSOR_DATA, ours, theirs).get_column("tenant_id")) == {ours, theirs}
    assert read(store, SENSOR_DATA, ours, ours).height == 1
    assert read(store, SENSOR_DATA, "nobody", "", "ends with \\", "line\nbreak", "nothing\0", "\r").height == 0
    assert set(store.latest(SENSOR_DATA, [ours, others]).get_column("tenant_id")) == {ours, others}


def test_the_latest_point_of_each_series(store: TimeSeries, tenant: str) -> None:
    written = points(
        SENSOR_DATA,
        [
            reading(tenant, NOON, value=1.0, status="normal"),
            # a later point with other fields: it is the newest as it is, nothing is filled in from before
            reading(tenant, NOON + MICROSECOND, state="off"),
            reading(tenant, datetime(2009, 1, 1, tzinfo=UTC), sensor_id="S0", value=2.0),
            reading(tenant, NOON, sensor_id="S2", sensor_type="", value=3.0),
            reading(tenant, datetime(2041, 1, 1, tzinfo=UTC), sensor_id="S2", sensor_type="", value=4.0),
        ],
    )
    store.write(SENSOR_DATA, written)
    newest = store.latest(SENSOR_DATA, [tenant])
    assert newest.schema == SENSOR_DATA.schema()
    assert newest.sort(SENSOR_DATA.key).rows() == written[[1, 2, 4]].sort(SENSOR_DATA.key).rows()


def test_only_what_is_named_is_deleted(store: TimeSeries, tenant: str) -> None:
    other = new_tenant()
    written = points(
        SENSOR_DATA,
        [
            reading(owner, time, sensor_type=kind, value=1.0, status="normal")
            for owner in (tenant, other)
            for kind in ("", "temperature", "humidity")
            for time in (NOON - MICROSECOND, NOON, NOON + MICROSECOND)
        ],
    )
    store.write(SENSOR_DATA, written)
    for kind in ("", "humidity"):
        named = pl.col("tenant_id").eq(tenant) & pl.col("sensor_type").eq(kind) & pl.col("time").eq(NOON)
        gone = written.filter(named)
        assert gone.height == 1
        store.delete(SENSOR_DATA, gone.select(SENSOR_DATA.key))
        store.delete(SENSOR_DATA, gone)
        written = written.filter(~named)
        assert_holds(store, SENSOR_DATA, written, tenant, other)
    store.delete(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, sensor_id="never there")]))
    store.delete(SENSOR_DATA, written.filter(pl.col("tenant_id") == other))
    assert_holds(store, SENSOR_DATA, written.filter(pl.col("tenant_id") == tenant), tenant, other)


def test_a_point_can_be_written_again_after_it_was_deleted(store: TimeSeries, tenant: str) -> None:
    store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, value=1.0, status="stale")]))
    again = points(SENSOR_DATA, [reading(tenant, value=1.0)])
    store.delete(SENSOR_DATA, again)
    store.write(SENSOR_DATA, again)
    assert_holds(store, SENSOR_DATA, again, tenant)


def test_fields_that_an_estate_adds(store: TimeSeries, tenant: str) -> None:
    name = f'solar kw, {new_name()}="x"'
    wider = ENERGY_CONSUMPTION.with_fields(
        (Column(name, "float"), Column(f"{name} note", "text"), Column(f"{name} on", "boolean"))
    )
    store.prepare(wider)
    store.prepare(wider)
    row = {"tenant_id": tenant, "building_id": "B001", "meter_id": "main", "time": NOON, "power_kw": 1.0}
    written = points(wider, [{**row, name: 0.25, f"{name} note": "비", f"{name} on": False}])
    store.write(wider, written)
    assert_holds(store, wider, written, tenant)
    # whoever does not know the fields still sees that they hold values
    [found] = store.read(ENERGY_CONSUMPTION, [tenant])
    assert sorted(found.columns) == sorted(wider.column_names)
    assert found.columns[: len(ENERGY_CONSUMPTION.columns)] == list(ENERGY_CONSUMPTION.column_names)
    assert found.select(wider.column_names).rows() == written.rows()
    assert store.latest(ENERGY_CONSUMPTION, [tenant]).get_column(name).to_list() == [0.25]
    # and where they hold none, they are not there
    plain = new_tenant()
    store.write(ENERGY_CONSUMPTION, points(ENERGY_CONSUMPTION, [{**row, "tenant_id": plain}]))
    assert_holds(store, ENERGY_CONSUMPTION, points(ENERGY_CONSUMPTION, [{**row, "tenant_id": plain}]), plain)


def test_a_field_keeps_its_type_for_ever(store: TimeSeries, tenant: str) -> None:
    name = new_name()
    first = ENERGY_CONSUMPTION.with_fields((Column(name, "text"),))
    store.prepare(first)
    row = {"tenant_id": tenant, "building_id": "B001", "meter_id": "main", "time": NOON, name: "text"}
    store.write(first, points(first, [row]))
    second = ENERGY_CONSUMPTION.with_fields((Column(name, "float"),))
    with pytest.raises(FieldTypeConflictError, match=name):
        store.prepare(second)
    store.prepare(first)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sensor_id": "line\nbreak"}, "line break"),
        ({"sensor_id": "carriage\rreturn"}, "line break"),
        ({"sensor_type": "ends with \\"}, "backslash"),
        ({"building_id": "B\0"}, "character 0"),
        ({"status": "\0"}, "character 0"),
        ({"value": math.nan}, "not a number"),
        ({"value": -math.inf}, "infinite"),
        ({"value": None, "state": None}, "no field"),
        ({"time": None}, "no time"),
        ({"time": datetime(1600, 1, 1, tzinfo=UTC)}, "1677"),
        ({"time": datetime(2300, 1, 1, tzinfo=UTC)}, "2262"),
        ({"tenant_id": ""}, "no tenant"),
        ({}, "twice"),
    ],
)
def test_what_no_store_can_hold_is_refused_before_the_first_write(
    store: TimeSeries, tenant: str, change: dict[str, object], said: str
) -> None:
    rows = [reading(tenant), {**reading(tenant), **change}]
    with pytest.raises(StoreError, match=said):
        store.write(SENSOR_DATA, points(SENSOR_DATA, rows))
    assert read(store, SENSOR_DATA, tenant).height == 0


def test_columns_that_are_unknown_missing_or_of_another_type_are_refused(store: TimeSeries, tenant: str) -> None:
    good = points(SENSOR_DATA, [reading(tenant)])
    with pytest.raises(StoreError, match="no column"):
        store.write(SENSOR_DATA, good.with_columns(stranger=pl.lit(1.0)))
    with pytest.raises(StoreError, match=r"sensor_data\.sensor_type: The column is missing"):
        store.write(SENSOR_DATA, good.drop("sensor_type"))
    with pytest.raises(StoreError, match="The column is of type String"):
        store.write(SENSOR_DATA, good.with_columns(value=pl.lit("21.5")))
    assert read(store, SENSOR_DATA, tenant).height == 0


def test_it_answers(store: TimeSeries) -> None:
    store.ping()
    assert store.implementation in {"influxdb", "postgres"}
    store.check_retention(datetime(1970, 1, 1, tzinfo=UTC))


def test_a_wrong_password_or_token_is_said_to_be_one(timeseries_settings: Settings, tenant: str) -> None:
    url = timeseries_settings.postgres_url.get_secret_value()
    user, _, rest = url.removeprefix("postgresql://").partition(":")
    wrong = timeseries_settings.model_copy(
        update={
            "influx_token": SecretStr("not-the-token"),
            "postgres_url": SecretStr(f"postgresql://{user}:not-the-password@{rest.partition('@')[2]}"),
        }
    )
    with open_timeseries(wrong) as store:
        attempts = [
            store.ping,
            lambda: store.prepare(SENSOR_DATA),
            lambda: store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant)])),
            lambda: list(store.read(SENSOR_DATA, [tenant])),
            lambda: store.latest(SENSOR_DATA, [tenant]),
            lambda: store.delete(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant)])),
        ]
        for attempt in attempts:
            with pytest.raises(StoreAccessError) as caught:
                attempt()
            assert "not-the-" not in str(caught.value)


def test_a_closed_port_is_said_to_be_one(timeseries_settings: Settings, tenant: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = timeseries_settings.model_copy(
        update={
            "influx_url": timeseries_settings.influx_url and f"http://127.0.0.1:{port}",
            "postgres_url": SecretStr(f"postgresql://energy_loader:secret@127.0.0.1:{port}/energy"),
        }
    )
    with open_timeseries(away) as store:
        attempts = [
            store.ping,
            lambda: store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant)])),
            lambda: list(store.read(SENSOR_DATA, [tenant])),
        ]
        for attempt in attempts:
            with pytest.raises(StoreUnavailableError, match=str(port)) as caught:
                attempt()
            assert "secret" not in str(caught.value)
