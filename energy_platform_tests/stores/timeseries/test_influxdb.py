"""What InfluxDB alone can do or refuse: retention, its own words, and a server that is busy or breaks connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import polars as pl
import pytest

from energy_platform.domain.errors import (
    FieldTypeConflictError,
    RetentionError,
    SettingError,
    StoreError,
    StoreUnavailableError,
)
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, SENSOR_DATA
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.influxdb import BODY_LINES, InfluxTimeSeries
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


class Trouble(ThreadingHTTPServer):
    """Stands before the real server: gives the answers in `answers` first, and passes on whatever comes after."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.target = target
        self.answers: list[int] = []
        self.asked = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Trouble

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked += 1
            answer = self.server.answers.pop(0) if self.server.answers else None
        if answer == 0:
            # the server has taken the points, and nobody hears of it
            self._pass(content)
            self.close_connection = True
        elif answer:
            self.send_response(answer)
            self.send_header("Retry-After", "0.01")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            passed = self._pass(content)
            self.send_response(passed.status_code)
            self.send_header("Content-Length", str(len(passed.content)))
            self.end_headers()
            self.wfile.write(passed.content)

    def _pass(self, content: bytes) -> httpx.Response:
        kept = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        return httpx.post(self.server.target + self.path, content=content, headers=kept, trust_env=False, timeout=60)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def trouble(influx: Settings) -> Iterator[Trouble]:
    with Trouble(influx.influx_url) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_busy_server_and_broken_connections_are_tried_again(influx: Settings, trouble: Trouble) -> None:
    tenant = new_tenant()
    index = pl.int_range(3 * BODY_LINES, eager=True)
    written = (
        points(SENSOR_DATA, [reading(tenant)])
        .select(pl.all().repeat_by(index.len()).explode())
        .with_columns(time=pl.lit(NOON) + pl.duration(microseconds=index))
    )
    trouble.answers = [503, 0, 429]
    with open_timeseries(influx.model_copy(update={"influx_url": trouble.url})) as store:
        store.write(SENSOR_DATA, written)
        assert trouble.asked == 6
        assert_holds(store, SENSOR_DATA, written, tenant)


def test_trying_again_has_an_end(influx: Settings, trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energy_platform.stores.timeseries.influxdb._FIRST_PAUSE_SECONDS", 0.001)
    tenant = new_tenant()
    one = points(SENSOR_DATA, [reading(tenant)])
    with open_timeseries(influx.model_copy(update={"influx_url": trouble.url})) as store:
        trouble.answers = [503] * 6
        with pytest.raises(StoreUnavailableError, match="503"):
            store.write(SENSOR_DATA, one)
        assert trouble.asked == 6
        trouble.answers = [500]
        with pytest.raises(StoreError, match="500"):
            store.write(SENSOR_DATA, one)
        assert read(store, SENSOR_DATA, tenant).height == 0
        # an answer that says "taken" and is not 204 is none of InfluxDB's
        trouble.answers = [200, 200]
        with pytest.raises(StoreError, match="only 204"):
            store.write(SENSOR_DATA, one)
        with pytest.raises(StoreError, match=r"none of InfluxDB's"):
            read(store, SENSOR_DATA, tenant)
