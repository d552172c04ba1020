"""What InfluxDB alone can do or refuse: retention, its own words, and what others have written there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import (
    FieldTypeConflictError,
    RetentionError,
    SettingError,
    StoreError,
)
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, SENSOR_DATA
from energy_platform.domain.points import SeriesPoints
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform_tests.stores.timeseries.proxy import proxy
from energy_platform_tests.stores.timeseries.samples import (
    NOON,
    assert_holds,
    new_name,
    new_tenant,
    points,
    read,
    reading,
)


@pytest.fixture
def client(influx: Settings) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Token {influx.influx_token.get_secret_value()}"}
    with httpx.Client(base_url=influx.influx_url, headers=headers, trust_env=False, timeout=60) as opened:
        yield opened


@pytest.fixture
def short_lived(influx: Settings, client: httpx.Client) -> Iterator[Settings]:
    """A bucket that drops points after an hour."""
    org = client.get("/api/v2/buckets", params={"name": influx.influx_bucket}).json()["buckets"][0]["orgID"]
    made = {"orgID": org, "name": "short lived, 한 시간", "retentionRules": [{"type": "expire", "everySeconds": 3600}]}
    bucket = client.post("/api/v2/buckets", json=made).raise_for_status().json()
    yield influx.model_copy(update={"influx_bucket": bucket["name"]})
    client.delete(f"/api/v2/buckets/{bucket['id']}").raise_for_status()


def test_points_that_would_be_dropped_are_refused(short_lived: Settings) -> None:
    with open_timeseries(short_lived) as store:
        store.prepare(SENSOR_DATA)
        now = datetime.now(UTC)
        with pytest.raises(RetentionError, match="1:00:00"):
            store.check_retention(now - timedelta(hours=2))
        store.check_retention(now - timedelta(minutes=30))
        recent = points(SENSOR_DATA, [reading("t", now)])
        store.write(SENSOR_DATA, recent)
        assert_holds(store, SENSOR_DATA, recent, "t")


def test_a_bucket_or_an_organisation_that_is_not_there(influx: Settings) -> None:
    one = points(SENSOR_DATA, [reading("t")])
    for change in ({"influx_bucket": "nowhere"}, {"influx_org": "nobody"}):
        with open_timeseries(influx.model_copy(update=change)) as store:
            for attempt in (store.ping, lambda: store.prepare(SENSOR_DATA), lambda: store.write(SENSOR_DATA, one)):
                with pytest.raises(StoreError):
                    attempt()
    with (
        open_timeseries(influx.model_copy(update={"influx_bucket": "nowhere"})) as store,
        pytest.raises(StoreError, match="database not found"),
    ):
        list(store.read(SENSOR_DATA, ["t"]))


@pytest.mark.parametrize("url", ["127.0.0.1:8086", "ftp://host", "http://", "http://[broken", "http://host:none"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(SettingError, match="ENERGY_INFLUX_URL"):
        open_timeseries(Settings(influx_url=url))


def test_what_the_server_refuses_is_said_without_the_row(influx: Settings, client: httpx.Client) -> None:
    name = new_name()
    parameters = {"org": influx.influx_org, "bucket": influx.influx_bucket}
    seconds = int(NOON.timestamp())
    content = f"{name} value=true {seconds}"
    client.post("/api/v2/write", params={**parameters, "precision": "s"}, content=content).raise_for_status()
    other = type(SENSOR_DATA)(name, SENSOR_DATA.columns, SENSOR_DATA.key)
    with InfluxTimeSeries(influx) as store:
        with pytest.raises(FieldTypeConflictError, match=r"boolean.*float"):
            store.prepare(other)
        with pytest.raises(FieldTypeConflictError, match="field type conflict"):
            store.write(other, points(other, [reading("t", sensor_id="private")]))
        # longer than any key may be
        with pytest.raises(StoreError) as caught:
            store.write(SENSOR_DATA, points(SENSOR_DATA, [reading("t", sensor_id="private" * 10_000)]))
    assert "private" not in str(caught.value)


def test_points_of_others_are_seen(influx: Settings, client: httpx.Client) -> None:
    tenant = new_tenant()
    escaped = tenant.replace(" ", "\\ ")
    head = f"energy_consumption,tenant_id={escaped},building_id=B001,meter_id=main"
    content = f'{head},room=7 power_kw=1,guess=3i,remark="x" 1\n{head} power_kw=2 1\n{head},power_kw=tag power_kw=3 1\n'
    parameters = {"org": influx.influx_org, "bucket": influx.influx_bucket, "precision": "us"}
    client.post("/api/v2/write", params=parameters, content=content).raise_for_status()
    with InfluxTimeSeries(influx) as store:
        found = pl.concat(store.read(ENERGY_CONSUMPTION, [tenant]), how="diagonal").sort("power_kw")
        assert found.get_column("power_kw").to_list() == [1.0, 2.0, 3.0]
        assert found.get_column("room").to_list() == ["7", None, None]
        assert found.get_column("guess").to_list() == [3.0, None, None]
        assert found.get_column("remark").to_list() == ["x", None, None]
        assert found.get_column("power_kw (tag)").to_list() == [None, None, "tag"]
        # a point whose series has more tags than ours is another point
        store.delete(ENERGY_CONSUMPTION, found[[1]])
        assert read(store, ENERGY_CONSUMPTION, tenant).get_column("power_kw").sort().to_list() == [1.0, 3.0]
        store.delete(ENERGY_CONSUMPTION, found[[2, 0]])
        assert read(store, ENERGY_CONSUMPTION, tenant).height == 0


def test_a_field_of_the_name_of_a_tag_opens_no_door(short_lived: Settings, client: httpx.Client) -> None:
    now = datetime.now(UTC)
    parameters = {"bucket": short_lived.influx_bucket, "org": short_lived.influx_org}
    content = b'sensor_data,tenant_id=theirs,building_id=B,sensor_id=S value=1,tenant_id="ours"'
    client.post("/api/v2/write", params=parameters, content=content).raise_for_status()
    with open_timeseries(short_lived) as store:
        store.write(SENSOR_DATA, points(SENSOR_DATA, [reading("ours", now)]))
        assert read(store, SENSOR_DATA, "ours").get_column("tenant_id").to_list() == ["ours"]
        assert store.latest(SENSOR_DATA, ["ours"]).height == 1
        [theirs] = store.read(SENSOR_DATA, ["theirs"])
        assert theirs.select("tenant_id", "tenant_id (field)").rows() == [("theirs", "ours")]
        store.delete(SENSOR_DATA, points(SENSOR_DATA, [reading("ours", now)]))
        assert read(store, SENSOR_DATA, "ours", "theirs").height == 1


def sent(client: httpx.Client, influx: Settings, content: str) -> None:
    """Lines of somebody else, with times in seconds."""
    parameters = {"org": influx.influx_org, "bucket": influx.influx_bucket, "precision": "s"}
    client.post("/api/v2/write", params=parameters, content=content.encode()).raise_for_status()


def test_the_points_that_the_server_refuses_are_found_and_the_others_are_kept(
    influx: Settings, client: httpx.Client
) -> None:
    measurement = Measurement(new_name(), SENSOR_DATA.columns, SENSOR_DATA.key)
    # of the shards of two weeks the server knows the field as another type; what has no such field it takes
    for weeks in (3, 6):
        sent(client, influx, f"{measurement.name} value=true {int((NOON + timedelta(weeks=weeks)).timestamp())}")
    tenant = new_tenant()
    written = points(
        measurement,
        [
            reading(tenant, NOON + timedelta(hours=index), sensor_id=f"private {index % 5}", confidence=0.5, **values)
            for index in range(1_600)
            for values in [{"state": "on"} if index % 4 == 0 else {"value": float(index)}]
        ],
    )
    with (
        proxy(influx.influx_url, "/api/v2/write") as between,
        open_timeseries(
            influx.model_copy(update={"influx_url": between.url, "influx_body_lines": 500, "influx_connections": 2})
        ) as store,
    ):
        refused = store.write_points(measurement, SeriesPoints.of(written, measurement))
        assert between.asked < 200
        assert refused.schema == {"@row": pl.UInt32(), "reason": pl.String()}
        # a shard is a week that starts on a Monday, as weeks since 1970 do not
        starts = {datetime(2024, 3, 18, tzinfo=UTC), datetime(2024, 4, 8, tzinfo=UTC)}
        of_week = pl.col("time").dt.truncate("1w").is_in(list(starts)) & pl.col("value").is_not_null()
        expected = written.with_row_index().filter(of_week).get_column("index").to_list()
        assert len(expected) == 2 * 7 * 24 * 3 / 4
        assert refused.get_column("@row").to_list() == expected
        [reason] = set(refused.get_column("reason"))
        assert reason == (
            f'field type conflict: input field "value" on measurement "{measurement.name}" is type float, already'
            " exists as type boolean"
        )
        assert_holds(store, measurement, written.filter(~of_week), tenant)
        with pytest.raises(FieldTypeConflictError, match=f"refuses {len(expected)} of 1,600 points: field type"):
            store.write(measurement, written)


def test_points_that_are_too_old_are_refused_with_the_reason(short_lived: Settings) -> None:
    now = datetime.now(UTC)
    # what is hardly too old is kept where its hour has other points
    ages = [*range(9), *range(180, 191)]
    written = points(
        SENSOR_DATA,
        [reading("private", now - timedelta(minutes=age), sensor_id=f"S{age % 3}") for age in ages],
    )
    with open_timeseries(short_lived) as store:
        refused = store.write_points(SENSOR_DATA, SeriesPoints.of(written, SENSOR_DATA))
        assert refused.get_column("@row").to_list() == list(range(9, 20))
        assert set(refused.get_column("reason")) == {"outside retention policy of duration 1h0m0s"}
        assert_holds(store, SENSOR_DATA, written.head(9), "private")


def test_a_series_whose_name_is_too_long_is_refused_alone(influx: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = new_tenant()
    rows = [reading(tenant, NOON + timedelta(hours=index)) for index in range(50)]
    for index in (7, 8, 33):
        rows[index]["sensor_id"] = "private" * 10_000
    written = points(SENSOR_DATA, rows)
    with open_timeseries(influx) as store:
        refused = store.write_points(SENSOR_DATA, SeriesPoints.of(written, SENSOR_DATA))
        assert refused.get_column("@row").to_list() == [7, 8, 33]
        [reason] = set(refused.get_column("reason"))
        assert reason.startswith("unable to parse a line: max key length exceeded")
        assert_holds(store, SENSOR_DATA, written.filter(pl.col("sensor_id") == "S1"), tenant)
        # the search has an end
        monkeypatch.setattr("energy_platform.stores.timeseries.influx_writing._SEARCH_REQUESTS", 5)
        with pytest.raises(StoreError, match="too many points") as caught:
            store.write_points(SENSOR_DATA, SeriesPoints.of(written, SENSOR_DATA))
        assert "private" not in str(caught.value)


def test_fields_of_several_types_are_read(influx: Settings, client: httpx.Client) -> None:
    measurement = Measurement(new_name(), SENSOR_DATA.columns, SENSOR_DATA.key)
    head = f"{measurement.name},tenant_id=t,building_id=B,sensor_id=S"
    first, second = (int((NOON + timedelta(weeks=weeks)).timestamp()) for weeks in (0, 10))
    sent(client, influx, f'{head} value=1.5,mixed=1i,whole=7u,flag=true,"null"="null" {first}\n{head} value=2 {second}')
    sent(client, influx, f'{head} mixed="a],[1" {second}')
    with open_timeseries(influx) as store:
        found = read(store, measurement, "t")
        assert found.get_column("value").to_list() == [1.5, 2.0]
        assert found.get_column("whole").to_list() == [7.0, None]
        assert found.get_column("flag").to_list() == [True, None]
        assert found.get_column('"null"').to_list() == ["null", None]
        assert found.schema["mixed"] == pl.String()
        assert found.item(0, "mixed") == "1"
        # a number where the measurement has texts is no text
        sent(client, influx, f"{head} state=1 {first}")
        with pytest.raises(FieldTypeConflictError, match="state"):
            read(store, measurement, "t")


bracketed = st.text(st.sampled_from('],["\\n\n\r0,1\tu<&\u2028é'), max_size=10)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.none() | bracketed, bracketed), min_size=1, max_size=20))
def test_texts_that_look_like_the_answers_own_signs(influx: Settings, drawn: list[tuple[str | None, str]]) -> None:
    tenant = new_tenant()
    rows = []
    for index, (status, state) in enumerate(drawn):
        sensor = "S " + state.replace("\n", "").replace("\r", "").rstrip("\\")
        rows.append(
            reading(tenant, NOON + timedelta(seconds=index), sensor_id=sensor, status=status, state=f"{state}],[1,")
        )
    written = points(SENSOR_DATA, rows)
    with open_timeseries(influx) as store:
        store.write(SENSOR_DATA, written)
        assert_holds(store, SENSOR_DATA, written, tenant)
