"""Time series in PostgreSQL: tables of the schema `timeseries`, moved by COPY in both directions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import ClassVar, Final, Literal, cast

import numpy as np
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.csv as arrow_csv
from psycopg import sql
from pydantic import SecretStr

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import FieldTypeConflictError, SettingError, StoreError
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.stores.postgres import migrations
from energy_platform.stores.postgres.appending import append_rows
from energy_platform.stores.postgres.binary import copy_binary, text_fields
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.gathering import Kind, gather
from energy_platform.stores.timeseries.interface import (
    READ_ROWS,
    TimeSeries,
    check_field_column,
    checked_keys,
    checked_series_points,
    nothing_refused,
    possible_tenants,
    without_empty_strangers,
)

_SCHEMA: Final = "timeseries"
_PROBES: Final = 200
#: So many connections write at once, each at least so many points.
_CONNECTIONS: Final = 2
_SHARE_ROWS: Final = 5_000
_ATTEMPTS: Final = 3
_OVERTAKEN: Final = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)

#: As what columns are read; whatever stands not here, as text.
_KINDS: Final[dict[str, Kind]] = {
    "double precision": "float",
    "real": "float",
    "numeric": "float",
    "bigint": "integer",
    "integer": "integer",
    "smallint": "integer",
    "boolean": "boolean",
    "timestamp with time zone": "time",
}

_ARROW_TYPES: Final = {
    "double precision": pa.float64(),
    "real": pa.float64(),
    "numeric": pa.float64(),
    "bigint": pa.int64(),
    "integer": pa.int64(),
    "smallint": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}


class PostgresTimeSeries(TimeSeries):
    """Time series in the tables that migrations make, one per measurement.

    Args:
        store: PostgreSQL as the role that loads; fastest where it bypasses row-level security.
        admin_url: PostgreSQL as the owner, for fields that an estate adds; empty where there are none.
    """

    implementation: ClassVar[Literal["influxdb", "postgres"]] = "postgres"
    indexed_by_series: ClassVar[bool] = True

    def __init__(self, store: PostgresStore, admin_url: SecretStr) -> None:
        self._store = store
        self._admin_url = admin_url

    def __repr__(self) -> str:
        return f"PostgresTimeSeries({self._store!r})"

    def ping(self) -> None:
        """Ask for an answer."""
        self._store.ping()

    def close(self) -> None:
        """Let go of all connections."""
        self._store.close()

    def prepare(self, measurement: Measurement) -> None:
        """See that the table is there; add the columns of further fields."""
        for column in measurement.fields:
            check_field_column(measurement, column)
        with self._store.connection() as connection:
            found = _column_types(connection, measurement)
        for column in measurement.fields:
            wanted, there = migrations.SQL_TYPES[column.type], found.get(column.name)
            if there == wanted:
                continue
            if there is not None:
                raise FieldTypeConflictError(
                    f"The field holds {there}, and the estate says {wanted}.",
                    where=f"{measurement.name}.{column.name}",
                    remedy="A field keeps one type for ever: give the column another field's name in estate.yaml.",
                )
            if not self._admin_url.get_secret_value():
                raise SettingError(
                    f"The table has no column {column.name}, and only its owner may add it.",
                    where=f"{_SCHEMA}.{measurement.name}",
                    remedy="Set ENERGY_POSTGRES_ADMIN_URL to the URL of energy_owner.",
                )
            migrations.add_field(self._admin_url.get_secret_value(), measurement.name, column.name, column.type)

    def check_retention(self, first: datetime) -> None:
        """Nothing expires here."""

    def write_points(self, measurement: Measurement, points: SeriesPoints) -> pl.DataFrame:
        """Write points; many are shared out to connections, each of which writes its share or nothing.

        None is refused by itself; see `TimeSeries.write_points`.
        """
        points = checked_series_points(measurement, _in_key_order(measurement, points))
        count = min(_CONNECTIONS, points.height // _SHARE_ROWS)
        if count < 2:
            self._write_share(measurement, points)
        else:
            shares = points.slices(-(-points.height // count))
            with ThreadPoolExecutor(count, "energy-platform-write") as pool:
                # all have ended before what one of them raises is raised here
                list(pool.map(lambda share: self._write_share(measurement, share.compact()), shares))
        return nothing_refused()

    def _write_share(self, measurement: Measurement, points: SeriesPoints) -> None:
        if not points.height:
            return
        with self._store.connection() as connection:
            if not _any_there(connection, measurement, points):
                # others may write the same points meanwhile: those are there after all, or both wait for each other
                with contextlib.suppress(*_OVERTAKEN), connection.transaction():
                    _append(append_rows, connection, _table(measurement), measurement, points)
                    return
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    with connection.transaction():
                        _upsert(connection, measurement, points)
                    break
                except psycopg.errors.DeadlockDetected:
                    if attempt == _ATTEMPTS:
                        raise

    def read_points(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Iterator[SeriesPoints]:
        """The points of these tenants, as they stood at one instant; see `TimeSeries.read_points`."""
        possible = possible_tenants(tenants)
        if not possible:
            return
        with self._store.connection() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            kinds: dict[str, Kind] = {
                name: _kind(type_) for name, type_ in _column_types(connection, measurement).items()
            }
            condition = _condition(possible, start, stop)
            required = frozenset(measurement.key)
            place = (_SCHEMA, measurement.name)
            parts: list[pl.DataFrame] = []
            for part in gather(connection, place, kinds, condition, start, stop, required=required):
                parts.append(part)
                if sum(each.height for each in parts) >= READ_ROWS:
                    yield _by_series(pl.concat(parts), measurement)
                    parts = []
            if parts:
                yield _by_series(pl.concat(parts), measurement)

    def latest(self, measurement: Measurement, tenants: Sequence[str]) -> pl.DataFrame:
        """The newest point of each series, found by hopping through the primary key; see `TimeSeries.latest`."""
        possible = possible_tenants(tenants)
        if not possible:
            return measurement.empty()
        with self._store.connection() as connection:
            types = _column_types(connection, measurement)
            query = _newest(measurement, types, possible)
            frames = list(_copy_out(connection, query, measurement, types))
        return pl.concat(frames, how="diagonal") if frames else measurement.empty()

    def delete(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Remove these points in one transaction; see `TimeSeries.delete`."""
        keys = checked_keys(measurement, points)
        if not keys.height:
            return
        with self._store.connection() as connection:
            staged = _stage(connection, measurement, SeriesPoints.of(keys, measurement))
            # else the server takes it for a small one
            connection.execute(sql.SQL("ANALYZE {}").format(staged))
            connection.execute(
                sql.SQL("DELETE FROM {} AS kept USING {} AS named WHERE {}").format(
                    _table(measurement), staged, _same_key(measurement, "kept", "named")
                )
            )


