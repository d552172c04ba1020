"""The schema that the migrations make is the one that the contracts describe."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from energy_platform.domain.contracts import Contract
from energy_platform.domain.errors import FieldTypeConflictError, StoreError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.settings import Settings
from energy_platform.stores.postgres import migrations, quarantine
from energy_platform.stores.postgres.bootstrap import ROLES, Databases, administrator_sql, ensure_roles
from energy_platform.stores.postgres.migrations import SQL_TYPES, add_field, head, revision, upgrade

CONTRACTS = [("energy", table) for table in TABLES.values()] + [
    ("timeseries", measurement) for measurement in MEASUREMENTS.values()
]


def admin(stores: Settings) -> psycopg.Connection:
    return psycopg.connect(stores.postgres_admin_url.get_secret_value(), autocommit=True)


@pytest.mark.parametrize(("schema", "contract"), CONTRACTS, ids=lambda value: getattr(value, "name", value))
def test_live_columns_types_and_keys_are_the_contracts(stores: Settings, schema: str, contract: Contract) -> None:
    with admin(stores) as connection:
        relation = f"{schema}.{contract.name}"
        columns = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [relation],
        ).fetchall()
        key = connection.execute(
            "SELECT array_agg(a.attname ORDER BY k.ordinality) FROM pg_index i"
            " CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k(attnum, ordinality)"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
            " WHERE i.indrelid = %s::regclass AND i.indisprimary",
            [relation],
        ).fetchone()
    expected = [(column.name, SQL_TYPES[column.type]) for column in contract.columns]
    if schema == "energy":
        expected.append(("estate", "text"))
    assert [(name, type_) for name, type_, _ in columns][: len(expected)] == expected
    assert key == (list(contract.key),)
    required = {name for name, _, needed in columns if needed}
    wanted = {column.name for column in contract.columns if column.required}
    if schema == "energy":
        assert required == wanted | set(contract.key) | {"estate"}
    else:
        assert required == set(contract.key)


def test_every_tenant_owned_table_forces_row_level_security(stores: Settings) -> None:
    with admin(stores) as connection:
        rows = connection.execute(
            "SELECT n.nspname || '.' || c.relname, c.relrowsecurity AND c.relforcerowsecurity"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('energy', 'timeseries') AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        ).fetchall()
    assert {name for name, forced in rows if not forced} == {
        "energy.alembic_version",
        "energy.load_ledger",
        "energy.backups",
    }
    assert {name for name, forced in rows if forced} == {f"{schema}.{table.name}" for schema, table in CONTRACTS} | {
        "energy.quarantine",
        "energy.claims",
        "energy.mended_rows",
        "energy.audit_log",
    }


def test_head_is_what_alembic_says() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations._FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == head()


def test_upgrade_at_head_is_quick_and_changes_nothing(stores: Settings) -> None:
    started = time.monotonic()
    upgrade(stores.postgres_admin_url.get_secret_value())
    assert time.monotonic() - started < 1


def scratch_database(stores: Settings, name: str) -> str:
    """A further database of the owner's, which may not create one: by the server's superuser."""
    import json

    credentials = json.loads((stores.home / "credentials.json").read_text())
    url = stores.postgres_admin_url.get_secret_value()
    address = url.rpartition("@")[2].partition("/")[0]
    superuser = f"postgresql://postgres:{credentials['postgres']}@{address}/postgres"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" OWNER energy_owner')
    return url.rpartition("/")[0] + f"/{name}"


def test_two_upgrades_at_once_make_one_schema(stores: Settings) -> None:
    url = scratch_database(stores, "two_upgrades")
    with ThreadPoolExecutor(2) as pool:
        for upgraded in [pool.submit(upgrade, url) for _ in range(2)]:
            upgraded.result()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM energy.alembic_version").fetchall() == [(head(),)]
        assert connection.execute(
            "SELECT count(*) FROM pg_class"
            " WHERE relispartition AND relkind = 'r' AND relnamespace = 'timeseries'::regnamespace"
        ).fetchone() == (4 * 31,)


def test_a_newer_schema_is_refused_by_number(stores: Settings) -> None:
    url = scratch_database(stores, "newer_schema")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA energy")
        connection.execute("CREATE TABLE energy.alembic_version AS SELECT '9999' AS version_num")
    with pytest.raises(StoreError, match="revision 9999"):
        upgrade(url)


def test_roles_are_made_again_without_harm(stores: Settings) -> None:
    import json

    credentials = json.loads((stores.home / "credentials.json").read_text())
    address = stores.postgres_url.get_secret_value().rpartition("@")[2].partition("/")[0]
    superuser = f"postgresql://postgres:{credentials['postgres']}@{address}/postgres"
    passwords = {role: credentials[role] for role in ROLES}
    for _ in range(2):
        ensure_roles(superuser, Databases(dagster="dagster_again"), passwords)
    with psycopg.connect(superuser) as connection:
        roles = dict(
            connection.execute(
                "SELECT rolname, rolbypassrls FROM pg_roles WHERE rolname LIKE 'energy%' AND rolcanlogin"
                " AND NOT rolsuper AND NOT rolcreatedb AND NOT rolcreaterole"
            ).fetchall()
        )
        assert roles == {"energy_owner": False, "energy_loader": True, "energy_backup": True, "energy_app": False}
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'dagster_again'"
        ).fetchone()
        assert owner == ("energy_owner",)
    psycopg.connect(stores.postgres_app_url.get_secret_value()).close()


def test_the_administrators_script_names_all_and_holds_no_password() -> None:
    script = administrator_sql(Databases(dagster="dagster_x"))
    for role in ROLES:
        assert f"CREATE ROLE {role} LOGIN" in script
        assert f"'<password of {role}>'" in script
    assert 'CREATE DATABASE "dagster_x"' in script
    elsewhere = administrator_sql(Databases(dagster="", dagster_owner="energy_dagster"))
    assert elsewhere.count("CREATE DATABASE") == 1
    assert "energy_dagster" not in elsewhere


def test_a_field_is_added_once_and_keeps_its_type(stores: Settings) -> None:
    url = scratch_database(stores, "further_fields")
    upgrade(url)
    for _ in range(2):
        add_field(url, "energy_consumption", 'wärme "kWh"; --', "float")
    with psycopg.connect(url) as connection:
        assert migrations.field_types(connection, "energy_consumption")['wärme "kWh"; --'] == "double precision"
    with pytest.raises(FieldTypeConflictError, match="double precision"):
        add_field(url, "energy_consumption", 'wärme "kWh"; --', "text")
    with pytest.raises(StoreError):
        add_field(url, "nothing", "x", "float")


def test_a_field_waits_for_loads_that_are_at_work_and_then_gives_up(stores: Settings) -> None:
    url = scratch_database(stores, "busy_fields")
    upgrade(url)
    with psycopg.connect(url, application_name="a load") as holder:
        holder.execute("LOCK TABLE timeseries.energy_consumption IN ROW EXCLUSIVE MODE")
        with pytest.raises(StoreError, match=f"for longer than 0.1 s.*process {holder.info.backend_pid} .*a load"):
            add_field(url, "energy_consumption", "gas_m3", "float", lock_seconds=0.05, attempts=2)
    add_field(url, "energy_consumption", "gas_m3", "float", lock_seconds=0.05, attempts=2)
    with psycopg.connect(url) as connection:
        assert migrations.field_types(connection, "energy_consumption")["gas_m3"] == "double precision"


@pytest.fixture
def first_schema(stores: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """The owner's URL of a database of the first revision; the next ones alter its quarantine, among others."""
    url = scratch_database(stores, "locked_schema")
    everything = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, revision: everything(config, "0001"))
        upgrade(url)
    return url


