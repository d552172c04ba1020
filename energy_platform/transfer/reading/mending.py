"""Mended rows join the sources that they belong to, before anything is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from energy_platform.sources.mended import MendedRows
from energy_platform.sources.spec import Estate
from energy_platform.stores.postgres import mended
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.mended import MendedRow


def with_mended_rows(estate: Estate, store: PostgresStore) -> Estate:
    """The estate, its sources holding what people have mended so far."""
    with store.connection() as connection:
        return with_rows(estate, mended.read(connection, estate.code))


def with_rows(estate: Estate, rows: Iterable[MendedRow]) -> Estate:
    """The estate, its sources holding these mended rows and no others."""
    by_source: dict[str, list[MendedRow]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    sources = [replace(spec, mended=_of(by_source.get(spec.name))) for spec in estate.sources]
    return replace(estate, sources=tuple(sources))


def _of(rows: list[MendedRow] | None) -> MendedRows | None:
    if not rows:
        return None
    return MendedRows({row.identity: row.mended for row in rows}, frozenset(row.row_key for row in rows))
