"""A slow, silent, busy or breaking InfluxDB: it slows the stream down, and no point is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import StoreError, StoreUnavailableError
from energy_platform.domain.measurements import SENSOR_DATA
from energy_platform.domain.points import SeriesPoints
from energy_platform.settings import Settings
from energy_platform.stores.timeseries.interface import TimeSeries
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform_tests.stores.timeseries.proxy import (
    Answer,
    CutAnswer,
    Fault,
    Proxy,
    ResetBehind,
    ResetWithin,
    Slow,
    Stall,
    proxy,
)
from energy_platform_tests.stores.timeseries.samples import NOON, assert_holds, new_tenant, points, read, reading

LINES = 100


@pytest.fixture
def writes(influx: Settings) -> Iterator[Proxy]:
    with proxy(influx.influx_url, "/api/v2/write") as server:
        yield server


@pytest.fixture
def queries(influx: Settings) -> Iterator[Proxy]:
    with proxy(influx.influx_url, "/query") as server:
        yield server


def behind(server: Proxy, influx: Settings, **values: float) -> TimeSeries:
    """The store behind the proxy, with little patience."""
    small = {
        "influx_timeout_seconds": 0.5,
        "influx_patience_seconds": 10.0,
        "influx_first_pause_seconds": 0.01,
        "influx_longest_pause_seconds": 0.1,
        "influx_connections": 3,
        "influx_body_lines": LINES,
    }
    return open_timeseries(influx.model_copy(update={"influx_url": server.url, **small, **values}))


def many(tenant: str, count: int, apart: timedelta = timedelta(minutes=1)) -> pl.DataFrame:
    rows = [
        reading(tenant, NOON + index // 3 * apart, sensor_id=f"S{index % 3}", value=float(index), status="normal")
        for index in range(count)
    ]
    return points(SENSOR_DATA, rows)


def test_a_slow_server_slows_the_writer_down_and_little_is_under_way(influx: Settings, writes: Proxy) -> None:
    written = many(tenant := new_tenant(), 1_200)
    writes.always = Slow(40_000)
    with behind(writes, influx, influx_timeout_seconds=5.0) as store:
        start = time.monotonic()
        store.write(SENSOR_DATA, written)
        elapsed = time.monotonic() - start
        assert_holds(store, SENSOR_DATA, written, tenant)
    assert writes.asked == writes.taken == 12
    assert writes.most_at_once <= 3
    # four bodies after each other on each connection, each of them a hundred lines
    assert elapsed > 4 * LINES * 80 / 40_000
    assert writes.most_bytes < 3 * LINES * 200


def test_a_silent_server_is_left_once_patience_ends(influx: Settings, writes: Proxy) -> None:
    writes.always = Stall()
    written = many(new_tenant(), 1_000)
    with behind(writes, influx, influx_timeout_seconds=0.2, influx_patience_seconds=0.7) as store:
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"does not answer \(ReadTimeout\), \d times in .*PATIENCE"):
            store.write(SENSOR_DATA, written)
        assert 0.5 < time.monotonic() - start < 2.5


def test_a_server_that_is_silent_from_the_start_is_said_to_be(influx: Settings) -> None:
    with proxy(influx.influx_url, "/") as server:
        server.always = Stall()
        with (
            behind(server, influx, influx_timeout_seconds=0.1, influx_patience_seconds=0.3) as store,
            pytest.raises(StoreUnavailableError, match=server.url),
        ):
            store.ping()


FAULTS: list[Fault] = [
    Answer(429, {"Retry-After": "0.02"}),
    Answer(503),
    Answer(502),
    Answer(504),
    ResetWithin(0),
    ResetWithin(3_000),
    ResetBehind(),
    Slow(200_000),
]


@pytest.mark.parametrize("fault", [*FAULTS, Stall()], ids=str)
def test_each_fault_alone(influx: Settings, writes: Proxy, fault: Fault) -> None:
    written = many(tenant := new_tenant(), 450)
    writes.faults = [fault, fault]
    with behind(writes, influx) as store:
        assert store.write_points(SENSOR_DATA, SeriesPoints.of(written, SENSOR_DATA)).height == 0
        assert_holds(store, SENSOR_DATA, written, tenant)
    lost = isinstance(fault, Slow)
    assert writes.asked == (5 if lost else 7)
    assert writes.taken == (7 if isinstance(fault, ResetBehind) else 5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FAULTS), max_size=12), st.integers(1, 4))
def test_faults_in_any_order(influx: Settings, writes: Proxy, faults: list[Fault], connections: int) -> None:
    written = many(tenant := new_tenant(), 650)
    writes.faults = list(faults)
    with behind(writes, influx, influx_connections=connections) as store:
        store.write(SENSOR_DATA, written)
        assert_holds(store, SENSOR_DATA, written, tenant)


def test_a_server_says_how_long_to_wait(influx: Settings, writes: Proxy) -> None:
    written = many(tenant := new_tenant(), 10)
    writes.faults = [Answer(429, {"Retry-After": "0.6"})]
    with behind(writes, influx) as store:
        start = time.monotonic()
        store.write(SENSOR_DATA, written)
        assert time.monotonic() - start > 0.6
        assert_holds(store, SENSOR_DATA, written, tenant)
        # longer than there is patience: no use in waiting
        writes.faults = [Answer(503, {"Retry-After": "Fri, 31 Dec 2200 23:59:59 GMT"})]
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="503"):
            store.write(SENSOR_DATA, written)
        assert time.monotonic() - start < 1


def test_a_busy_server_is_left_once_patience_ends(influx: Settings, writes: Proxy) -> None:
    writes.always = Answer(503, content=b'{"message": "cache is full"}')
    written = many(tenant := new_tenant(), 1_000)
    with behind(writes, influx, influx_patience_seconds=0.5) as store:
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"too busy \(503: cache is full\)"):
            store.write(SENSOR_DATA, written)
        assert time.monotonic() - start < 2
        assert read(store, SENSOR_DATA, tenant).height == 0
    # pauses grow: not many requests fit into half a second
    assert writes.asked < 3 * 20


def test_what_is_no_trouble_of_the_moment_is_not_asked_again(influx: Settings, writes: Proxy) -> None:
    one = many(new_tenant(), 1)
    with behind(writes, influx) as store:
        for status, said in ((500, "500"), (200, "only 204")):
            writes.faults = [Answer(status)]
            before = writes.asked
            with pytest.raises(StoreError, match=said):
                store.write(SENSOR_DATA, one)
            assert writes.asked == before + 1


def test_a_body_that_is_too_large_is_split(influx: Settings, writes: Proxy) -> None:
    written = many(tenant := new_tenant(), 300)
    writes.largest_body = 3_000
    with behind(writes, influx) as store:
        store.write(SENSOR_DATA, written)
        assert_holds(store, SENSOR_DATA, written, tenant)
        # and where not even one point can be sent, it says so of that point alone
        long = points(SENSOR_DATA, [reading(tenant, status="x" * 4_000), reading(tenant, sensor_id="other")])
        refused = store.write_points(SENSOR_DATA, SeriesPoints.of(long, SENSOR_DATA))
        assert refused.rows() == [(0, "Request Entity Too Large")]


@pytest.mark.parametrize("status", [429, 503])
def test_queries_are_asked_again(influx: Settings, queries: Proxy, status: int) -> None:
    written = many(tenant := new_tenant(), 50)
    with behind(queries, influx) as store:
        store.write(SENSOR_DATA, written)
        queries.faults = [Answer(status), ResetWithin(0), ResetBehind(), Answer(status), Stall()]
        assert_holds(store, SENSOR_DATA, written, tenant)
        queries.always = Stall()
        with behind(queries, influx, influx_timeout_seconds=0.1, influx_patience_seconds=0.3) as hasty:
            start = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="does not answer"):
                list(hasty.read(SENSOR_DATA, [tenant]))
            assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (CutAnswer(0.5), "broke off"),
        (CutAnswer(0.0), "broke off"),
        (CutAnswer(0.99), "broke off"),
        (CutAnswer(0.5, whole_lines=True), "ended before its end"),
        (CutAnswer(0.99, whole_lines=True), "ended before its end"),
        (CutAnswer(0.0, whole_lines=True), "ended before its end"),
        (CutAnswer(0.5, whole_lines=True, instead=b'{"results":[{"error":"engine is closed"}]}\n'), "engine is closed"),
        (CutAnswer(0.5, whole_lines=True, instead=b'{"error":"timeout"}\n'), "timeout"),
        (CutAnswer(0.5, whole_lines=True, instead=b'{"results":[{"statement_id":0,"ser'), "none of InfluxDB's"),
        (Answer(200, content=b"<html>"), "none of InfluxDB's"),
    ],
    ids=str,
)
@pytest.mark.parametrize("span", [timedelta(minutes=1), timedelta(hours=2)], ids=["one stream", "two streams"])
def test_an_answer_that_is_not_whole_is_never_taken_for_one(
    influx: Settings, queries: Proxy, fault: Fault, said: str, span: timedelta
) -> None:
    written = many(tenant := new_tenant(), 60, span)
    with behind(queries, influx) as store:
        store.write(SENSOR_DATA, written)
        # the fields' types are asked for before
        found = store.read(SENSOR_DATA, [tenant], NOON, NOON + 20 * span)
        queries.faults = [CutAnswer(1.0), fault]
        with pytest.raises(StoreError, match=said):
            list(found)
        assert_holds(store, SENSOR_DATA, written, tenant)


def test_reading_may_stop_midway(influx: Settings) -> None:
    written = many(tenant := new_tenant(), 120_000)
    with open_timeseries(influx) as store:
        store.write(SENSOR_DATA, written)
        pieces = store.read_points(SENSOR_DATA, [tenant], NOON, NOON + timedelta(days=30))
        assert next(pieces).height > 0
        pieces.close()  # type: ignore[attr-defined]
        for thread in threading.enumerate():
            if thread.name == "influxdb-read":
                thread.join(timeout=10)
                assert not thread.is_alive()
        assert_holds(store, SENSOR_DATA, written, tenant)
