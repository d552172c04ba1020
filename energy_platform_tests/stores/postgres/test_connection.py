"""What PostgreSQL refuses is said readably, with what to do, and without secrets or rows."""

from __future__ import annotations

import traceback
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.settings import Settings
from energy_platform.stores.postgres.connection import PostgresStore

SECRET = "s3cret-w0rd"


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def with_password(stores: Settings, password: str) -> str:
    parts = urlsplit(stores.postgres_url.get_secret_value())
    return f"postgresql://{parts.username}:{password}@{parts.hostname}:{parts.port}{parts.path}"


def test_a_block_that_succeeds_is_committed_and_one_that_fails_is_not(store: PostgresStore) -> None:
    insert = "INSERT INTO energy.backups (backup_id, state, location) VALUES (%s, '', '')"
    with store.connection() as connection:
        assert connection.autocommit is False
        connection.execute(insert, ["kept"])

    def fail() -> None:
        with store.connection() as connection:
            connection.execute(insert, ["lost"])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.connection() as connection:
        assert connection.execute("SELECT backup_id FROM energy.backups").fetchall() == [("kept",)]
    assert connection.closed


def test_the_session_is_in_utc_and_named(store: PostgresStore) -> None:
    store.ping()
    with store.connection() as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        assert connection.execute("SHOW application_name").fetchone() == ("energy-platform",)


def test_a_server_that_is_not_there() -> None:
    store = PostgresStore(SecretStr(f"postgresql://energy_loader:{SECRET}@127.0.0.1:1/energy"))
    with pytest.raises(
        StoreUnavailableError, match=r"energy_loader@127\.0\.0\.1:1/energy: .*energy-platform up"
    ) as caught:
        store.ping()
    assert SECRET not in shown(caught.value)
    assert SECRET not in repr(store)


def test_a_wrong_password(stores: Settings) -> None:
    with pytest.raises(StoreAccessError, match="password") as caught:
        PostgresStore(SecretStr(with_password(stores, SECRET))).ping()
    assert SECRET not in shown(caught.value)


def test_a_malformed_url() -> None:
    with pytest.raises(StoreAccessError, match="cannot be read") as caught:
        PostgresStore(SecretStr(f"postgresql://x:{SECRET}%zz@h:1/d")).ping()
    assert SECRET not in shown(caught.value)


def test_a_missing_database(stores: Settings) -> None:
    url = stores.postgres_url.get_secret_value().rpartition("/")[0] + "/nowhere"
    with pytest.raises(StoreError, match="energy-platform up"):
        PostgresStore(SecretStr(url)).ping()


def test_a_missing_table(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match=r"energy\.nothing.*energy-platform up"), store.connection() as connection:
        connection.execute("SELECT * FROM energy.nothing")


def test_a_missing_right(stores: Settings) -> None:
    store = PostgresStore(stores.postgres_app_url)
    with pytest.raises(StoreAccessError, match="load_ledger"), store.connection() as connection:
        connection.execute("SELECT * FROM energy.load_ledger")


def test_a_connection_that_the_server_ends(store: PostgresStore, stores: Settings) -> None:
    def work() -> None:
        with store.connection() as connection:
            pid = connection.info.backend_pid
            with PostgresStore(stores.postgres_url).connection() as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
            connection.execute("SELECT pg_sleep(1)")

    with pytest.raises(StoreUnavailableError):
        work()


def test_no_value_of_a_row_is_shown(store: PostgresStore) -> None:
    insert = "INSERT INTO energy.users (tenant_id, user_id, email, estate) VALUES ('t', %s, %s, '')"
    for statement, values in (
        (insert, ["u", SECRET]),
        ("SELECT %s::text::double precision", [SECRET]),
        ("SELECT %s::text::jsonb", [SECRET]),
    ):
        with pytest.raises(StoreError) as caught, store.connection() as connection:
            connection.execute(statement, values)
        assert SECRET not in shown(caught.value)
    assert isinstance(caught.value.__context__, psycopg.Error)
    assert caught.value.__suppress_context__
