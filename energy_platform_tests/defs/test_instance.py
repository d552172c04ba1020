"""Dagster's own tables are made and brought up to date by the command that makes servers ready."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from energy_platform.defs.instance import migrate_instance
from energy_platform.domain.errors import StoreError
from energy_platform.local.credentials import load_credentials
from energy_platform.settings import Settings

DATABASE = "dagster_instance_test"


@pytest.fixture
def settings(stores: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings that name an empty database for Dagster."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    password = load_credentials(stores.home)["postgres"]
    url = stores.dagster_postgres_url.get_secret_value()
    address = url.rpartition("@")[2].rpartition("/")[0]
    name = sql.Identifier(DATABASE)
    with psycopg.connect(f"postgresql://postgres:{password}@{address}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER energy_owner").format(name))
        yield stores.model_copy(
            update={
                "dagster_postgres_url": SecretStr(f"{url.rpartition('/')[0]}/{DATABASE}?application_name=migrating"),
                "migration_lock_seconds": 0.2,
            }
        )
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def contents(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(settings.dagster_postgres_url.get_secret_value()) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            table: connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
            for (table,) in tables
        }


def test_tables_are_made_once_and_stay(settings: Settings) -> None:
    place = migrate_instance(settings)
    assert place.endswith(f"/{DATABASE}")
    first = contents(settings)
    assert {"runs", "event_logs", "instigators", "alembic_version"} <= first.keys()
    assert os.environ["ENERGY_DAGSTER_POSTGRES_URL"] == settings.dagster_postgres_url.get_secret_value()
    migrate_instance(settings)
    assert contents(settings) == first


def test_a_lock_is_not_waited_for_and_its_holder_is_named(settings: Settings) -> None:
    migrate_instance(settings)
    with psycopg.connect(settings.dagster_postgres_url.get_secret_value()) as holder:
        holder.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match=f"process {holder.info.backend_pid} of energy_owner \\(migrating\\)"):
            migrate_instance(settings)


def test_a_role_without_rights_is_told_so(settings: Settings, stores: Settings) -> None:
    url = stores.postgres_app_url.get_secret_value().rpartition("/")[0] + f"/{DATABASE}"
    with pytest.raises(StoreError, match=f"energy_app@.*/{DATABASE}: Dagster's tables could not be brought up to date"):
        migrate_instance(settings.model_copy(update={"dagster_postgres_url": SecretStr(url)}))
