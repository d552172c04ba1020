"""Roles, databases and schema on real servers, by superusers and by administrators who may do less."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import psycopg
import pytest
from pydantic import SecretStr

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.provisioning.postgres import databases_of, passwords_of, provision_postgres
from energy_platform.settings import Settings
from energy_platform.stores.postgres.bootstrap import Databases, administrator_sql, ensure_roles
from energy_platform.stores.postgres.migrations import head
from energy_platform_tests.provisioning.conftest import BareServer

ATTRIBUTES = "SELECT rolname, rolbypassrls FROM pg_roles WHERE rolname LIKE 'energy%' ORDER BY 1"
MADE = ("energy_owner", "energy_loader", "energy_backup", "energy_app", "energy_dagster")
RIGHTS = (
    ("energy_app", False),
    ("energy_backup", True),
    ("energy_dagster", False),
    ("energy_loader", True),
    ("energy_owner", False),
)


def provisioned(settings: Settings) -> list[str]:
    said: list[str] = []
    provision_postgres(settings, said.append)
    return [sentence.partition(": ")[2] for sentence in said]


def roles_made(settings: Settings) -> list[str]:
    """Roles and databases alone, which is quicker: what was made."""
    outcome = ensure_roles(
        settings.provision_postgres_url.get_secret_value(), databases_of(settings), passwords_of(settings)
    )
    assert outcome.missing == []
    return outcome.made


def roles_log_in(settings: Settings) -> None:
    for url in (
        settings.postgres_url,
        settings.postgres_admin_url,
        settings.postgres_app_url,
        settings.postgres_backup_url,
        settings.dagster_postgres_url,
    ):
        psycopg.connect(url.get_secret_value()).close()


def test_a_superuser_makes_all_of_it_and_a_second_time_changes_nothing(bare: BareServer) -> None:
    settings = bare.superusers_settings()
    said = provisioned(settings)
    assert said == [
        f"made {', '.join(f'role {role}' for role in MADE)}, database energy, database dagster_sample, rights.",
        f"the schema was brought to revision {head()}.",
    ]
    roles_log_in(settings)
    assert bare.run(ATTRIBUTES) == list(RIGHTS)
    before = bare.everything()
    assert provisioned(settings) == [
        "roles, databases and rights are there.",
        f"the schema is at revision {head()}.",
    ]
    assert bare.everything() == before


def test_a_server_that_is_too_old_is_refused_before_anything_is_made(
    newer_bare: BareServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_platform.stores.postgres.connection.OLDEST_MAJOR", newer_bare.major + 1)
    with pytest.raises(StoreError) as caught:
        provisioned(newer_bare.superusers_settings())
    assert caught.value.what == f"This is PostgreSQL {newer_bare.server.version}, which is too old."
    assert caught.value.remedy == f"Use PostgreSQL {newer_bare.major + 1} or newer."
    assert newer_bare.run("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'energy%'") == [(0,)]


def test_nobody_but_our_roles_enters_the_databases(newer_bare: BareServer) -> None:
    settings = newer_bare.superusers_settings()
    provisioned(settings)
    newer_bare.run("CREATE ROLE stranger LOGIN PASSWORD 'stranger-1'")
    for url in (settings.postgres_url, settings.dagster_postgres_url):
        database = url.get_secret_value().rpartition("/")[2]
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(f"postgresql://stranger:stranger-1@{newer_bare.address}/{database}")
    loader = settings.postgres_url.get_secret_value().rpartition("/")[0]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{loader}/dagster_sample")
    with psycopg.connect(settings.postgres_app_url.get_secret_value()) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TEMPORARY TABLE t (a int)")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT count(*) FROM energy.load_ledger")


def test_an_administrator_who_is_no_superuser_makes_what_it_may_and_says_what_would_be_faster(bare: BareServer) -> None:
    """Up to PostgreSQL 15 only a superuser gives BYPASSRLS, later one who has it; a parameter always."""
    bare.run("CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD 'master-0a1b2c'")
    settings = bare.settings(administrator="master:master-0a1b2c")
    desirable = [
        'ALTER ROLE "energy_loader" BYPASSRLS;',
        'ALTER ROLE "energy_backup" BYPASSRLS;',
        "GRANT SET ON PARAMETER session_replication_role TO energy_loader;",
    ]
    for _ in range(2):
        said = provisioned(settings)
        assert f"loads are faster where somebody may run: {' '.join(desirable)} Row-level security holds" in said[-1]
        assert "0a1b2c" not in " ".join(said)
    roles_log_in(settings)
    assert bare.run("SELECT count(*) FROM energy.alembic_version", database="energy") == [(1,)]

    bare.run(*desirable)
    before = bare.everything()
    assert provisioned(settings) == ["roles, databases and rights are there.", f"the schema is at revision {head()}."]
    assert bare.everything() == before
    assert bare.run(ATTRIBUTES) == list(RIGHTS)
    # no membership is left over, but for the right to administer that PostgreSQL 16 gives to whoever makes a role
    usable = "SELECT pg_has_role('master', rolname, 'USAGE') FROM pg_roles WHERE rolname LIKE 'energy%'"
    assert set(bare.run(usable)) == {(False,)}


def test_an_administrator_with_bypassrls_completes_a_newer_server(newer_bare: BareServer) -> None:
    newer_bare.run("CREATE ROLE master LOGIN CREATEDB CREATEROLE BYPASSRLS PASSWORD 'master-0a1b2c'")
    settings = newer_bare.settings(administrator="master:master-0a1b2c")
    assert "database energy" in roles_made(settings)
    assert newer_bare.run(ATTRIBUTES) == list(RIGHTS)


def test_an_administrator_who_may_make_no_roles_is_told_all_that_is_missing(bare: BareServer) -> None:
    bare.run("CREATE ROLE clerk LOGIN PASSWORD 'clerk-0a1b2c'")
    settings = bare.settings(administrator="clerk:clerk-0a1b2c")
    with pytest.raises(StoreAccessError) as caught:
        provisioned(settings)
    missing = [line for line in str(caught.value).splitlines() if line.endswith(";")]
    assert "CREATE ROLE \"energy_loader\" LOGIN PASSWORD '<password of energy_loader>';" in missing
    assert any(line.startswith('CREATE DATABASE "energy" OWNER "energy_owner"') for line in missing)
    passwords = {
        role: getattr(settings, setting).get_secret_value().partition("@")[0].rpartition(":")[2]
        for role, setting in (
            ("energy_owner", "postgres_admin_url"),
            ("energy_loader", "postgres_url"),
            ("energy_app", "postgres_app_url"),
            ("energy_backup", "postgres_backup_url"),
            ("energy_dagster", "dagster_postgres_url"),
        )
    }
    script = "\n".join(missing)
    for role, password in passwords.items():
        script = script.replace(f"<password of {role}>", unquote(password))
    bare.run(*script.splitlines())
    said = provisioned(settings)
    assert said[:-1] == ["roles, databases and rights are there.", f"the schema was brought to revision {head()}."]
    assert said[-1].startswith("loads are faster where somebody may run: ")


def test_without_an_administrator_what_is_there_is_taken_and_what_is_not_is_said(newer_bare: BareServer) -> None:
    settings = newer_bare.settings()
    with pytest.raises(StoreAccessError) as caught:
        provisioned(settings)
    assert administrator_sql(Databases("dagster_sample", "energy_dagster")).strip() in str(caught.value)
    provisioned(newer_bare.superusers_settings())
    assert provisioned(settings) == [
        "ENERGY_PROVISION_POSTGRES_URL is empty, so roles and databases are taken as they are.",
        f"the schema is at revision {head()}.",
    ]
    newer_bare.run("ALTER ROLE energy_app BYPASSRLS", "ALTER ROLE energy_loader SUPERUSER")
    with pytest.raises(
        StoreAccessError, match='ALTER ROLE "energy_app" NOBYPASSRLS;\nALTER ROLE "energy_loader" NOSUP'
    ):
        provisioned(settings)


def test_too_much_and_another_password_are_mended_and_nothing_else(newer_bare: BareServer) -> None:
    settings = newer_bare.superusers_settings()
    roles_made(settings)
    before = newer_bare.everything()
    newer_bare.run(
        "ALTER ROLE energy_app BYPASSRLS CREATEDB",
        "ALTER ROLE energy_loader PASSWORD 'old'",
        "GRANT CONNECT ON DATABASE energy TO PUBLIC",
    )
    assert roles_made(settings) == [
        "password of role energy_loader",
        "NOCREATEDB of role energy_app",
        "NOBYPASSRLS of role energy_app",
        "rights",
    ]
    roles_log_in(settings)
    different = set(before) ^ set(newer_bare.everything())
    assert len(different) == 2
    assert all(line.startswith("ALTER ROLE energy_loader ") for line in different), "the password's new verifier"


def test_a_backup_role_without_a_password_may_not_log_in(newer_bare: BareServer) -> None:
    roles_made(newer_bare.superusers_settings(postgres_backup_url=SecretStr("")))
    assert newer_bare.run("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'energy_backup'") == [(False,)]


def test_a_role_of_somebody_else_is_taken_as_it_is(newer_bare: BareServer) -> None:
    newer_bare.run("CREATE ROLE dagster LOGIN CREATEDB PASSWORD 'theirs-0a1b2c'")
    url = f"postgresql://dagster:another-0a1b2c@{newer_bare.address}/dagster_sample"
    with pytest.raises(StoreAccessError, match="ALTER ROLE \"dagster\" PASSWORD '<password of dagster>';"):
        provisioned(newer_bare.superusers_settings(dagster_postgres_url=SecretStr(url)))
    assert newer_bare.run("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'dagster'") == [(True,)]
    psycopg.connect(f"postgresql://dagster:theirs-0a1b2c@{newer_bare.address}/postgres").close()


def test_a_database_that_is_there_is_given_to_its_owner(newer_bare: BareServer) -> None:
    newer_bare.run("CREATE DATABASE energy")
    assert "owner of database energy" in roles_made(newer_bare.superusers_settings())
    assert newer_bare.run("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'energy'") == [
        ("energy_owner",)
    ]


def test_two_at_once_make_one_of_each(newer_bare: BareServer) -> None:
    settings = newer_bare.superusers_settings()
    with ThreadPoolExecutor(2) as pool:
        first, second = [future.result() for future in [pool.submit(provisioned, settings) for _ in range(2)]]
    assert sorted([first[0], second[0]])[1] == "roles, databases and rights are there."
    assert {first[1], second[1]} == {
        f"the schema is at revision {head()}.",
        f"the schema was brought to revision {head()}.",
    }
    assert newer_bare.run(ATTRIBUTES) == list(RIGHTS)


def test_a_server_that_does_not_answer_and_a_wrong_administrator_are_named(newer_bare: BareServer) -> None:
    with pytest.raises(StoreUnavailableError, match=r"PostgreSQL master@127.0.0.1:1/postgres: PostgreSQL does not"):
        provisioned(
            newer_bare.settings(provision_postgres_url=SecretStr("postgresql://master:x-0a1b2c@127.0.0.1:1/postgres"))
        )
    with pytest.raises(StoreAccessError, match="refuses the role or its password") as caught:
        provisioned(newer_bare.settings(administrator="postgres:wrong-0a1b2c"))
    assert "0a1b2c" not in str(caught.value)
