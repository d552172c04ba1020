"""What `provision --check` refuses. No server is asked: the hosts do not exist."""

from __future__ import annotations

from typing import Any

import pytest

from energy_platform.domain.errors import SettingError
from energy_platform.provisioning.judging import address_of, check, judge
from energy_platform.settings import Settings

COMPOSE: dict[str, Any] = {
    "environment": "production",
    "postgres_url": "postgresql://energy_loader:1f0a93c5b7d2@postgres:5432/energy",
    "postgres_admin_url": "postgresql://energy_owner:2e1b84d6c8f3@postgres:5432/energy",
    "postgres_app_url": "postgresql://energy_app:3d2c75e7f9a4@postgres:5432/energy",
    "postgres_backup_url": "postgresql://energy_backup:4c3d66f8a0b5@postgres:5432/energy",
    "dagster_postgres_url": "postgresql://energy_dagster:5b4e57a9b1c6@postgres:5432/dagster_sample",
    "provision_postgres_url": "postgresql://postgres:6a5f48b0c2d7@postgres:5432/postgres",
    "influx_url": "http://influxdb:8086",
    "provision_influx_token": "7f6e39c1d3e8-operator",
    "provision_influx_password": "8e7d20d2e4f9-admin",
    "redis_url": "redis://:9d8c11e3f5a0@redis:6379/0",
}
CLOUD = "host-1.cloud.test"


def judged(**changes: str) -> list[tuple[str, str]]:
    return [
        (fault.setting.removeprefix("ENERGY_").lower(), fault.what)
        for fault in judge(Settings.model_validate({**COMPOSE, **changes}))
    ]


def test_names_of_the_own_network_and_secrets_of_their_own_are_fit() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        ("", "The secret of energy_app in PostgreSQL is empty."),
        ("change-me-please-1", "The secret of energy_app in PostgreSQL is an example's."),
        ("%3Csecret%20of%20app%3E", "The secret of energy_app in PostgreSQL is an example's."),
        ("MyPassword1234", "The secret of energy_app in PostgreSQL is an example's."),
        ("aB3-", "easily guessed"),
        ("121212121212121212", "easily guessed"),
        ("1f0a93c5b7d2", "is that of energy_loader in PostgreSQL too (ENERGY_POSTGRES_URL)"),
        ("9d8c11e3f5a0", "is that of energy_app in PostgreSQL too"),
    ],
)
def test_secrets_that_are_none_are_refused(secret: str, what: str) -> None:
    faults = judged(postgres_app_url=f"postgresql://energy_app:{secret}@postgres:5432/energy")
    assert len(faults) == 1
    assert what in faults[0][1]


def test_one_secret_of_one_role_may_stand_in_two_settings() -> None:
    assert judged(dagster_postgres_url="postgresql://energy_owner:2e1b84d6c8f3@postgres:5432/dagster_sample") == []


def test_the_administrators_token_is_not_the_platforms() -> None:
    (fault,) = judged(influx_token="7f6e39c1d3e8-operator")
    assert fault[0] == "influx_token"
    assert judged(provision_influx_token="") == [("influx_token", "The secret of the platform in InfluxDB is empty.")]
    assert judged(provision_influx_password="") == []
    assert judged(provision_influx_password="password1234")[0][0] == "provision_influx_password"


@pytest.mark.parametrize(
    "setting",
    ["postgres_url", "postgres_admin_url", "postgres_app_url", "dagster_postgres_url", "influx_url", "redis_url"],
)
def test_every_store_is_named(setting: str) -> None:
    assert (setting, "It names no server.") in judged(**{setting: ""})


def test_what_may_be_left_out() -> None:
    assert judged(postgres_backup_url="", provision_postgres_url="") == []
    assert judged(influx_url="", timeseries="postgres") == []


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("postgres_url", "postgresql://energy_loader:1f0a/93c5b7d2@postgres:5432/energy"),
        ("postgres_url", "postgresql://energy_loader:1f0a@93c5b7d2@postgres:5432/energy"),
        ("postgres_url", "postgresql://energy_loader:1f0a#93c5b7d2@postgres:5432/energy"),
        ("postgres_url", "mysql://energy_loader:1f0a93c5b7d2@postgres:5432/energy"),
        ("postgres_url", "postgresql://energy_loader:1f0a93c5b7d2@postgres:5432"),
        ("redis_url", "http://redis:6379"),
        ("redis_url", "redis://:9d8c/11e3f5a0@redis:6379/0"),
        ("influx_url", "influxdb:8086"),
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(setting: str, url: str) -> None:
    faults = judged(**{setting: url})
    assert faults[0][0] == setting
    assert faults[0][1].startswith("This is no URL of ")