def _table(measurement: Measurement) -> sql.Identifier:
    return sql.Identifier(_SCHEMA, measurement.name)


def _names(names: Sequence[str] | dict[str, str], of: str = "") -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in names)


def _same_key(measurement: Measurement, left: str, right: str) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in measurement.key
    )


def _column_types(connection: psycopg.Connection, measurement: Measurement) -> dict[str, str]:
    found = migrations.field_types(connection, measurement.name)
    if not found:
        raise StoreError(
            "There is no such table.",
            where=f"{_SCHEMA}.{measurement.name}",
            remedy="Bring the schema up to date: energy-platform up",
        )
    return found


def _in_key_order(measurement: Measurement, points: SeriesPoints) -> SeriesPoints:
    """The same points in the order of the primary key, in which COPY is twice as fast as in that of time.

    What is wrong with them comes out as it is: it is checked afterwards.
    """
    series, rows, tags = points.series, points.rows, list(measurement.tags)
    wanted = {SERIES: pl.UInt32(), "time": measurement.column("time").polars_type}
    if set(series.columns) != set(tags) or any(rows.schema.get(name) != type_ for name, type_ in wanted.items()):
        return points
    numbers = rows.get_column(SERIES)
    if not rows.height or numbers.null_count() or cast("int", numbers.max()) >= series.height:
        return points
    order = series.select(pl.arg_sort_by(tags).cast(pl.UInt32)).to_series()
    positions = order.to_numpy()
    if (positions[1:] < positions[:-1]).any():
        ranks = np.empty(series.height, dtype=np.uint32)
        ranks[positions] = np.arange(series.height, dtype=np.uint32)
        rows = rows.with_columns(pl.Series(SERIES, ranks[numbers.to_numpy()]))
        series = series[order]
    keys, times = rows.get_column(SERIES).to_numpy(), rows.get_column("time").to_physical().to_numpy()
    falling = (keys[1:] < keys[:-1]) | ((keys[1:] == keys[:-1]) & (times[1:] < times[:-1]))
    return SeriesPoints(series, rows.sort(SERIES, "time") if falling.any() else rows)


