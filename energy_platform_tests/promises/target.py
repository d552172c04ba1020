"""What the stores hold, asked with drivers alone: no code of ours stands between a test and a store."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
from psycopg.rows import dict_row

from energy_platform.settings import Settings
from energy_platform_tests.oracle import FIELDS, TABLE_KEYS, TAGS, Point, Points, Row, microseconds

FLUX_FIELD_TYPES = {"double": float, "boolean": lambda text: text == "true", "string": str}
# what a run says of itself, and not of the data
OF_THE_RUN = {"run_id", "seconds", "recorded_at", "first_seen", "last_seen"}


def points_in(settings: Settings, tenant: str) -> dict[str, Points]:
    """All points of a tenant, by measurement, in whichever store the settings name."""
    return influx_points(settings, tenant) if settings.influx_url else postgres_points(settings, tenant)


def postgres_points(settings: Settings, tenant: str) -> dict[str, Points]:
    """All points of a tenant in PostgreSQL's tables, unknown columns included."""
    found: dict[str, Points] = {}
    with connect(settings) as connection:
        for name, tags in TAGS.items():
            found[name] = {}
            for row in connection.execute(f"SELECT * FROM timeseries.{name} WHERE tenant_id = %s", (tenant,)):
                point = (*(row.pop(tag) for tag in tags), microseconds(row.pop("time")))
                found[name][point] = {column: value for column, value in row.items() if value is not None}
    return found


def influx_points(settings: Settings, tenant: str) -> dict[str, Points]:
    """All points of a tenant in InfluxDB, unknown fields included."""
    found: dict[str, dict[Point, dict[str, Any]]] = {name: defaultdict(dict) for name in TAGS}
    script = (
        f'from(bucket: "{settings.influx_bucket}") |> range(start: 1900-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)'
        f' |> filter(fn: (r) => r.tenant_id == "{tenant}")'
    )
    for row in flux(settings, script):
        name = row["_measurement"]
        point = (*(row.get(tag, "") for tag in TAGS[name]), microseconds(datetime.fromisoformat(row["_time"])))
        found[name][point][row["_field"]] = row["_value"]
    return {name: dict(points) for name, points in found.items()}


def flux(settings: Settings, script: str) -> Iterable[dict[str, Any]]:
    """Rows of a Flux query; values in their types."""
    answer = httpx.post(
        f"{settings.influx_url}/api/v2/query",
        params={"org": settings.influx_org},
        headers={**_token(settings), "Accept": "application/csv"},
        json={"query": script, "type": "flux", "dialect": {"annotations": ["datatype"], "header": True}},
        timeout=120,
        trust_env=False,
    ).raise_for_status()
    types: list[str] = []
    header: list[str] = []
    for cells in csv.reader(answer.text.splitlines()):
        if not cells:
            continue
        if cells[0] == "#datatype":
            types, header = cells, []
        elif not header:
            header = cells
        else:
            row: dict[str, Any] = dict(zip(header, cells, strict=True))
            row["_value"] = FLUX_FIELD_TYPES[types[header.index("_value")]](row["_value"])
            yield row


def write_line(settings: Settings, line: str) -> None:
    """One line of InfluxDB's line protocol, times in microseconds."""
    httpx.post(
        f"{settings.influx_url}/api/v2/write",
        params={"org": settings.influx_org, "bucket": settings.influx_bucket, "precision": "us"},
        headers=_token(settings),
        content=line.encode(),
        timeout=60,
        trust_env=False,
    ).raise_for_status()


def delete_points(settings: Settings, start: str, stop: str, predicate: str) -> None:
    """Delete points of InfluxDB between two instants."""
    httpx.post(
        f"{settings.influx_url}/api/v2/delete",
        params={"org": settings.influx_org, "bucket": settings.influx_bucket},
        headers=_token(settings),
        json={"start": start, "stop": stop, "predicate": predicate},
        timeout=60,
        trust_env=False,
    ).raise_for_status()


def rows_in(settings: Settings, table: str, tenant: str) -> dict[Point, Row]:
    """All rows of a tenant in a table of PostgreSQL, by key."""
    with connect(settings) as connection:
        rows = connection.execute(f"SELECT * FROM energy.{table} WHERE tenant_id = %s", (tenant,)).fetchall()
    key = ("tenant_id", *TABLE_KEYS[table])
    return {tuple(row[column] for column in key): row for row in rows}


def ledger_of(settings: Settings, estate: str) -> dict[tuple[str, str], Row]:
    """The ledger of an estate by asset and partition, without what says when and by which run."""
    return {
        (row["asset"], row["partition"]): row
        for row in _records(settings, "SELECT * FROM energy.load_ledger WHERE estate = %s", estate)
    }


def quarantine_of(settings: Settings, estate: str) -> set[tuple[str, str, str]]:
    """Source, key and reason of all quarantined rows of an estate."""
    rows = _records(settings, "SELECT source, row_key, reason FROM energy.quarantine WHERE estate = %s", estate)
    return {(row["source"], row["row_key"], row["reason"]) for row in rows}


def keys_of(settings: Settings, tenant: str) -> dict[str, Any]:
    """Content of all keys of a tenant in Redis; each must have a time to live."""
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
        keys = sorted(client.scan_iter(match=f"*{{{tenant}:*}}", count=1000))
        for key in keys:
            assert client.ttl(key) > 0, key
        return {key.decode(): json.loads(client.get(key)) for key in keys}


def state_of(settings: Settings, estate: str, tenant: str) -> dict[str, Any]:
    """Everything that an estate with one tenant has left in the stores, without what says when."""
    tables = [*TABLE_KEYS, "models", "register_corrections"]
    state: dict[str, Any] = {"points": points_in(settings, tenant), "ledger": ledger_of(settings, estate)}
    for table in tables:
        rows = _records(settings, f"SELECT * FROM energy.{table} WHERE tenant_id = %s", tenant)
        state[table] = sorted(rows, key=repr)
    state["quarantine"] = quarantine_of(settings, estate)
    state["keys"] = keys_of(settings, tenant)
    return state


def objects_of(settings: Settings) -> dict[str, str]:
    """Hash of every file that the object store holds, by its name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(settings.home).rglob("sha256/*/*")
        if path.is_file()
    }


def execute(settings: Settings, statement: str, *values: Any) -> int:
    """Change something behind the platform's back, as the loader; gives the number of rows."""
    with connect(settings) as connection:
        return connection.execute(statement, values).rowcount


def connect(settings: Settings) -> psycopg.Connection[Row]:
    """A connection to PostgreSQL that gives dicts."""
    return psycopg.connect(settings.postgres_url.get_secret_value(), row_factory=dict_row)


def known_fields(name: str) -> tuple[str, ...]:
    """Names of a measurement's fields."""
    return tuple(FIELDS[name])


def _records(settings: Settings, statement: str, *values: Any) -> list[Row]:
    with connect(settings) as connection:
        rows = connection.execute(statement, values).fetchall()
    return [{name: value for name, value in row.items() if name not in OF_THE_RUN} for row in rows]


def _token(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Token {settings.influx_token.get_secret_value()}"}
