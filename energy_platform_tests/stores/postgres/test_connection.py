"""What PostgreSQL refuses is said readably, with what to do, and without secrets or rows."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from pydantic import SecretStr

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.settings import Settings
from energy_platform.stores.postgres import connection as connection_module
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.locks import partition_lock

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


@pytest.fixture
def keeping(stores: Settings) -> Iterator[PostgresStore]:
    keeping = PostgresStore(stores.postgres_url, kept=2)
    yield keeping
    keeping.close()


def process_of(store: PostgresStore) -> int:
    with store.connection() as connection:
        connection.execute("SELECT 1")
        return connection.info.backend_pid


def is_there(stores: Settings, process: int) -> bool:
    with psycopg.connect(stores.postgres_admin_url.get_secret_value(), autocommit=True) as connection:
        for _ in range(50):
            found = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [process]).fetchone()
            if found == (0,):
                return False
            time.sleep(0.02)
    return True


def test_a_connection_is_used_again(keeping: PostgresStore, store: PostgresStore) -> None:
    assert len({process_of(keeping) for _ in range(3)}) == 1
    assert len({process_of(store) for _ in range(3)}) == 3


def test_so_many_connections_are_kept_and_all_go_in_the_end(keeping: PostgresStore, stores: Settings) -> None:
    with keeping.connection() as one, keeping.connection() as two, keeping.connection() as three:
        processes = [connection.info.backend_pid for connection in (one, two, three)]
    assert sum(is_there(stores, process) for process in processes) == 2
    keeping.close()
    assert not any(is_there(stores, process) for process in processes)
    # and it goes on
    assert process_of(keeping) not in processes


def test_a_kept_connection_that_the_server_has_ended_is_replaced(
    keeping: PostgresStore, store: PostgresStore, stores: Settings
) -> None:
    first = process_of(keeping)
    with store.connection() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [first])
    assert not is_there(stores, first)
    assert process_of(keeping) != first


def test_a_connection_that_was_quiet_for_long_is_replaced(
    keeping: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process_of(keeping)
    monkeypatch.setattr(connection_module, "_KEPT_SECONDS", 0.0)
    assert process_of(keeping) != first


def test_a_block_that_fails_leaves_no_connection_behind(keeping: PostgresStore) -> None:
    first = process_of(keeping)
    with pytest.raises(StoreError), keeping.connection() as connection:
        connection.execute("SELECT 1 / 0")
    with keeping.connection() as connection, contextlib.suppress(psycopg.Error):
        second = connection.info.backend_pid
        connection.execute("SELECT 1 / 0")
    assert len({first, second, process_of(keeping)}) == 3


def test_nothing_of_a_session_is_left_to_the_next_one(keeping: PostgresStore) -> None:
    with keeping.connection() as connection, partition_lock(connection, "an estate", "an asset"):
        connection.execute("CREATE TEMPORARY TABLE left_over ON COMMIT DROP AS SELECT 1 AS x")
        connection.execute("SET TRANSACTION READ ONLY")
    with keeping.connection() as connection:
        locks = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        ).fetchone()
        assert locks == (0,)
        assert connection.execute("SELECT to_regclass('pg_temp.left_over')").fetchone() == (None,)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)
        assert connection.autocommit is False


def test_many_rows_at_once_do_not_wait_for_each_other(keeping: PostgresStore) -> None:
    # sent without a name each, they now and then stand still for tenths of a second
    process_of(keeping)
    with keeping.connection() as connection:
        connection.execute("CREATE TEMPORARY TABLE many (x int, y text) ON COMMIT DROP")
        connection.cursor().executemany("INSERT INTO many VALUES (%s, %s)", [(i, str(i)) for i in range(200)])
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
        assert prepared == (1,)
