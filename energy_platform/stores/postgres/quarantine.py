"""Rows that a contract refused, as they came: kept until a load of their partition no longer refuses them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from typing import Any

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.stores.postgres.copying import names_of, read_frame, stage

#: Columns of the frames that `replace` takes. `raw` is the source's row as a JSON object.
COLUMNS = ("tenant_id", "source", "row_key", "reason", "raw")
#: Further column that they may have: what the store itself said when it refused a point, without data.
DETAIL = "detail"
#: Owner of rows whose tenant cannot be read.
UNASSIGNED = "unassigned"

_ENTRY: dict[str, ColumnType] = {
    "estate": "text",
    "tenant_id": "text",
    "asset": "text",
    "partition": "text",
    "source": "text",
    "row_key": "text",
    "reason": "text",
    "raw": "json",
    "detail": "text",
    "run_id": "text",
    "first_seen": "time",
    "last_seen": "time",
}
_KEY = ("tenant_id", "estate", "asset", "partition", "source", "row_key")
_TABLE = sql.Identifier("energy", "quarantine")


def replace(
    connection: psycopg.Connection,
    estate: str,
    asset: str,
    partition: str,
    frame: pl.DataFrame,
    run_id: str,
    *,
    kept: Collection[str] = (),
) -> None:
    """Make these the refused rows of a partition, and no others; a row refused before keeps its `first_seen`.

    Args:
        connection: as energy_loader.
        estate: code of the estate.
        asset: e.g. `timeseries/sensor_data`.
        partition: ISO day, `undated`, or `all`.
        frame: `COLUMNS`, all text, and `DETAIL` where there is any; a missing tenant is `unassigned`. Where several
            rows of a source have the same row_key, the second is kept as `<row_key>#2`, and so on, so that as many
            stand here as were refused.
        run_id: of the run that refused them.
        kept: sources whose rows stand as they are, because their files are gone.
    """
    others = sorted(kept)
    if frame.is_empty():
        connection.execute(
            'DELETE FROM energy.quarantine WHERE estate = %s AND asset = %s AND "partition" = %s'
            " AND source <> ALL (%s::text[])",
            [estate, asset, partition, others],
        )
        return
    entries = _storable(frame).with_columns(
        pl.lit(estate).alias("estate"),
        pl.lit(asset).alias("asset"),
        pl.lit(partition).alias("partition"),
        pl.lit(run_id).alias("run_id"),
    )
    staged = stage(connection, "staged_quarantine", _TABLE, entries)
    connection.execute(
        sql.SQL(
            'DELETE FROM {} AS present WHERE estate = %s AND asset = %s AND "partition" = %s'
            " AND source <> ALL (%s::text[]) AND NOT EXISTS (SELECT FROM {} AS staged WHERE ({}) = ({}))"
        ).format(_TABLE, staged, names_of(_KEY, "staged"), names_of(_KEY, "present")),
        [estate, asset, partition, others],
    )
    connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}) SELECT {names} FROM {staged} ORDER BY {key} ON CONFLICT ({key}) DO UPDATE"
            " SET reason = excluded.reason, raw = excluded.raw, detail = excluded.detail, run_id = excluded.run_id,"
            " last_seen = now()"
        ).format(table=_TABLE, names=names_of(entries.columns), staged=staged, key=names_of(_KEY))
    )
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))


def entries(
    connection: psycopg.Connection,
    estate: str,
    *,
    source: str | None = None,
    reason: str | None = None,
    partition: str | None = None,
    keys: Sequence[str] | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """Refused rows of an estate, sorted by source, partition and row key: every column of the table, `raw` as JSON.

    Args:
        connection: to read with.
        estate: code of the estate.
        source: only of this one.
        reason: only with this code.
        partition: only of this ISO day, or `undated`, or `all`.
        keys: only rows with these keys.
        limit: so many at most.
    """
    where, values = _chosen(estate, source, reason, partition)
    found = sql.SQL(
        "{} WHERE {} AND (%s::text[] IS NULL OR row_key = ANY(%s))"
        ' ORDER BY source COLLATE "C", "partition" COLLATE "C", row_key COLLATE "C", asset COLLATE "C" LIMIT %s'
    ).format(_TABLE, where)
    wanted = None if keys is None else list(keys)
    return read_frame(connection, _ENTRY, found, [*values, wanted, wanted, limit])


def counts_by_day(
    connection: psycopg.Connection,
    estate: str,
    *,
    source: str | None = None,
    reason: str | None = None,
    partition: str | None = None,
) -> pl.DataFrame:
    """How many rows are refused: frame of source, reason, partition, rows, first_seen, last_seen; sorted."""
    columns: dict[str, ColumnType] = {
        "source": "text",
        "reason": "text",
        "partition": "text",
        "rows": "integer",
        "first_seen": "time",
        "last_seen": "time",
    }
    where, values = _chosen(estate, source, reason, partition)
    found = sql.SQL(
        '(SELECT source, reason, "partition", count(*) AS "rows", min(first_seen) AS first_seen,'
        ' max(last_seen) AS last_seen FROM {} WHERE {} GROUP BY source, reason, "partition") AS counted'
    ).format(_TABLE, where)
    return read_frame(connection, columns, found, values).sort("source", "reason", "partition")


def _chosen(
    estate: str, source: str | None, reason: str | None, partition: str | None
) -> tuple[sql.SQL, list[str | None]]:
    where = sql.SQL(
        "estate = %s AND (%s::text IS NULL OR source = %s) AND (%s::text IS NULL OR reason = %s)"
        ' AND (%s::text IS NULL OR "partition" = %s)'
    )
    return where, [estate, source, source, reason, reason, partition, partition]


def counts(connection: psycopg.Connection, estate: str) -> pl.DataFrame:
    """How many rows of an estate are refused: frame of source, reason, rows, sorted."""
    columns: dict[str, ColumnType] = {"source": "text", "reason": "text", "rows": "integer"}
    found = sql.SQL(
        '(SELECT source, reason, count(*) AS "rows" FROM {} WHERE estate = %s GROUP BY source, reason) AS counted'
    ).format(_TABLE)
    return read_frame(connection, columns, found, [estate]).sort("source", "reason")


def _storable(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as PostgreSQL can keep them: what is refused may hold what no store can."""
    detail = pl.col(DETAIL) if DETAIL in frame.columns else pl.lit("")
    frame = frame.select(*COLUMNS, detail.cast(pl.String).fill_null("").alias(DETAIL)).with_columns(
        pl.when(pl.col("tenant_id").fill_null("") == "")
        .then(pl.lit(UNASSIGNED))
        .otherwise(pl.col("tenant_id"))
        .alias("tenant_id"),
        pl.col("row_key").fill_null(""),
    )
    frame = frame.with_columns(
        pl.col("tenant_id", "source", "row_key", "reason", DETAIL).str.replace_all("\x00", "\\u0000", literal=True),
        pl.Series("raw", [_storable_json(text) for text in frame["raw"]], dtype=pl.String),
    )
    repeat = pl.int_range(1, pl.len() + 1).over("tenant_id", "source", "row_key")
    return frame.with_columns(
        pl.when(repeat > 1)
        .then(pl.col("row_key") + "#" + repeat.cast(pl.String))
        .otherwise(pl.col("row_key"))
        .alias("row_key")
    )


def _storable_json(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return json.dumps(_storable_value(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _storable_value(value: Any) -> Any:
    """The value without what jsonb refuses: NUL and half characters come as escapes, inf and nan as text."""
    if isinstance(value, str):
        return value.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {_storable_value(key): _storable_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable_value(item) for item in value]
    return value


def partitions(connection: psycopg.Connection, estate: str, asset: str) -> set[str]:
    """The partitions of an asset that hold refused rows."""
    found = connection.execute(
        'SELECT DISTINCT "partition" FROM energy.quarantine WHERE estate = %s AND asset = %s', [estate, asset]
    )
    return {partition for (partition,) in found}
