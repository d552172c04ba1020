"""What InfluxDB alone can do or refuse: retention, its own words, and what others have written there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import polars as pl
import pytest

from energy_platform.domain.errors import (
    FieldTypeConflictError,
    RetentionError,
    SettingError,
    StoreError,
)
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, SENSOR_DATA
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.influxdb import InfluxTimeSeries
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
