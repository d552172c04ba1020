"""Foreign keys of many new rows, looked at all at once: row by row it takes the server longer than the rows themselves.

It is how a dump is restored: first the rows, then the keys. The server lets a role do so by
`GRANT SET ON PARAMETER session_replication_role`; where it does not, it looks at each row itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import StoreError
from energy_platform.stores.postgres.binary import copy_binary
from energy_platform.stores.postgres.copying import names_of

# triggers that somebody has added would not fire; has_parameter_privilege came with PostgreSQL 15
_MAY = """
SELECT has_parameter_privilege('session_replication_role', 'SET')
   AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal)
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'f'
                      AND (confrelid = conrelid OR confmatchtype <> 's'))
"""
_REFERENCES = """
SELECT conname, confrelid::regclass::text,
    ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS place (attnum, ordinal)
          JOIN pg_attribute USING (attnum) WHERE attrelid = conrelid ORDER BY ordinal),
    ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS place (attnum, ordinal)
          JOIN pg_attribute USING (attnum) WHERE attrelid = confrelid ORDER BY ordinal)
FROM pg_constraint WHERE conrelid = %(table)s::regclass AND contype = 'f' ORDER BY conname
"""


@dataclass
class Reference:
    """A foreign key, and what the rows seen so far refer to by it.

    Attributes:
        name: of the constraint.
        parent: the referenced table, quoted.
        columns: those that refer.
        parent_columns: those that they refer to, in the same order.
    """

    name: str
    parent: str
    columns: list[str]
    parent_columns: list[str]
    _seen: pl.DataFrame | None = field(default=None, repr=False)

    def see(self, rows: pl.DataFrame) -> None:
        """Note what these rows refer to; a row with a null among the columns refers to nothing."""
        parts = [rows.select(self.columns).unique().drop_nulls(), *([] if self._seen is None else [self._seen])]
        self._seen = pl.concat(parts).unique()

    def look(self, connection: psycopg.Connection, table: sql.Identifier, types: dict[str, ColumnType]) -> None:
        """Hold what is referred to, so that nobody removes it before the transaction ends.

        Raises:
            StoreError: it is not all there.
        """
        if self._seen is None or self._seen.is_empty():
            return
        staged = sql.Identifier("pg_temp", "referred_to")
        connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE referred_to ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                names_of(self.columns), table
            )
        )
        copy_binary(connection, staged, [(name, types[name]) for name in self.columns], self._seen)
        # else the server takes it for a small one
        connection.execute(sql.SQL("ANALYZE {}").format(staged))
        found = connection.execute(
            sql.SQL(
                "SELECT count(*) FROM (SELECT FROM {parent} AS parent JOIN {staged} AS staged"
                " ON ({theirs}) = ({ours}) FOR KEY SHARE OF parent) AS held"
            ).format(
                parent=sql.SQL(self.parent),  # type: ignore[arg-type]  # the server has quoted it
                staged=staged,
                theirs=names_of(self.parent_columns, "parent"),
                ours=names_of(self.columns, "staged"),
            )
        ).fetchone()
        connection.execute(sql.SQL("DROP TABLE {}").format(staged))
        if found != (self._seen.height,):
            raise StoreError(
                f"{self._seen.height - (found[0] if found else 0)} of the rows of {self.parent} that the new ones refer"
                f" to by {', '.join(self.columns)} are not there (constraint {self.name}).",
                where=table.as_string(connection),
                remedy="Nothing of this transaction was kept; load that table first, and run it again.",
            )


@contextmanager
def references_at_once(
    connection: psycopg.Connection, table: sql.Identifier, types: dict[str, ColumnType]
) -> Iterator[list[Reference]]:
    """Append rows in this block: their foreign keys are looked at when it ends, all at once.

    Args:
        connection: all is done in its transaction.
        table: to which rows are appended.
        types: of its columns.

    Yields:
        the foreign keys, each of which is to be shown all the rows. There are none where the server looks at each row,
        because it must or because there is nothing to look at.

    Raises:
        StoreError: rows refer to some that are not there.
    """
    references = _references_of(connection, table)
    if references:
        connection.execute("SET LOCAL session_replication_role TO replica")
    yield references
    if references:
        connection.execute("SET LOCAL session_replication_role TO DEFAULT")
        for reference in references:
            reference.look(connection, table, types)


def _references_of(connection: psycopg.Connection, table: sql.Identifier) -> list[Reference]:
    named = {"table": table.as_string(connection)}
    if connection.execute(_MAY, named).fetchone() != (True,):
        return []
    return [Reference(*row) for row in connection.execute(_REFERENCES, named).fetchall()]
