"""Dagster's own tables, brought up to date as `dagster instance migrate` does it."""

from __future__ import annotations

import os
from urllib.parse import quote

from dagster import DagsterInstance
from psycopg import conninfo
from sqlalchemy.exc import DBAPIError

from energy_platform.domain.errors import StoreError
from energy_platform.local.environment import environment
from energy_platform.settings import Settings
from energy_platform.stores.postgres.connection import connect, place_of, store_errors
from energy_platform.stores.postgres.locks import key_of
from energy_platform.stores.postgres.migrations import LOCK_NOT_AVAILABLE, blocked

_VARIABLE = "ENERGY_DAGSTER_POSTGRES_URL"


def migrate_instance(settings: Settings) -> str:
    """Make Dagster's tables, or bring them up to date; at the newest version nothing changes. Gives their place.

    Two who do it at once wait for each other. A statement waits for a lock no longer than those of our own migrations.

    Raises:
        StoreError: the database does not answer or refuses, or somebody holds a lock for longer.
    """
    url = settings.dagster_postgres_url.get_secret_value()
    with connect(url, autocommit=True) as connection, store_errors(url):
        connection.execute("SELECT pg_advisory_lock(%s)", [key_of("dagster instance migrate")])
        for name, value in environment(settings).items():
            os.environ.setdefault(name, value)
        os.environ[_VARIABLE] = _impatient(url, settings.migration_lock_seconds)
        try:
            with DagsterInstance.get() as instance:
                instance.upgrade()
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise StoreError(
                    f"Dagster's tables could not be brought up to date: {type(error.orig).__name__}.",
                    where=place_of(url),
                    remedy="See that the role owns this database; then run it again.",
                ) from error
            raise blocked(connection, url, settings.migration_lock_seconds) from None
        finally:
            os.environ[_VARIABLE] = url
    return place_of(url)


def _impatient(url: str, lock_seconds: float) -> str:
    """The URL with a limit on how long a statement waits for a lock."""
    given = str(conninfo.conninfo_to_dict(url).get("options") or "")
    options = quote(f"{given} -c lock_timeout={max(1, round(lock_seconds * 1000))}".strip())
    bare, _, query = url.partition("?")
    others = [part for part in query.split("&") if part and not part.startswith("options=")]
    return f"{bare}?{'&'.join([*others, f'options={options}'])}"
