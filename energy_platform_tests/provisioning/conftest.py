"""A PostgreSQL server that nobody has prepared: each of this machine's in turn, empty before every test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from energy_platform.local.credentials import ensure_credentials
from energy_platform.local.home import Home
from energy_platform.local.postgres import SUPERUSER, PostgresServer
from energy_platform.local.stores import remove_stores
from energy_platform.settings import Settings
from energy_platform_tests.conftest import DEBIAN_POSTGRES, SAMPLE_ESTATE, skip_without


@dataclass(frozen=True)
class BareServer:
    """A server with nothing but its superuser."""

    server: PostgresServer

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def superuser_url(self) -> str:
        return self.server.url(SUPERUSER, "postgres")

    @property
    def data_folder(self) -> Path:
        return self.server.folder

    @property
    def major(self) -> int:
        return int(self.server.version.partition(".")[0])

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        with psycopg.connect(self.server.url(SUPERUSER, database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)  # type: ignore[arg-type]
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def empty(self) -> None:
        """Drop all databases and roles that are not the server's own."""
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            for (name,) in connection.execute("SELECT datname FROM pg_database WHERE oid >= 16384").fetchall():
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE oid >= 16384").fetchall():
                # its rights to parameters first, which are in no database
                connection.execute(sql.SQL("DROP OWNED BY {role}; DROP ROLE {role}").format(role=sql.Identifier(name)))

    def everything(self) -> list[str]:
        """All that the server holds, as pg_dumpall writes it: passwords, memberships, rights, schemas and rows."""
        dumped = subprocess.run(
            [self.server._programs() / "pg_dumpall", "--dbname", self.superuser_url],
            env={**os.environ, "PGPASSWORD": self.server.credentials[SUPERUSER]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [line for line in dumped.splitlines() if not line.startswith(("\\restrict", "\\unrestrict", "--"))]

    def settings(self, *, administrator: str = "", **values: object) -> Settings:
        """Settings that name our roles on this server; `administrator` is a role and its password."""

        def url(identity: str, database: str) -> SecretStr:
            return SecretStr(f"postgresql://{identity}@{self.address}/{database}")

        return Settings.model_validate(
            {
                "home": self.server.home.root / "nothing",
                "estate": SAMPLE_ESTATE,
                "timeseries": "postgres",
                "postgres_url": url("energy_loader:loader-3f8a1c", "energy"),
                "postgres_admin_url": url("energy_owner:owner-%2F9b%3A2d7e", "energy"),
                "postgres_app_url": url("energy_app:app-51cc0e7744", "energy"),
                "postgres_backup_url": url("energy_backup:backup-e0d1f2", "energy"),
                "dagster_postgres_url": url("energy_dagster:dagster-77a9b0", "dagster_sample"),
                "provision_postgres_url": url(administrator, "postgres") if administrator else "",
                "redis_url": "redis://:redis-9d8c7b6a@127.0.0.1:1/0",
                **values,
            }
        )

    def superusers_settings(self, **values: object) -> Settings:
        return self.settings(administrator=f"{SUPERUSER}:{self.server.credentials[SUPERUSER]}", **values)


@pytest.fixture(scope="session")
def bare_servers(run_folder: Path) -> Iterator[Callable[[str], BareServer]]:
    started: dict[str, BareServer] = {}

    def start(flavour: str) -> BareServer:
        if flavour not in started:
            settings = Settings(
                home=run_folder / f"bare_{flavour}", postgres_bin=DEBIAN_POSTGRES if flavour == "debian" else None
            )
            home = Home(settings.home)
            with home.lock():
                server = PostgresServer(home, settings, ensure_credentials(home.root))
                started[flavour] = BareServer(server)
                server.begin()
                server.finish()
        return started[flavour]

    yield start
    for bare in started.values():
        remove_stores(bare.server.settings)


def _bare(flavour: str, bare_servers: Callable[[str], BareServer]) -> BareServer:
    if flavour == "debian" and not (DEBIAN_POSTGRES / "postgres").exists():
        skip_without("Debian's PostgreSQL 15")
    bare = bare_servers(flavour)
    bare.empty()
    return bare


@pytest.fixture(params=["wheel", "debian"])
def bare(request: pytest.FixtureRequest, bare_servers: Callable[[str], BareServer]) -> BareServer:
    """An empty server of each kind in turn."""
    return _bare(request.param, bare_servers)


@pytest.fixture
def newer_bare(bare_servers: Callable[[str], BareServer]) -> BareServer:
    """An empty server of the wheel's version."""
    return _bare("wheel", bare_servers)


@pytest.fixture
def older_bare(bare_servers: Callable[[str], BareServer]) -> BareServer:
    """An empty server of PostgreSQL 15, which speaks TLS."""
    return _bare("debian", bare_servers)
