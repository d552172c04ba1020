"""The ledger: the verdict on every partition of every asset. Its row comes last, with or after the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

_COLUMNS = (
    'estate, asset, "partition", proven, "open", reason, "rows", fingerprint, facts, run_id, seconds, recorded_at'
)

_RECORD = f"""
INSERT INTO energy.load_ledger ({_COLUMNS})
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, COALESCE(%s, now()))
ON CONFLICT (estate, asset, "partition") DO UPDATE SET
    proven = excluded.proven, "open" = excluded."open", reason = excluded.reason, "rows" = excluded."rows",
    fingerprint = excluded.fingerprint, facts = excluded.facts, run_id = excluded.run_id,
    seconds = excluded.seconds, recorded_at = excluded.recorded_at
"""

_READ = f"""
SELECT {_COLUMNS} FROM energy.load_ledger
WHERE estate = %(estate)s AND (%(asset)s::text IS NULL OR asset = %(asset)s)
ORDER BY asset COLLATE "C", "partition" COLLATE "C"
"""

#: Facts of a large estate are large: what is asked for is taken out of them by the server, partition by partition.
_DIGESTS = """
SELECT "partition", recorded_at, COALESCE((
    SELECT jsonb_object_agg(digest.key, digest.value) FROM jsonb_each_text(facts->'digests') AS digest
    WHERE digest.key = ANY (%(sources)s)
), '{}')
FROM energy.load_ledger WHERE estate = %(estate)s AND asset = %(asset)s
"""

_SHARED_VERSIONS = """
SELECT min(facts->>'versions') FROM energy.load_ledger
WHERE estate = %(estate)s AND asset = %(asset)s
HAVING count(DISTINCT facts->>'versions') = 1 AND bool_and(facts ? 'digests')
"""

_SOURCES = """
SELECT DISTINCT source FROM energy.load_ledger, jsonb_object_keys(facts->'accounts') AS source
WHERE estate = %(estate)s AND jsonb_typeof(facts->'accounts') = 'object'
"""

_UNPROVEN = """
SELECT asset, "partition", reason, recorded_at AS since FROM energy.load_ledger
WHERE estate = %(estate)s AND NOT proven
ORDER BY asset COLLATE "C", "partition" COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The verdict on one partition of one asset.

    Attributes:
        estate: code of the estate.
        asset: e.g. `timeseries/sensor_data`.
        partition: ISO day, `undated`, or `all`.
        proven: the target gave back what the sources hold.
        open: the day was not yet over when it was proven.
        reason: why it is not proven; empty where it is.
        rows: in the target.
        fingerprint: of the rows in the target.
        facts: what else was found, as JSON: `accounts` by source, sums, extremes.
        run_id: of the run that gave the verdict.
        seconds: what it took.
        recorded_at: when; set by the server where it is not given.
    """

    estate: str
    asset: str
    partition: str
    proven: bool
    open: bool
    reason: str
    rows: int
    fingerprint: str
    facts: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    seconds: float = 0.0
    recorded_at: datetime | None = None


def record(connection: psycopg.Connection, entries: Sequence[LedgerEntry]) -> None:
    """Write verdicts over earlier ones of the same partitions."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _RECORD,
            [
                (
                    entry.estate,
                    entry.asset,
                    entry.partition,
                    entry.proven,
                    entry.open,
                    entry.reason,
                    entry.rows,
                    entry.fingerprint,
                    Jsonb(entry.facts),
                    entry.run_id,
                    entry.seconds,
                    entry.recorded_at,
                )
                # in one order for all, so that two who record the same partitions never wait for each other in a ring
                for entry in sorted(entries, key=lambda entry: (entry.estate, entry.asset, entry.partition))
            ],
        )


def read(connection: psycopg.Connection, estate: str, asset: str | None = None) -> list[LedgerEntry]:
    """The verdicts of an estate, of one asset or all, sorted by asset and partition; times are UTC."""
    with connection.cursor(row_factory=class_row(LedgerEntry)) as cursor:
        return cursor.execute(_READ, {"estate": estate, "asset": asset}).fetchall()


def sources(connection: psycopg.Connection, estate: str) -> set[str]:
    """Names of all sources that the verdicts of an estate account for."""
    return {name for (name,) in connection.execute(_SOURCES, {"estate": estate})}


def digests(
    connection: psycopg.Connection, estate: str, asset: str, sources: Sequence[str]
) -> dict[str, tuple[datetime, dict[str, str]]]:
    """By partition of an asset: when its verdict was recorded, and on which digests of these sources."""
    values = {"estate": estate, "asset": asset, "sources": list(sources)}
    found = connection.execute(_DIGESTS, values).fetchall()
    return {partition: (recorded_at, by_source) for partition, recorded_at, by_source in found}


def shared_versions(connection: psycopg.Connection, estate: str, asset: str) -> str | None:
    """The token of versions that all partitions of a time series were recorded for; None where they differ."""
    found = connection.execute(_SHARED_VERSIONS, {"estate": estate, "asset": asset}).fetchone()
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Unproven:
    """A partition that is not proven.

    Attributes:
        asset: e.g. `timeseries/sensor_data`.
        partition: ISO day, `undated`, or `all`.
        reason: why.
        since: when the verdict was recorded.
    """

    asset: str
    partition: str
    reason: str
    since: datetime


def unproven(connection: psycopg.Connection, estate: str) -> list[Unproven]:
    """The partitions of an estate that are not proven, sorted by asset and partition."""
    with connection.cursor(row_factory=class_row(Unproven)) as cursor:
        return cursor.execute(_UNPROVEN, {"estate": estate}).fetchall()


def estates(connection: psycopg.Connection) -> set[str]:
    """Codes of all estates that have a verdict."""
    return {code for (code,) in connection.execute("SELECT DISTINCT estate FROM energy.load_ledger")}
