"""The stores that conftest.py gives to all tests are what they are called."""

import os
import subprocess
import sys

import httpx
import psycopg
import pytest
import redis

from energy_platform.local.stores import resolve_settings, store_status
from energy_platform.settings import Settings, get_settings
from energy_platform_tests.conftest import DEBIAN_REDIS


def test_each_kind_of_time_series_store_is_real(timeseries_settings: Settings):
    status = {store.name: store for store in store_status(timeseries_settings)}["timeseries"]
    expected = "InfluxDB 2" if timeseries_settings.influx_url else "PostgreSQL"
    assert status.implementation.startswith(expected)
    assert status.state in ("running", "remote")


def test_influxdb_shares_the_other_stores(stores: Settings, influx: Settings):
    assert influx.postgres_url == stores.postgres_url
    assert influx.redis_url == stores.redis_url
    assert influx.dagster_postgres_url == stores.dagster_postgres_url


def test_each_postgres_answers_as_all_roles(postgres_flavour: Settings, request: pytest.FixtureRequest):
    debian = request.node.callspec.params["postgres_flavour"] == "debian"
    for url in (postgres_flavour.postgres_url, postgres_flavour.postgres_admin_url, postgres_flavour.postgres_app_url):
        with psycopg.connect(url.get_secret_value()) as connection:
            assert connection.info.server_version // 10_000 == (15 if debian else 18)


def test_each_redis_speaks_version_7(redis_flavour: Settings, request: pytest.FixtureRequest):
    debian = request.node.callspec.params["redis_flavour"] == "debian"
    status = {store.name: store for store in store_status(redis_flavour)}["redis"]
    assert status.implementation.startswith("Redis" if debian else "Valkey")
    with redis.Redis.from_url(redis_flavour.redis_url.get_secret_value()) as client:
        assert client.info("server")["redis_version"].startswith("7.")  # type: ignore[index]


def test_clean_stores_are_empty(clean_stores: Settings, influx: Settings):
    with redis.Redis.from_url(clean_stores.redis_url.get_secret_value()) as client:
        assert client.dbsize() == 0
        client.set("left", "over", ex=60)
    headers = {"Authorization": f"Token {influx.influx_token.get_secret_value()}"}
    with httpx.Client(base_url=influx.influx_url, headers=headers, trust_env=False) as client:
        where = {"org": influx.influx_org, "bucket": influx.influx_bucket}
        answer = client.post(
            "/api/v2/query",
            params={"org": influx.influx_org},
            headers={"Content-Type": "application/vnd.flux"},
            content=f'from(bucket: "{influx.influx_bucket}") |> range(start: 0)',
        )
        assert (answer.status_code, answer.text.strip()) == (200, "")
        assert client.post("/api/v2/write", params=where, content="left over=1 1700000000000000000").status_code == 204


# a second time, since the first has left something
test_clean_stores_are_empty_again = test_clean_stores_are_empty


def test_the_environment_leads_this_process_and_others_to_the_stores(store_environment: Settings):
    assert resolve_settings(get_settings()).postgres_url == store_environment.postgres_url
    script = (
        "from energy_platform.local.stores import resolve_settings; from energy_platform.settings import get_settings;"
        "print(resolve_settings(get_settings()).postgres_url.get_secret_value())"
    )
    shown = subprocess.check_output([sys.executable, "-c", script], cwd="/", env=dict(os.environ), text=True)
    assert shown.strip() == store_environment.postgres_url.get_secret_value()


def test_the_developers_own_settings_are_shut_out():
    assert Settings.model_config.get("env_file") is None
    assert Settings().postgres_url.get_secret_value() == ""


def test_a_redis_of_the_machine_is_taken_before_the_wheels(stores: Settings):
    status = {store.name: store for store in store_status(stores)}["redis"]
    assert status.implementation.startswith("Redis 7" if DEBIAN_REDIS.exists() else "Valkey")
