"""The schema, brought up to date by Alembic; and further fields of the time-series tables."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import FieldTypeConflictError, StoreError
from energy_platform.stores.postgres.connection import connect, place_of, plain_url, store_errors

_FOLDER = Path(__file__).resolve().parent / "alembic"
#: Held by whoever migrates; others wait, and then find nothing left to do.
_LOCK = 0x656E657267790002

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


def upgrade(admin_url: str) -> None:
    """Bring the schema up to date. Runs at the same time wait for each other; at the newest revision it is quick.

    Args:
        admin_url: of the owner, on the database `energy`.

    Raises:
        StoreError: the schema is newer than this program, or the server refuses.
    """
    with connect(admin_url, autocommit=True) as connection, store_errors(admin_url):
        if _is_current(connection, admin_url):
            return
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if _is_current(connection, admin_url):
            return
        connection.execute("CREATE SCHEMA IF NOT EXISTS energy")
        _run_alembic(admin_url)


def add_field(admin_url: str, measurement: str, field: str, type_: ColumnType) -> None:
    """Give a time-series table a further field, where it has none of that name.

    Args:
        admin_url: of the owner, on the database `energy`.
        measurement: name of the table in schema `timeseries`.
        field: its name, as it is.
        type_: its type, for ever.

    Raises:
        FieldTypeConflictError: the field is there with another type.
        StoreError: the server refuses.
    """
    with connect(admin_url, autocommit=True) as connection, store_errors(admin_url):
        if field_types(connection, measurement).get(field) is None:
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                    sql.Identifier("timeseries", measurement),
                    sql.Identifier(field),
                    sql.SQL(SQL_TYPES[type_]),  # type: ignore[arg-type]
                )
            )
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


def _is_current(connection: psycopg.Connection, admin_url: str) -> bool:
    if connection.execute("SELECT to_regclass('energy.alembic_version')").fetchone() == (None,):
        return False
    row = connection.execute("SELECT version_num FROM energy.alembic_version").fetchone()
    if row is not None and row[0] > head():
        raise StoreError(
            f"The schema is at revision {row[0]}, newer than this program, which knows {head()}.",
            where=place_of(admin_url),
            remedy="Use the newer program.",
        )
    return row is not None and row[0] == head()


def _run_alembic(admin_url: str) -> None:
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
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise StoreError(
            f"The schema could not be brought up to date: {cause}.",
            where=place_of(admin_url),
            remedy="Nothing of the migration was kept; mend the cause and run it again: energy-platform up",
        ) from error
    finally:
        engine.dispose()
