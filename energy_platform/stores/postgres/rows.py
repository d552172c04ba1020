"""Rows of the tables and time series, by contract: write, read, delete, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType, Contract, Measurement
from energy_platform.domain.errors import OwnershipError
from energy_platform.stores.postgres.copying import names_of, read_frame, stage


def table_of(contract: Contract) -> sql.Identifier:
    """The quoted name of the table that holds the rows of a contract."""
    return sql.Identifier("timeseries" if isinstance(contract, Measurement) else "energy", contract.name)


def write_rows(connection: psycopg.Connection, contract: Contract, estate: str, frame: pl.DataFrame) -> int:
    """Insert rows, or change those that are there and differ. Writing the same again changes nothing.

    Args:
        connection: as energy_loader.
        contract: of the rows.
        estate: whose rows these are; time series do not say.
        frame: canonical, at least the contract's columns; one row for each key.

    Returns:
        how many rows were inserted or changed.

    Raises:
        OwnershipError: a row with such a key belongs to another estate.
        StoreError: a text holds the NUL character.
        psycopg.Error: PostgreSQL refuses; references are checked at commit.
    """
    frame = frame.select(contract.column_names)
    owned = not isinstance(contract, Measurement)
    if owned:
        frame = frame.with_columns(pl.lit(estate).alias("estate"))
    if frame.is_empty():
        return 0
    table = table_of(contract)
    staged = stage(connection, "staged_rows", table, frame)
    content = [name for name in contract.column_names if name not in contract.key]
    written = connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS present ({names}) SELECT {names} FROM {staged} ORDER BY {key}"
            " ON CONFLICT ({key}) DO UPDATE SET {changes}"
            " WHERE ({present}) IS DISTINCT FROM ({new}){of_this_estate}"
        ).format(
            table=table,
            names=names_of(frame.columns),
            staged=staged,
            key=names_of(contract.key),
            changes=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("excluded", name)) for name in content
            ),
            present=names_of(content, "present"),
            new=names_of(content, "excluded"),
            of_this_estate=sql.SQL(" AND present.estate = excluded.estate" if owned else ""),
        )
    ).rowcount
    if owned:
        # after the insert, which waits for others that write the same key
        _refuse_others_rows(connection, contract, staged)
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
    return written


def read_rows(connection: psycopg.Connection, contract: Contract, tenants: Sequence[str]) -> pl.DataFrame:
    """All rows of the tenants, sorted by key: the contract's columns, canonical, and `estate` (time series: without).

    JSON comes as canonical text.
    """
    columns: dict[str, ColumnType] = {column.name: column.type for column in contract.columns}
    if not isinstance(contract, Measurement):
        columns["estate"] = "text"
    source = sql.SQL("{} WHERE tenant_id = ANY(%s)").format(table_of(contract))
    return read_frame(connection, columns, source, [list(tenants)]).sort(contract.key)


def delete_rows(connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame) -> int:
    """Delete the rows with these keys; returns how many there were."""
    if keys.is_empty():
        return 0
    staged = _stage_keys(connection, contract, keys)
    return connection.execute(
        sql.SQL("DELETE FROM {} AS present USING {} AS staged WHERE ({}) = ({})").format(
            table_of(contract), staged, names_of(contract.key, "present"), names_of(contract.key, "staged")
        )
    ).rowcount


def owners(
    connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame, *, estate: str | None = None
) -> pl.DataFrame:
    """Which of these rows are there, and whose they are.

    Args:
        connection: as energy_loader.
        contract: of a table.
        keys: frame with at least the key columns.
        estate: rows of this estate are left out; all are given where it is None.

    Returns:
        frame of the key columns and `estate`, sorted by key.
    """
    columns: dict[str, ColumnType] = {name: contract.column(name).type for name in contract.key}
    columns["estate"] = "text"
    if keys.is_empty():
        return read_frame(connection, columns, sql.SQL("{} WHERE false").format(table_of(contract)))
    staged = _stage_keys(connection, contract, keys)
    source = sql.SQL("{} AS present JOIN {} AS staged USING ({}) WHERE present.estate IS DISTINCT FROM %s").format(
        table_of(contract), staged, names_of(contract.key)
    )
    return read_frame(connection, columns, source, [estate]).sort(contract.key)


def _stage_keys(connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame) -> sql.Identifier:
    table = table_of(contract)
    frame = keys.select(contract.key).unique()
    if frame.width == 1:
        # one column alone cannot be copied
        table = sql.SQL("(SELECT *, 0::bigint AS ordinal FROM {}) AS numbered").format(table)
        return stage(connection, "staged_keys", table, frame.with_row_index("ordinal").cast({"ordinal": pl.Int64}))
    return stage(connection, "staged_keys", table, frame)


def _refuse_others_rows(connection: psycopg.Connection, contract: Contract, staged: sql.Identifier) -> None:
    found = connection.execute(
        sql.SQL(
            "SELECT count(*), min(present.estate) FROM {} AS present JOIN {} AS staged USING ({})"
            " WHERE present.estate <> staged.estate"
        ).format(table_of(contract), staged, names_of(contract.key))
    ).fetchone()
    if found and found[0]:
        raise OwnershipError(
            f"{found[0]} row(s) belong to the estate {found[1]} already.",
            where=contract.name,
            remedy="Give the tenants of this estate codes of their own, or load into stores of its own.",
        )