def _any_there(connection: psycopg.Connection, measurement: Measurement, points: SeriesPoints) -> bool:
    """Whether some of the points are there already, by a sample: a replay is noticed before anything is copied."""
    sample = SeriesPoints(points.series, points.rows.gather_every(max(1, points.height // _PROBES))).frame()
    types = [sql.SQL("timestamptz[]") if name == "time" else sql.SQL("text[]") for name in measurement.key]
    arrays = sql.SQL(", ").join(sql.SQL("%s::{}").format(type_) for type_ in types)
    row = connection.execute(
        sql.SQL(
            "SELECT EXISTS (SELECT FROM unnest({arrays}) AS named ({names}) WHERE EXISTS ("
            "SELECT FROM {table} AS kept WHERE {same}))"
        ).format(
            arrays=arrays,
            names=_names(measurement.key),
            table=_table(measurement),
            same=_same_key(measurement, "kept", "named"),
        ),
        [sample.get_column(name).to_list() for name in measurement.key],
    ).fetchone()
    return row == (True,)


def _stage(connection: psycopg.Connection, measurement: Measurement, points: SeriesPoints) -> sql.Identifier:
    name = f"staged_{measurement.name}"
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.Identifier(name), _names(_column_names(measurement, points)), _table(measurement)
        )
    )
    staged = sql.Identifier("pg_temp", name)
    _append(copy_binary, connection, staged, measurement, points)
    return staged


def _upsert(connection: psycopg.Connection, measurement: Measurement, points: SeriesPoints) -> None:
    staged = _stage(connection, measurement, points)
    names = _column_names(measurement, points)
    fields = [name for name in names if name not in measurement.key]
    # an absent field leaves what is there, as InfluxDB does; a point that would stay the same is not written again
    merged = [
        sql.SQL("COALESCE({}, {})").format(sql.Identifier("excluded", name), sql.Identifier("kept", name))
        for name in fields
    ]
    connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS kept ({names}) SELECT {names} FROM {staged}"
            " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE ({old}) IS DISTINCT FROM ({new})"
        ).format(
            table=_table(measurement),
            names=_names(names),
            staged=staged,
            key=_names(measurement.key),
            changes=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), value)
                for name, value in zip(fields, merged, strict=True)
            ),
            old=_names(fields, "kept"),
            new=sql.SQL(", ").join(merged),
        )
    )


def _column_names(measurement: Measurement, points: SeriesPoints) -> list[str]:
    return [*measurement.tags, *(name for name in points.rows.columns if name != SERIES)]


def _append(
    append: Callable[..., None],
    connection: psycopg.Connection,
    table: sql.Identifier,
    measurement: Measurement,
    points: SeriesPoints,
) -> None:
    # tags as the server takes them, once per series
    append(
        connection,
        table,
        [(name, measurement.column(name).type) for name in points.rows.columns if name != SERIES],
        points.rows,
        heads=text_fields(points.series.select(measurement.tags)),
        head_columns=measurement.tags,
        head_of_row=SERIES,
    )


def _kind(type_: str) -> Kind:
    return _KINDS.get(type_, "text")


def _condition(tenants: Sequence[str], start: datetime | None, stop: datetime | None) -> sql.Composed:
    conditions = [sql.SQL("tenant_id = ANY({})").format(sql.Literal(list(tenants)))]
    if start is not None:
        conditions.append(sql.SQL('"time" >= {}').format(sql.Literal(start)))
    if stop is not None:
        conditions.append(sql.SQL('"time" < {}').format(sql.Literal(stop)))
    return sql.SQL(" AND ").join(conditions)


