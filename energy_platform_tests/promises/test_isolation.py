"""Promise 6: no tenant sees another's data; estates share stores without touching each other; secrets are not shown."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from energy_platform.domain.errors import OwnershipError
from energy_platform.settings import Settings
from energy_platform_tests import oracle
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import command, kind_of, load, small_estate, verify


@pytest.fixture(scope="module")
def neighbours(stores: Settings, estates: Path) -> tuple[str, str]:
    """Two tenants of two estates in the same stores; buildings and sensors have the same codes."""
    for name in ("isolated_a", "isolated_b"):
        load(stores, small_estate(estates, name))
    return "isolated_a", "isolated_b"


def as_app(stores: Settings, tenant: str | None) -> psycopg.Connection:
    connection = psycopg.connect(stores.postgres_app_url.get_secret_value())
    if tenant is not None:
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", (tenant,))
    return connection


def tenant_tables(stores: Settings) -> list[str]:
    with store.connect(stores) as connection:
        rows = connection.execute(
            "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.columns"
            " JOIN pg_class ON relname = table_name AND relnamespace = table_schema::regnamespace"
            " WHERE column_name = 'tenant_id' AND table_schema IN ('energy', 'timeseries') AND NOT relispartition"
            " AND relkind IN ('r', 'p')"
        ).fetchall()
    return sorted(row["name"] for row in rows)


def test_the_app_sees_its_tenant_only(stores: Settings, neighbours: tuple[str, str]) -> None:
    tables = tenant_tables(stores)
    assert len(tables) >= 16
    filled = 0
    for tenant in neighbours:
        with as_app(stores, tenant) as connection:
            for table in tables:
                tenants = {row[0] for row in connection.execute(f"SELECT DISTINCT tenant_id FROM {table}")}
                assert tenants <= {tenant}, table
                filled += bool(tenants)
    assert filled >= 28


@pytest.mark.parametrize("tenant", [None, "", "nobody"])
def test_nobody_sees_nothing(stores: Settings, neighbours: tuple[str, str], tenant: str | None) -> None:
    with as_app(stores, tenant) as connection:
        for table in tenant_tables(stores):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


def test_the_app_cannot_write_for_another(stores: Settings, neighbours: tuple[str, str]) -> None:
    ours, theirs = neighbours
    with as_app(stores, ours) as connection:
        changed = connection.execute("UPDATE energy.users SET role = 'owner' WHERE tenant_id = %s", (theirs,)).rowcount
        assert changed == 0
        connection.commit()
        connection.execute("SELECT set_config('app.tenant_id', %s, false)", (ours,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "INSERT INTO energy.settings (tenant_id, name, estate) VALUES (%s, 'ghost', 'ghost')", (theirs,)
            )


def test_the_app_reads_no_partition_and_no_ledger(stores: Settings, neighbours: tuple[str, str]) -> None:
    for table in ("timeseries.sensor_data_2025", "energy.load_ledger", "energy.backups"):
        with as_app(stores, neighbours[0]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT 1 FROM {table}")


def test_keys_carry_the_tenant(stores: Settings, neighbours: tuple[str, str]) -> None:
    first, second = (store.keys_of(stores, tenant) for tenant in neighbours)
    assert len(first) == len(second) >= 3
    assert not first.keys() & second.keys()


# -- two estates in the same stores ------------------------------------------------------------------------------------


def test_two_estates_of_two_tenants(target: Settings, estates: Path) -> None:
    names = [f"pair_{letter}_{kind_of(target)}" for letter in "ab"]
    folders = [small_estate(estates, name, seed=seed) for seed, name in enumerate(names, start=20)]
    for folder in folders:
        load(target, folder)
    before = store.state_of(target, names[0], names[0])
    for name, folder in zip(names, folders, strict=True):
        assert verify(target, folder).findings == []
        expected = oracle.expected_of(folder, oracle.sample_of(folder))
        assert oracle.point_differences(expected.points, store.points_in(target, name)) == []
    load(target, folders[1], force=True)
    assert store.state_of(target, names[0], names[0]) == before


def other_buildings(folder: Path) -> None:
    """Give all buildings and sensors of a sample other codes."""
    import sqlite3
    from contextlib import closing

    for name in ("building_data.csv", "buildings.csv", "sensor_config.json", "billing.csv"):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        for old in ("B0", "temp_", "hum_", "occ_", "power_0"):
            new = "C0" if old == "B0" else f"c{old}"
            text = text.replace(f'"{old}', f'"{new}') if name.endswith("json") else text.replace(old, new)
        path.write_text(text.replace("INV-", "CINV-"), encoding="utf-8")
    with closing(sqlite3.connect(folder / "sensor_readings.db")) as database, database:
        for table in ("sensor_readings", "alerts", "sensor_status"):
            database.execute(f"UPDATE {table} SET sensor_id = 'c' || sensor_id WHERE sensor_id <> ''")
        database.execute("UPDATE sensor_readings SET building_id = replace(building_id, 'B0', 'C0')")


def only_buildings(folder: Path) -> None:
    """Leave out what both estates would say of the same tenant: accounts and scores."""
    path = folder / "estate.yaml"
    text = path.read_text(encoding="utf-8")
    dropped = ("users", "subscriptions", "billing", "settings", "model_scores", "feature_importances", "tenants")
    kept: list[str] = []
    skipping = False
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent <= 2 and line.strip():
            skipping = indent == 2 and line.strip().split(":")[0] in dropped
        if not skipping:
            kept.append(line)
    ignored = ("users", "subscriptions", "billing", "settings", "model_performance", "feature_importance", "tenants")
    kept += [f"  {name}.csv: stands in the other estate" for name in ignored]
    path.write_text("\n".join(kept).replace("models: {folder: models}", "") + "\n", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8") + "  models: stand in the other estate\n", encoding="utf-8")


def test_two_estates_of_one_tenant_with_different_buildings(target: Settings, estates: Path) -> None:
    tenant = f"shared_{kind_of(target)}"
    first = small_estate(estates, f"{tenant}_one", tenant=tenant)
    second = small_estate(estates, f"{tenant}_two", tenant=tenant)
    other_buildings(second)
    only_buildings(second)
    load(target, first)
    load(target, second)
    found = store.points_in(target, tenant)
    expected = [oracle.expected_of(folder, oracle.sample_of(folder)).points for folder in (first, second)]
    together = {name: {**expected[0][name], **expected[1][name]} for name in expected[0]}
    assert oracle.point_differences(together, found)[:3] == []
    for folder in (first, second):
        assert verify(target, folder).findings == []


def test_points_of_another_estate_are_refused_before_the_first_write(target: Settings, estates: Path) -> None:
    tenant = f"taken_{kind_of(target)}"
    first = small_estate(estates, f"{tenant}_first", tenant=tenant)
    second = small_estate(estates, f"{tenant}_second", tenant=tenant, seed=8)
    load(target, first, only="timeseries/")
    before = store.points_in(target, tenant)
    for asset in ("timeseries/energy_consumption", "timeseries/sensor_data"):
        with pytest.raises(OwnershipError, match=f"{tenant}_first"):
            load(target, second, only=asset)
    assert store.points_in(target, tenant) == before
    assert verify_points(target, first) == []


def verify_points(settings: Settings, folder: Path) -> list[str]:
    """What verification finds wrong with the points of an estate of which nothing else is loaded."""
    return [finding.reason for finding in verify(settings, folder).findings if finding.asset.startswith("timeseries/")]


# -- secrets and personal data -----------------------------------------------------------------------------------------


def test_secrets_and_personal_data_are_not_shown(stores: Settings, estates: Path) -> None:
    folder = small_estate(estates, "discreet")
    shown = ""
    for arguments in (
        ("migrate", str(folder), "--max-error-ratio", "0.05"),
        ("verify", str(folder)),
    ):
        called = command(stores, folder, *arguments, report=True, ENERGY_DEBUG="1")
        assert called.code == 0, called.output
        shown += called.output + json.dumps(called.report, ensure_ascii=False)
    with store.connect(stores) as connection:
        ledger = connection.execute("SELECT facts::text, reason FROM energy.load_ledger").fetchall()
        users = connection.execute("SELECT * FROM energy.users WHERE tenant_id = 'discreet'").fetchall()
    shown += "".join(row["facts"] + row["reason"] for row in ledger)
    shown += dagster_state(stores)
    urls = (stores.postgres_url, stores.postgres_admin_url, stores.postgres_app_url, stores.redis_url)
    secrets = {unquote(urlsplit(url.get_secret_value()).password or "") for url in urls} - {""}
    assert len(secrets) == 4
    personal = {value for user in users for value in (user["email"], user["name"], user["password_hash"])}
    assert len(personal) >= 6
    for secret in secrets | personal:
        assert secret not in shown
    assert '"rows"' in shown


def dagster_state(stores: Settings) -> str:
    """Everything that Dagster keeps of its runs: events with their metadata, and run configuration."""
    address = stores.postgres_admin_url.get_secret_value()
    with psycopg.connect(address) as connection:
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'dagster%'")]
    text = ""
    for name in names:
        try:
            with psycopg.connect(urlsplit(address)._replace(path=f"/{name}").geturl()) as connection:
                for statement in ("SELECT event FROM event_logs", "SELECT run_body FROM runs"):
                    text += "".join(row[0] for row in connection.execute(statement))
        except psycopg.errors.UndefinedTable:
            continue
    assert text, "Dagster's state was looked for in the wrong place"
    return text
