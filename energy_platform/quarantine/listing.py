"""The refused rows of an estate, as people look at them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate
from energy_platform.stores.postgres import quarantine
from energy_platform.stores.postgres.connection import PostgresStore

MASK = "•••"


@dataclass(frozen=True, slots=True)
class Listing:
    """Refused rows.

    Attributes:
        rows: frame with source, row_key, partition, reason, raw (the row's content as JSON) and more.
        total: how many there are in all, also where `rows` holds fewer.
    """

    rows: pl.DataFrame
    total: int


def refused_rows(
    store: PostgresStore,
    estate: Estate,
    *,
    source: str | None = None,
    reason: str | None = None,
    limit: int | None = None,
) -> Listing:
    """The refused rows of an estate, of one source or with one reason code if these are given."""
    with store.connection() as connection:
        rows = quarantine.entries(connection, estate.code, source=source, reason=reason, limit=limit)
        counts = quarantine.counts(connection, estate.code)
    if source is not None:
        counts = counts.filter(pl.col("source") == source)
    if reason is not None:
        counts = counts.filter(pl.col("reason") == reason)
    return Listing(rows, int(counts.get_column("rows").sum()))


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