def test_roles_and_databases_are_the_platforms() -> None:
    assert judged(postgres_app_url="postgresql://api:3d2c75e7f9a4@postgres/energy") == [
        ("postgres_app_url", "It names the role api, and not energy_app.")
    ]
    assert judged(postgres_app_url="postgresql://energy_app:3d2c75e7f9a4@postgres/other") == [
        ("postgres_app_url", "It names another database: energy, other.")
    ]
    for role in ("energy_app:3d2c75e7f9a4", "postgres:6a5f48b0c2d7"):
        ((setting, what),) = judged(dagster_postgres_url=f"postgresql://{role}@postgres/dagster_sample")
        assert setting == "dagster_postgres_url"
        assert "must not own Dagster's database" in what


@pytest.mark.parametrize(
    ("setting", "url", "what"),
    [
        ("postgres_url", f"postgresql://energy_loader:1f0a93c5b7d2@{CLOUD}/energy", "sslmode is prefer"),
        ("postgres_url", "postgresql://energy_loader:1f0a93c5b7d2@10.0.0.4/energy?sslmode=require", "is require"),
        ("postgres_url", f"postgresql://energy_loader:1f0a93c5b7d2@{CLOUD}/energy?sslmode=verify-full", ""),
        ("postgres_url", "postgresql://energy_loader:1f0a93c5b7d2@127.0.0.1:5433/energy", ""),
        ("postgres_url", "postgresql://energy_loader:1f0a93c5b7d2@[::1]:5433/energy", ""),
        ("postgres_url", f"postgresql://energy_loader:1f0a93c5b7d2@near,{CLOUD}:5433/energy", "sslmode is prefer"),
        ("influx_url", f"http://{CLOUD}:8086", "readable"),
        ("influx_url", f"https://{CLOUD}", ""),
        ("redis_url", f"redis://:9d8c11e3f5a0@{CLOUD}:6379/0", "readable"),
        ("redis_url", f"rediss://:9d8c11e3f5a0@{CLOUD}:6379/0", ""),
        ("redis_url", f"rediss+cluster://:9d8c11e3f5a0@{CLOUD}:6379", ""),
        ("redis_url", f"rediss://:9d8c11e3f5a0@{CLOUD}:6379/0?ssl_cert_reqs=none", "anybody"),
        ("redis_url", f"rediss://:9d8c11e3f5a0@{CLOUD}:6379/0?ssl_check_hostname=false", "anybody"),
    ],
)
def test_in_production_what_leaves_the_own_network_is_encrypted_and_proven(setting: str, url: str, what: str) -> None:
    faults = judged(**{setting: url})
    assert [name for name, _ in faults] == [setting] * bool(what)
    assert all(what in said for _, said in faults)
    assert judged(**{setting: url, "environment": "staging"}) == []


def test_the_message_names_each_variable_and_no_secret() -> None:
    wrong = {"postgres_url": "postgresql://energy_loader:geheim12@postgres/energy", "redis_url": "geheim12"}
    with pytest.raises(SettingError) as caught:
        check(Settings.model_validate({**COMPOSE, **wrong}))
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == ["ENERGY_REDIS_URL", "ENERGY_POSTGRES_URL"]
    assert lines[-1].startswith("No server was asked")
    assert "geheim12" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_addresses_are_read_as_they_are_written() -> None:
    address = address_of("postgresql+psycopg2://r%40le:p%3Aw%2F@[2001:db8::1]:5433/da%20ta?sslmode=verify-full")
    assert address is not None
    assert (address.user, address.password, address.hosts, address.port, address.path) == (
        "r@le",
        "p:w/",
        ("2001:db8::1",),
        "5433",
        "da ta",
    )
    assert not address.is_near
    assert address_of("postgresql://a:b@[::1/x") is None