def test_a_migration_gives_up_on_a_lock_names_its_holder_and_keeps_nothing(first_schema: str) -> None:
    reading = psycopg.connect(first_schema, application_name="nightly report")
    with reading, psycopg.connect(first_schema, options="-c statement_timeout=60000") as other:
        reading.execute("SELECT count(*) FROM energy.quarantine")  # and its transaction stays open
        with pytest.raises(StoreError) as caught:
            upgrade(first_schema, lock_seconds=0.2)
        pid = reading.info.backend_pid
        assert "holds a lock that a change of the schema needs, for longer than 0.2 s" in caught.value.what
        assert f"process {pid} of energy_owner (nightly report)" in caught.value.what
        assert f"SELECT pg_terminate_backend({pid})" in caught.value.remedy
        assert "run it again" in caught.value.remedy
        # nobody waits behind the migration any more
        assert other.execute("SELECT count(*) FROM energy.quarantine").fetchone() == (0,)
        assert revision(first_schema) == "0001"
    assert upgrade(first_schema) is True
    assert revision(first_schema) == head()
    assert upgrade(first_schema) is False


def test_a_lock_on_the_revision_itself_is_not_waited_for_either(first_schema: str) -> None:
    with psycopg.connect(first_schema) as holder:
        holder.execute("LOCK TABLE energy.alembic_version IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match=f"process {holder.info.backend_pid} of energy_owner"):
            upgrade(first_schema, lock_seconds=0.2)


def test_a_lock_that_goes_in_time_is_waited_for(first_schema: str) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(first_schema) as holder:
        holder.execute("LOCK TABLE energy.quarantine IN ACCESS SHARE MODE")
        upgraded = pool.submit(upgrade, first_schema, lock_seconds=60)
        with psycopg.connect(first_schema, autocommit=True) as watcher:
            deadline = time.monotonic() + 60
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'energy.quarantine'::regclass"
            while watcher.execute(waiting).fetchone() == (0,) and time.monotonic() < deadline:
                time.sleep(0.02)
        holder.commit()
        assert upgraded.result() is True


def test_a_database_of_the_first_schema_keeps_its_rows_and_rules(
    stores: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = scratch_database(stores, "first_schema")
    everything = command.upgrade
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", lambda config, revision: everything(config, "0001"))
        upgrade(url)
    loader = stores.postgres_url.get_secret_value().rpartition("/")[0] + "/first_schema"
    app = stores.postgres_app_url.get_secret_value().rpartition("/")[0] + "/first_schema"
    with psycopg.connect(loader) as connection:
        for tenant in ("t", "u"):
            connection.execute(
                "INSERT INTO energy.quarantine (estate, tenant_id, asset, partition, source, row_key, reason, raw,"
                " run_id) VALUES ('e', %s, 'a', 'all', 's', 'k', 'conflict', '{\"a\": 1}', 'r')",
                [tenant],
            )
    upgrade(url)
    with psycopg.connect(loader) as connection:
        assert quarantine.entries(connection, "e").select("tenant_id", "raw", "detail").rows() == [
            ("t", '{"a":1}', ""),
            ("u", '{"a":1}', ""),
        ]
    with psycopg.connect(app) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'u', false)")
        assert connection.execute("SELECT tenant_id, detail FROM energy.quarantine").fetchall() == [("u", "")]
