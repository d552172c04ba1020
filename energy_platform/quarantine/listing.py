"""The refused rows of an estate, as people look at them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate
from energy_platform.stores.postgres import mended, quarantine
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.mended import MendedRow

MASK = "•••"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which refused rows are meant; None for any.

    Attributes:
        source: by name.
        reason: code.
        partition: ISO day, `undated`, or `all` for tables.
        keys: of rows.
    """

    source: str | None = None
    reason: str | None = None
    partition: str | None = None
    keys: tuple[str, ...] | None = None


def refused_rows(
    store: PostgresStore, estate: Estate, chosen: Chosen | None = None, limit: int | None = None
) -> pl.DataFrame:
    """Refused rows of an estate: source, row_key, partition, reason, raw (the row's content as JSON) and more."""
    wanted = chosen or Chosen()
    with store.connection() as connection:
        return quarantine.entries(
            connection,
            estate.code,
            source=wanted.source,
            reason=wanted.reason,
            partition=wanted.partition,
            keys=wanted.keys,
            limit=limit,
        )


def refused_counts(store: PostgresStore, estate: Estate, chosen: Chosen | None = None) -> pl.DataFrame:
    """How many rows are refused: frame of source, reason, partition, rows, first_seen, last_seen."""
    wanted = chosen or Chosen()
    with store.connection() as connection:
        return quarantine.counts_by_day(
            connection, estate.code, source=wanted.source, reason=wanted.reason, partition=wanted.partition
        )


def mended_rows(store: PostgresStore, estate: Estate, source: str | None = None) -> list[MendedRow]:
    """Rows that were refused once and have been mended since."""
    with store.connection() as connection:
        return [row for row in mended.read(connection, estate.code) if source in {None, row.source}]


def without_personal_data(estate: Estate, source: str, content: str) -> str:
    """The content of a refused row with personal data masked: terminals are logged and photographed."""
    spec = next((spec for spec in estate.sources if spec.name == source), None)
    if spec is None or spec.target not in TABLES:
        return content
    masked = json.loads(content)
    for column in TABLES[spec.target].columns:
        role = spec.roles.get(column.name)
        name = role.column if role is not None else column.name
        if column.personal and name in masked:
            masked[name] = MASK
    return json.dumps(masked, ensure_ascii=False)
