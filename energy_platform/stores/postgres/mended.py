"""Mended rows: what a person has made of rows that a contract refused; see `sources.mended`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

_COLUMNS = "tenant_id, estate, source, row_key, identity, raw, mended, reasons, run_id, first_seen, mended_at"


@dataclass(frozen=True, slots=True)
class MendedRow:
    """One row of a source, and what it is to be.

    Attributes:
        tenant_id: whose row the mended one is.
        estate: code of the estate.
        source: by name.
        row_key: its key, or its place in the file.
        identity: see `sources.mended.row_identity`.
        raw: what the file holds.
        mended: what stands in its place.
        reasons: for which it was refused, e.g. `out_of_range`.
        run_id: of the run that took it back.
        first_seen: when it was refused first.
        mended_at: when it was mended; set by the server where it is not given.
    """

    tenant_id: str
    estate: str
    source: str
    row_key: str
    identity: str
    raw: Mapping[str, str | None]
    mended: Mapping[str, str | None]
    reasons: str = ""
    run_id: str = ""
    first_seen: datetime | None = None
    mended_at: datetime | None = None


def read(connection: psycopg.Connection, estate: str) -> list[MendedRow]:
    """The mended rows of an estate, sorted by source and key. None where the database is older than they are."""
    if connection.execute("SELECT to_regclass('energy.mended_rows')").fetchone() == (None,):
        return []
    with connection.cursor(row_factory=class_row(MendedRow)) as cursor:
        return cursor.execute(
            f'SELECT {_COLUMNS} FROM energy.mended_rows WHERE estate = %s ORDER BY source COLLATE "C",'
            ' row_key COLLATE "C", identity COLLATE "C"',
            [estate],
        ).fetchall()


def record(connection: psycopg.Connection, rows: Sequence[MendedRow]) -> None:
    """Keep mended rows; one that was mended before is mended anew, and keeps why and since when it was refused."""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO energy.mended_rows ({_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, COALESCE(%s, now()))"
            " ON CONFLICT (estate, source, identity) DO UPDATE SET tenant_id = excluded.tenant_id,"
            " mended = excluded.mended, run_id = excluded.run_id, mended_at = excluded.mended_at",
            [
                (
                    row.tenant_id,
                    row.estate,
                    row.source,
                    row.row_key,
                    row.identity,
                    Jsonb(dict(row.raw)),
                    Jsonb(dict(row.mended)),
                    row.reasons,
                    row.run_id,
                    row.first_seen,
                    row.mended_at,
                )
                for row in sorted(rows, key=lambda row: (row.source, row.identity))
            ],
        )


def withdraw(connection: psycopg.Connection, estate: str, source: str, identities: Collection[str]) -> int:
    """Take mended rows back: the source holds again what its file holds. Gives how many there were."""
    return connection.execute(
        "DELETE FROM energy.mended_rows WHERE estate = %s AND source = %s AND identity = ANY(%s)",
        [estate, source, sorted(identities)],
    ).rowcount
