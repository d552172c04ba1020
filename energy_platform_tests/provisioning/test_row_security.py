"""A server that lets nobody bypass row-level security: everything works there too, and nobody sees more."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from energy_platform.provisioning.postgres import provision_postgres
from energy_platform.settings import Settings
from energy_platform_tests.promises.pipeline import load, small_estate, verify
from energy_platform_tests.provisioning.conftest import BareServer


@pytest.fixture
def guarded(older_bare: BareServer, stores: Settings, tmp_path: Path) -> Settings:
    older_bare.run("CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'master-0a1b2c'")
    settings = older_bare.settings(
        administrator="master:master-0a1b2c",
        home=tmp_path / "home",
        redis_url=stores.redis_url.get_secret_value(),
    )
    provision_postgres(settings, lambda _: None)
    assert older_bare.run("SELECT rolname FROM pg_roles WHERE rolbypassrls AND NOT rolsuper") == []
    return settings


def test_an_estate_is_loaded_proved_and_loaded_again(guarded: Settings, tmp_path: Path) -> None:
    folder = small_estate(tmp_path, "guarded")
    first = load(guarded, folder)
    assert all(report.proved for report in first.values())
    assert first["timeseries/sensor_data"].rows_written > 0
    assert verify(guarded, folder).findings == []
    again = load(guarded, folder, force=True)
    assert all(report.proved for report in again.values())
    assert {name: report.accounts for name, report in again.items()} == {
        name: report.accounts for name, report in first.items()
    }

    with psycopg.connect(guarded.postgres_app_url.get_secret_value()) as connection:
        assert connection.execute("SELECT count(*) FROM energy.buildings").fetchone() == (0,)
        connection.execute("SELECT set_config('app.tenant_id', 'guarded', false)")
        assert connection.execute("SELECT count(*) FROM energy.buildings").fetchone() == (2,)

    dumped = subprocess.run(
        [
            "pg_dump",
            "--enable-row-security",
            "-Fp",
            "-t",
            "energy.buildings",
            guarded.postgres_backup_url.get_secret_value(),
        ],
        env={**os.environ, "PATH": f"/usr/lib/postgresql/15/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert dumped.returncode == 0, dumped.stderr
    assert dumped.stdout.count("\nguarded\t") == 2
