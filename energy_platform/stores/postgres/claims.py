"""Which estate accounts for which stretch of which series, so that no two account for the same point.

A claim is one span for each series and estate, from its first point to its last: spans of two estates never overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import OwnershipError
from energy_platform.stores.postgres.copying import read_frame, stage
from energy_platform.stores.postgres.locks import key_of

_MANY_SERIES = 10_000
_TABLE = sql.Identifier("energy", "claims")

# nobody else claims meanwhile: what is not there needs no look for conflicts
_NEW = """
INSERT INTO energy.claims (estate, measurement, tenant_id, series, first_time, last_time)
SELECT %(estate)s, %(measurement)s, tenant_id, series, first_time, last_time
FROM {staged} AS staged
WHERE NOT EXISTS (
    SELECT FROM energy.claims AS own
    WHERE (own.tenant_id, own.series) = (staged.tenant_id, staged.series)
      AND own.measurement = %(measurement)s AND own.estate = %(estate)s
)
"""

_WIDER = """
UPDATE energy.claims AS own
SET first_time = LEAST(own.first_time, staged.first_time), last_time = GREATEST(own.last_time, staged.last_time)
FROM {staged} AS staged
WHERE (own.tenant_id, own.series) = (staged.tenant_id, staged.series)
  AND own.measurement = %(measurement)s AND own.estate = %(estate)s
  AND (staged.first_time < own.first_time OR staged.last_time > own.last_time)
"""

_OTHERS = """
SELECT EXISTS (
    SELECT FROM energy.claims
    WHERE measurement = %(measurement)s AND estate <> %(estate)s AND tenant_id = ANY(%(tenants)s)
)
"""

_OVERLAPS = """
SELECT other.estate, other.series, count(*) OVER ()
FROM {staged} AS staged
JOIN energy.claims AS own USING (tenant_id, series)
JOIN energy.claims AS other USING (tenant_id, measurement, series)
WHERE own.estate = %(estate)s AND own.measurement = %(measurement)s AND other.estate <> own.estate
  AND own.first_time <= other.last_time AND other.first_time <= own.last_time
ORDER BY other.estate, other.series LIMIT 1
"""


def claim(connection: psycopg.Connection, estate: str, measurement: str, frame: pl.DataFrame) -> None:
    """Widen the estate's spans to these. To be committed before the first point is written.

    Args:
        connection: as energy_loader.
        estate: code of the estate.
        measurement: name of the measurement.
        frame: tenant_id, series (tags joined by the unit separator, U+001F), first_time, last_time.

    Raises:
        OwnershipError: another estate's span of the same series overlaps; nothing is to be written.
    """
    if frame.is_empty():
        return
    spans = frame.group_by("tenant_id", "series").agg(pl.col("first_time").min(), pl.col("last_time").max())
    names = {"estate": estate, "measurement": measurement, "tenants": spans.get_column("tenant_id").unique().to_list()}
    # two estates that claim at once must see each other's spans
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [key_of("claims", measurement)])
    staged = stage(connection, "staged_claims", _TABLE, spans.sort("tenant_id", "series"))
    connection.execute(sql.SQL("ANALYZE {}").format(staged))
    if spans.height >= _MANY_SERIES:
        # what the server knows of the table's size may be old: one look for each series would take minutes
        connection.execute("SET LOCAL enable_nestloop = off")
    for statement in (_WIDER, _NEW):
        connection.execute(sql.SQL(statement).format(staged=staged), names)
    found = None
    if connection.execute(_OTHERS, names).fetchone() == (True,):
        found = connection.execute(sql.SQL(_OVERLAPS).format(staged=staged), names).fetchone()
    if spans.height >= _MANY_SERIES:
        connection.execute("SET LOCAL enable_nestloop = on")
    if found:
        other, series, count = found
        raise OwnershipError(
            f"The estate {other} already accounts for points of {count} series in this time.",
            where=f"{measurement}, e.g. {series.replace(chr(31), ', ')}",
            remedy="Give the tenants of this estate codes of their own, or load into stores of its own.",
        )
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))


def others(connection: psycopg.Connection, estate: str, measurement: str, tenants: Sequence[str]) -> pl.DataFrame:
    """Spans that other estates account for: tenant_id, series, first_time, last_time (both included), sorted."""
    columns: dict[str, ColumnType] = {
        "tenant_id": "text",
        "series": "text",
        "first_time": "time",
        "last_time": "time",
    }
    found = sql.SQL("{} WHERE estate <> %s AND measurement = %s AND tenant_id = ANY(%s)").format(_TABLE)
    return read_frame(connection, columns, found, [estate, measurement, list(tenants)]).sort(*columns)


def tenants(connection: psycopg.Connection, estate: str, measurement: str | None = None) -> set[str]:
    """Codes of the tenants that an estate has ever loaded points of; None: of any measurement."""
    found = connection.execute(
        "SELECT DISTINCT tenant_id FROM energy.claims"
        " WHERE estate = %(estate)s AND (%(measurement)s::text IS NULL OR measurement = %(measurement)s)",
        {"estate": estate, "measurement": measurement},
    )
    return {tenant for (tenant,) in found}


def series(connection: psycopg.Connection, estate: str) -> pl.DataFrame:
    """All series that an estate has ever loaded points of: measurement, tenant_id, series, sorted."""
    columns: dict[str, ColumnType] = {"measurement": "text", "tenant_id": "text", "series": "text"}
    found = sql.SQL("{} WHERE estate = %s").format(_TABLE)
    return read_frame(connection, columns, found, [estate]).sort(*columns)


def series_count(connection: psycopg.Connection, measurement: str, frame: pl.DataFrame | None) -> int:
    """How many series a measurement would have: those that any estate has claimed, and those of the frame, if any.

    Args:
        connection: as energy_loader.
        measurement: name of the measurement.
        frame: as `claim` takes it.
    """
    if frame is None:
        counted = "SELECT count(DISTINCT (tenant_id, series)) FROM energy.claims WHERE measurement = %s"
        found = connection.execute(counted, [measurement]).fetchone()
        return found[0] if found else 0
    staged = stage(connection, "staged_series", _TABLE, frame.select("tenant_id", "series"))
    found = connection.execute(
        sql.SQL(
            "SELECT count(*) FROM (SELECT tenant_id, series FROM energy.claims WHERE measurement = %s"
            " UNION SELECT tenant_id, series FROM {}) AS together"
        ).format(staged),
        [measurement],
    ).fetchone()
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
    return found[0] if found else 0
