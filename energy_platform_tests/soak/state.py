"""All that a load leaves in the stores, asked with drivers alone, and what differs between two such states."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Final

import psycopg
import redis

from energy_platform.settings import Settings
from energy_platform_tests.promises.target import flux, objects_of

#: What says when and by which run something was written; all other columns are compared.
OF_THE_RUN: Final = ["run_id", "seconds", "recorded_at", "first_seen", "last_seen"]
_OF_THE_QUERY: Final = {"", "result", "table", "_start", "_stop"}

#: Every row, point, key and object as text, by where it stands.
State = dict[str, Counter[str]]


def state_of(settings: Settings) -> State:
    """Everything in stores that serve this estate alone."""
    state = _tables(settings)
    if settings.influx_url:
        everything = "range(start: 1900-01-01T00:00:00Z, stop: 2200-01-01T00:00:00Z)"
        script = f'from(bucket: "{settings.influx_bucket}") |> {everything}'
        state["influxdb"] = Counter(
            _text({name: value for name, value in row.items() if name not in _OF_THE_QUERY})
            for row in flux(settings, script)
        )
    state["redis"] = _keys(settings)
    state["objects"] = Counter(f"{name} {digest}" for name, digest in objects_of(settings).items())
    return state


def differences(expected: State, found: State) -> list[str]:
    """What is missing and what is too much, with the place before it; empty where both are the same, bit by bit."""
    said: list[str] = []
    for place in sorted(expected.keys() | found.keys()):
        wanted, there = expected.get(place, Counter[str]()), found.get(place, Counter[str]())
        said += [f"{place}: missing {text}" for text in (wanted - there).elements()]
        said += [f"{place}: too much {text}" for text in (there - wanted).elements()]
    return said


def size_of(state: State) -> int:
    """How many rows, points' fields, keys and objects it holds."""
    return sum(content.total() for content in state.values())


def _tables(settings: Settings) -> State:
    state: State = {}
    with psycopg.connect(settings.postgres_url.get_secret_value(), options="-c TimeZone=UTC") as connection:
        tables = connection.execute(
            "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('energy', 'timeseries') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND c.relname <> 'alembic_version'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT (to_jsonb(t) - %s::text[])::text FROM {table} AS t", [OF_THE_RUN])
            state[table] = Counter(text for (text,) in rows)
    return state


def _keys(settings: Settings) -> Counter[str]:
    with redis.Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True) as client:
        keys = sorted(client.scan_iter(count=1000))
        return Counter(f"{key} {'expires' if client.ttl(key) > 0 else 'stays'} {client.get(key)}" for key in keys)


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
