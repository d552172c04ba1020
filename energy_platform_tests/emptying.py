"""Empties stores between tests: rows, keys and points go, schemas and the bucket's name stay."""

from __future__ import annotations

import httpx
import psycopg
import redis

from energy_platform.settings import Settings


def empty_postgres(settings: Settings) -> None:
    """Remove all rows of our schemas."""
    with psycopg.connect(settings.postgres_admin_url.get_secret_value()) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('energy', 'timeseries') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND c.relname <> 'alembic_version'"
        ).fetchall()
        if tables:
            connection.execute(f"TRUNCATE {', '.join(name for (name,) in tables)} RESTART IDENTITY CASCADE")


def empty_redis(settings: Settings) -> None:
    """Remove all keys."""
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
        client.flushdb()


def empty_influx(settings: Settings) -> None:
    """Make the bucket anew."""
    headers = {"Authorization": f"Token {settings.influx_token.get_secret_value()}"}
    with httpx.Client(base_url=settings.influx_url, headers=headers, trust_env=False, timeout=60) as client:
        buckets = client.get("/api/v2/buckets", params={"name": settings.influx_bucket}).raise_for_status().json()
        for bucket in buckets["buckets"]:
            client.delete(f"/api/v2/buckets/{bucket['id']}").raise_for_status()
            made = {"orgID": bucket["orgID"], "name": bucket["name"], "retentionRules": []}
            client.post("/api/v2/buckets", json=made).raise_for_status()