def _by_series(frame: pl.DataFrame, measurement: Measurement) -> SeriesPoints:
    """Points told by series. Neighbours are mostly of one series: only where one begins, its tags are looked at."""
    tags = list(measurement.tags)
    begins = frame.select(pl.any_horizontal(pl.col(tag) != pl.col(tag).shift() for tag in tags).fill_null(value=True))
    stretch = begins.to_series().cast(pl.UInt32).cum_sum().to_numpy() - 1
    first = frame.select(tags).filter(begins.to_series())
    series = first.unique(maintain_order=True)
    numbers = first.join(series.with_row_index(SERIES), on=tags, how="left", maintain_order="left").get_column(SERIES)
    schema = {name: type_ for name, type_ in measurement.schema().items() if name not in tags}
    # a field that nobody has prepared is absent
    known = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(type_).alias(name)
        for name, type_ in schema.items()
    ]
    strangers = [
        name
        for name in frame.columns
        if name not in measurement.column_names and frame.get_column(name).null_count() < frame.height
    ]
    rows = frame.select(pl.Series(SERIES, numbers.to_numpy()[stretch], dtype=pl.UInt32), *known, *strangers)
    return SeriesPoints(series, rows)


def _copy_out(
    connection: psycopg.Connection, query: sql.Composable, measurement: Measurement, types: dict[str, str]
) -> Iterator[pl.DataFrame]:
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(query)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows: list[bytes] = []
        # the server sends one row per message, so that a line break inside of a text does no harm
        for row in copy:
            rows.append(bytes(row))
            if len(rows) == READ_ROWS:
                yield _frame(rows, measurement, types)
                rows.clear()
        if rows:
            yield _frame(rows, measurement, types)


def _frame(rows: list[bytes], measurement: Measurement, types: dict[str, str]) -> pl.DataFrame:
    content = b"".join(rows)
    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        read_options=arrow_csv.ReadOptions(column_names=list(types), block_size=len(content) + 1),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: _ARROW_TYPES.get(type_, pa.string()) for name, type_ in types.items()},
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    frame = pl.DataFrame(table)
    # a field that nobody has prepared is absent; the others have their types already
    canonical = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(type_).alias(name)
        for name, type_ in measurement.schema().items()
    ]
    return without_empty_strangers(measurement, frame.with_columns(canonical))


def _newest(measurement: Measurement, types: dict[str, str], tenants: Sequence[str]) -> sql.Composed:
    """A query that hops from series to series, and asks for the last point of each: it never reads all points."""
    tags, others = measurement.tags, [tag for tag in measurement.tags if tag != "tenant_id"]
    return sql.SQL(
        "WITH RECURSIVE series AS ("
        "(SELECT first.* FROM unnest({tenants}::text[]) AS wanted (tenant_id) CROSS JOIN LATERAL ("
        "SELECT {tags} FROM {table} AS points WHERE points.tenant_id = wanted.tenant_id ORDER BY {tags} LIMIT 1"
        ") AS first)"
        " UNION ALL "
        "SELECT next.* FROM series CROSS JOIN LATERAL ("
        "SELECT {tags} FROM {table} AS points WHERE points.tenant_id = series.tenant_id"
        " AND ({other_points}) > ({other_series}) ORDER BY {tags} LIMIT 1"
        ") AS next"
        ") SELECT newest.* FROM series CROSS JOIN LATERAL ("
        'SELECT {names} FROM {table} AS points WHERE {same} ORDER BY "time" DESC LIMIT 1'
        ") AS newest"
    ).format(
        tenants=sql.Literal(list(tenants)),
        tags=_names(tags, "points"),
        table=_table(measurement),
        other_points=_names(others, "points"),
        other_series=_names(others, "series"),
        names=_names(list(types), "points"),
        same=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("points", tag), sql.Identifier("series", tag)) for tag in tags
        ),
    )
