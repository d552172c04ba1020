"""No tenant sees or touches another's rows: as energy_app, in every table that a tenant owns."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from energy_platform.domain.contracts import Contract
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.settings import Settings

TENANTS = ("one", "two")
OTHER_TABLES = {
    "energy.quarantine": ["estate", "asset", "partition", "source", "row_key", "reason", "run_id"],
    "energy.mended_rows": ["estate", "source", "row_key", "identity", "raw", "mended"],
    "energy.claims": ["estate", "measurement", "series"],
    "energy.audit_log": ["actor", "action"],
}
FULL = ["buildings", "sensors", "sensor_status", "users", "subscriptions", "billing", "settings"]
ALL = [
    *(f"energy.{name}" for name in TABLES),
    *OTHER_TABLES,
    *(f"timeseries.{name}" for name in MEASUREMENTS),
]
SAMPLES = {"text": "x", "integer": "1", "float": "1", "time": "2024-01-01T00:00:00Z"}


def values_of(table: str, tenant: str) -> dict[str, str]:
    schema, name = table.split(".")
    if table in OTHER_TABLES:
        values = dict.fromkeys(OTHER_TABLES[table], "x")
        if name == "claims":
            values |= dict.fromkeys(("first_time", "last_time"), SAMPLES["time"])
        if name == "mended_rows":
            values |= {"identity": tenant, "raw": "{}", "mended": "{}"}
        return {"tenant_id": tenant} | values
    contract: Contract = TABLES[name] if schema == "energy" else MEASUREMENTS[name]
    values = {c.name: SAMPLES[c.type] for c in contract.columns if c.required or c.name in contract.key}
    return values | {"tenant_id": tenant} | ({"estate": "x"} if schema == "energy" else {})


def insert(connection: psycopg.Connection, table: str, tenant: str, **changes: str) -> None:
    values = values_of(table, tenant) | changes
    names = ", ".join(f'"{name}"' for name in values)
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values())
    )


@pytest.fixture(scope="module", autouse=True)
def rows_of_two_tenants(stores: Settings) -> None:
    with psycopg.connect(stores.postgres_url.get_secret_value()) as connection:
        for table in ALL:
            connection.execute(f"DELETE FROM {table}")
            for tenant in TENANTS:
                insert(connection, table, tenant)


@pytest.fixture
def app(stores: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stores.postgres_app_url.get_secret_value()) as connection:
        yield connection
        connection.rollback()


def become(connection: psycopg.Connection, tenant: str) -> None:
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [tenant])


def may(connection: psycopg.Connection, table: str, right: str) -> bool:
    row = connection.execute("SELECT has_table_privilege(%s, %s)", [table, right]).fetchone()
    return row == (True,)


@pytest.mark.parametrize("table", ALL)
def test_a_tenant_sees_its_own_rows_only(app: psycopg.Connection, table: str) -> None:
    for tenant in TENANTS:
        become(app, tenant)
        assert app.execute(f"SELECT DISTINCT tenant_id FROM {table}").fetchall() == [(tenant,)]
    become(app, "three")
    assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("table", ALL)
def test_nobody_sees_nothing(app: psycopg.Connection, table: str) -> None:
    assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    become(app, "")
    assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    become(app, "one")
    app.commit()
    # the setting was local to the transaction: the next user of this connection is nobody again
    assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("table", ALL)
def test_nobody_inserts_for_another(app: psycopg.Connection, table: str) -> None:
    become(app, "one")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        insert(app, table, "two")


@pytest.mark.parametrize("table", ALL)
def test_nobody_changes_or_deletes_anothers_rows(app: psycopg.Connection, table: str) -> None:
    become(app, "one")
    for right, statement in (
        ("UPDATE", f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = 'two'"),
        ("DELETE", f"DELETE FROM {table} WHERE tenant_id = 'two'"),
    ):
        if may(app, table, right):
            assert app.execute(statement).rowcount == 0
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
                app.execute(statement)


@pytest.mark.parametrize("table", [f"energy.{name}" for name in FULL])
def test_a_tenant_changes_its_own_rows_and_cannot_give_them_away(app: psycopg.Connection, table: str) -> None:
    become(app, "one")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
        app.execute(f"UPDATE {table} SET tenant_id = 'two'")
    key = TABLES[table.split(".")[1]].key[1]
    insert(app, table, "one", **{key: "y"})
    assert app.execute(f"UPDATE {table} SET attributes = '{{}}' WHERE \"{key}\" = 'y'").rowcount == 1
    assert app.execute(f"DELETE FROM {table} WHERE \"{key}\" = 'y'").rowcount == 1


@pytest.mark.parametrize(
    "relation",
    [
        "energy.load_ledger",
        "energy.load_accounts",
        "energy.backups",
        "energy.alembic_version",
        *(f"timeseries.{name}_{part}" for name in MEASUREMENTS for part in (2024, "other")),
    ],
)
def test_the_operators_records_and_partitions_are_closed(app: psycopg.Connection, relation: str) -> None:
    become(app, "one")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(f"SELECT * FROM {relation}")


def test_the_app_has_no_right_on_any_partition(app: psycopg.Connection) -> None:
    assert app.execute(
        "SELECT count(*) FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' AND ("
        " has_table_privilege(c.oid, 'SELECT') OR has_table_privilege(c.oid, 'INSERT')"
        " OR has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE'))"
    ).fetchone() == (0,)


def test_the_app_makes_no_temporary_tables(app: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("CREATE TEMPORARY TABLE x (y text)")


@pytest.mark.parametrize("table", ALL)
def test_the_owner_without_lifting_force_sees_nothing_and_loader_and_backup_all(stores: Settings, table: str) -> None:
    for url, seen in ((stores.postgres_admin_url, 0), (stores.postgres_url, 2)):
        with psycopg.connect(url.get_secret_value()) as connection:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (seen,)
            backup = connection.execute(
                "SELECT has_table_privilege('energy_backup', %s, 'SELECT'),"
                " has_table_privilege('energy_backup', %s, 'INSERT, UPDATE, DELETE')",
                [table, table],
            ).fetchone()
            assert backup == (True, False)
