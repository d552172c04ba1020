"""`energy-platform provision`, as an installation starts it: from nothing to ready, and again."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from pydantic import SecretStr

from energy_platform.settings import Settings
from energy_platform_tests.provisioning.conftest import BareServer
from energy_platform_tests.provisioning.test_judging import COMPOSE
from energy_platform_tests.provisioning.test_postgres import MADE


def provision(values: dict[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {
        f"ENERGY_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }
    return subprocess.run(
        [Path(sys.executable).with_name("energy-platform"), "provision", *arguments],
        env={**os.environ, **variables},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_judges_and_asks_nobody() -> None:
    fit = provision(COMPOSE, "--check")
    assert (fit.returncode, fit.stderr) == (0, "")
    assert "No server was asked" in fit.stdout
    unfit = provision({**COMPOSE, "redis_url": "redis://:change-me-redis@redis:6379/0"}, "--check")
    assert unfit.returncode == 2
    assert unfit.stderr.startswith("ENERGY_REDIS_URL: The secret of the platform in Redis is an example's. ")
    assert "change-me" not in unfit.stderr


def test_servers_are_made_ready_by_two_at_once_and_later_nothing_changes(
    newer_bare: BareServer, stores: Settings, influx: Settings, tmp_path: Path
) -> None:
    settings = newer_bare.superusers_settings(
        home=tmp_path / "home",
        timeseries="influxdb",
        influx_url=influx.influx_url,
        influx_bucket="made_ready",
        provision_influx_token=influx.influx_token,
        secrets_dir=tmp_path / "secrets",
        redis_url=stores.redis_url,
    )
    values = {name: getattr(settings, name) for name in settings.model_fields_set}

    with ThreadPoolExecutor(2) as pool:
        both = [done.result() for done in [pool.submit(provision, values) for _ in range(2)]]
    assert [(done.returncode, done.stderr) for done in both] == [(0, "")] * 2
    made = [line.partition(": ")[2] for done in both for line in done.stdout.splitlines() if ": made " in line]
    assert sorted(made) == [
        f"made bucket made_ready, a token for the bucket alone (in {tmp_path}/secrets/energy_influx_token).",
        f"made {', '.join(f'role {role}' for role in MADE)}, database energy, database dagster_sample, rights.",
    ]
    assert all("Dagster's tables are up to date." in done.stdout for done in both)
    assert all(done.stdout.endswith("the user writes, reads and removes keys.\nAll is ready.\n") for done in both)
    with psycopg.connect(settings.dagster_postgres_url.get_secret_value()) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    assert not any(
        secret in both[0].stdout + both[1].stdout
        for name, value in values.items()
        if isinstance(value, SecretStr) and (secret := value.get_secret_value().partition("@")[0].rpartition(":")[2])
    ), "no secret is shown"

    before, token = newer_bare.everything(), (tmp_path / "secrets" / "energy_influx_token").read_text()
    second = provision(values)
    assert (second.returncode, second.stderr) == (0, "")
    assert newer_bare.everything() == before
    assert (tmp_path / "secrets" / "energy_influx_token").read_text() == token


def test_a_server_that_is_not_there_ends_it_with_one_message() -> None:
    done = provision({name: value.replace("@postgres:5432", "@127.0.0.1:1") for name, value in COMPOSE.items()})
    assert done.returncode == 1
    assert done.stderr.startswith("PostgreSQL postgres@127.0.0.1:1/postgres: PostgreSQL does not answer.")
    assert "Traceback" not in done.stderr
