"""Which tables of a SQLite file a view shows the rows of."""

from __future__ import annotations

import sqlite3

from energy_platform.sources.sqlite.records import quoted


def tables_behind(connection: sqlite3.Connection, name: str) -> frozenset[str]:
    """The tables and views that are read where a table or view is, itself included; SQLite says so itself.

    Raises:
        sqlite3.Error: the view cannot be read, e.g. because it names a table that is gone.
    """
    found = {name}

    def note(action: int, table: str | None, column: str | None, database: str | None, view: str | None) -> int:
        del column, database
        if action == sqlite3.SQLITE_READ and table:
            found.add(table)
            if view:
                found.add(view)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    try:
        # only prepared: no row is read
        connection.execute(f"EXPLAIN SELECT * FROM {quoted(name)}").close()
    finally:
        connection.set_authorizer(None)
    return frozenset(found)
