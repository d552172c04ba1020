"""Rows appended to tables that tenants own, by the fastest way that the server allows the role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.stores.postgres.binary import copy_binary
from energy_platform.stores.postgres.copying import names_of

_COPIED: Final = "copied"


def append_rows(
    connection: psycopg.Connection,
    table: sql.Identifier,
    columns: Sequence[tuple[str, ColumnType]],
    frame: pl.DataFrame | Iterable[pl.DataFrame],
    *,
    heads: pl.Series | None = None,
    head_columns: Sequence[str] = (),
    head_of_row: str = "",
) -> None:
    """Append rows to a table; where row-level security holds for the role, which refuses COPY, by a temporary one.

    For arguments see `copy_binary`. Raises psycopg.Error; the transaction is the caller's.
    """
    target = table
    guarded = _is_guarded(connection, table)
    names = names_of([*head_columns, *(name for name, _ in columns)])
    if guarded:
        target = sql.Identifier("pg_temp", _COPIED)
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(_COPIED), names, table
            )
        )
    copy_binary(connection, target, columns, frame, heads=heads, head_columns=head_columns, head_of_row=head_of_row)
    if guarded:
        connection.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(table, names, names, target))
        connection.execute(sql.SQL("DROP TABLE {}").format(target))


def _is_guarded(connection: psycopg.Connection, table: sql.Identifier) -> bool:
    row = connection.execute("SELECT row_security_active(%s)", [table.as_string(connection)]).fetchone()
    return row == (True,)
