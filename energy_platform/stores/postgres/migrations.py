"""The schema, brought up to date by Alembic; and further fields of the time-series tables."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import FieldTypeConflictError, StoreError
from energy_platform.stores.postgres.connection import connect, place_of, plain_url, store_errors

LOCK_NOT_AVAILABLE: Final = "55P03"
_FOLDER = Path(__file__).resolve().parent / "alembic"
#: Held by whoever migrates; others wait, and then find nothing left to do.
_LOCK = 0x656E657267790002
#: How long a statement waits for a lock, where nobody says otherwise.
LOCK_SECONDS: Final = 5.0

#: How often a further field is tried, and how long others have their turn in between.
_FIELD_ATTEMPTS: Final = 12
_FIELD_PAUSE_SECONDS: Final = 1.0

#: Sessions that hold locks on tables of this database, those that block somebody first, then the oldest.
_HOLDERS: Final = """
SELECT held.pid, session.usename, session.application_name
FROM pg_locks AS held
JOIN pg_stat_activity AS session USING (pid)
JOIN pg_class AS relation ON relation.oid = held.relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE held.granted AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND namespace.nspname !~ '^pg_' AND held.pid <> pg_backend_pid()
GROUP BY held.pid, session.usename, session.application_name
ORDER BY bool_or(held.mode LIKE '%Exclusive%') DESC, min(session.xact_start) NULLS LAST, held.pid
LIMIT 3
"""

#: Column types in PostgreSQL.
SQL_TYPES: dict[ColumnType, str] = {
    "text": "text",
    "float": "double precision",
    "integer": "bigint",
    "boolean": "boolean",
    "time": "timestamp with time zone",
    "date": "date",
    "json": "jsonb",
}


def head() -> str:
    """The newest revision that this program knows; revisions are numbered, and their files named by number."""
    return max(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def upgrade(admin_url: str, *, lock_seconds: float = LOCK_SECONDS) -> bool:
    """Bring the schema up to date. Runs at the same time wait for each other; at the newest revision it is quick.

    A statement that has to wait for a table makes everybody wait who asks for it later, readers too: hence it waits for
    a few seconds only, and then all of it is given up.

    Args:
        admin_url: of the owner, on the database `energy`.
        lock_seconds: how long one statement waits for a lock.

    Returns:
        whether there was anything to do.

    Raises:
        StoreError: the schema is newer than this program, somebody holds a lock for longer, or the server refuses.
    """
    with connect(admin_url, autocommit=True) as connection, store_errors(admin_url):
        try:
            if _is_current(connection, admin_url, lock_seconds):
                return False
            # held while another migrates, which has an end
            connection.execute("SET lock_timeout = 0")
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            if _is_current(connection, admin_url, lock_seconds):
                return False
            connection.execute("CREATE SCHEMA IF NOT EXISTS energy")
            _run_alembic(admin_url, lock_seconds)
        except psycopg.errors.LockNotAvailable:
            raise blocked(connection, admin_url, lock_seconds) from None
    return True


def revision(url: str) -> str:
    """The schema's revision, empty where there is none yet.

    Raises:
        StoreError: the server refuses.
    """
    with connect(url, autocommit=True) as connection, store_errors(url):
        return _revision(connection)


def blocked(connection: psycopg.Connection, url: str, lock_seconds: float) -> StoreError:
    """The error of a change that waited for a lock in vain: it names the sessions that hold some in the database."""
    holders = connection.execute(_HOLDERS).fetchall()
    named = "; ".join(f"process {pid} of {role}{f' ({program})' if program else ''}" for pid, role, program in holders)
    ending = f"SELECT pg_terminate_backend({holders[0][0]})" if holders else ""
    return StoreError(
        f"Another session holds a lock that a change of the schema needs, for longer than {lock_seconds:g} s"
        + (f"; locks are held by {named}." if named else "; it is gone by now."),
        where=place_of(url),
        remedy="Nothing of the change was kept. Wait until that work is done"
        + (f", or end it ({ending}), and" if ending else " and")
        + " run it again; ENERGY_MIGRATION_LOCK_SECONDS says how long it waits.",
    )


def add_field(
    admin_url: str,
    measurement: str,
    field: str,
    type_: ColumnType,
    *,
    lock_seconds: float = LOCK_SECONDS,
    attempts: int = _FIELD_ATTEMPTS,
) -> None:
    """Give a time-series table a further field, where it has none of that name.

    Other estates may be loading into the table: it is tried again, and between two attempts others get their turn.

    Args:
        admin_url: of the owner, on the database `energy`.
        measurement: name of the table in schema `timeseries`.
        field: its name, as it is.
        type_: its type, for ever.
        lock_seconds: how long one attempt waits for the table.
        attempts: how many there are.

    Raises:
        FieldTypeConflictError: the field is there with another type.
        StoreError: the server refuses, or others hold the table all the time.
    """
    with connect(admin_url, autocommit=True) as connection, store_errors(admin_url):
        if field_types(connection, measurement).get(field) is None:
            change = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                sql.Identifier("timeseries", measurement),
                sql.Identifier(field),
                sql.SQL(SQL_TYPES[type_]),  # type: ignore[arg-type]
            )
            connection.execute(sql.SQL("SET lock_timeout = {}").format(_milliseconds(lock_seconds)))
            for attempt in range(1, attempts + 1):
                try:
                    connection.execute(change)
                    break
                except psycopg.errors.LockNotAvailable:
                    if attempt == attempts:
                        raise blocked(connection, admin_url, attempts * lock_seconds) from None
                    time.sleep(_FIELD_PAUSE_SECONDS)
        check_field(connection, measurement, field, type_)


def check_field(connection: psycopg.Connection, measurement: str, field: str, type_: ColumnType) -> None:
    """Raise FieldTypeConflictError where a field of a time-series table has another type."""
    found = field_types(connection, measurement).get(field)
    if found != SQL_TYPES[type_]:
        raise FieldTypeConflictError(
            f"The field holds {found}, and the estate says {SQL_TYPES[type_]}.",
            where=f"{measurement}.{field}",
            remedy="A field keeps one type for ever: give the column another field's name in estate.yaml.",
        )


def field_types(connection: psycopg.Connection, measurement: str) -> dict[str, str]:
    """Columns of a time-series table and their types as PostgreSQL spells them; empty where there is no such table."""
    return dict(
        connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [sql.Identifier("timeseries", measurement).as_string(connection)],
        ).fetchall()
    )


def _revision(connection: psycopg.Connection) -> str:
    if connection.execute("SELECT to_regclass('energy.alembic_version')").fetchone() == (None,):
        return ""
    row = connection.execute("SELECT version_num FROM energy.alembic_version").fetchone()
    return "" if row is None else row[0]


def _is_current(connection: psycopg.Connection, admin_url: str, lock_seconds: float) -> bool:
    connection.execute(sql.SQL("SET lock_timeout = {}").format(_milliseconds(lock_seconds)))
    found = _revision(connection)
    if found > head():
        raise StoreError(
            f"The schema is at revision {found}, newer than this program, which knows {head()}.",
            where=place_of(admin_url),
            remedy="Use the newer program.",
        )
    return found == head()


def _milliseconds(seconds: float) -> int:
    # 0 would mean for ever
    return max(1, round(seconds * 1000))


def _run_alembic(admin_url: str, lock_seconds: float) -> None:
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import SQLAlchemyError

    url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", plain_url(admin_url))
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = {_milliseconds(lock_seconds)}"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "pgcode", None) == LOCK_NOT_AVAILABLE:
            raise psycopg.errors.LockNotAvailable from None
        cause = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise StoreError(
            f"The schema could not be brought up to date: {cause}.",
            where=place_of(admin_url),
            remedy="Nothing of the migration was kept; mend the cause and run it again: energy-platform up",
        ) from error
    finally:
        engine.dispose()
