"""Roles and databases: what only an administrator of the server may make. Schema and grants are the migrations'."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

DATABASE = "energy"
OWNER = "energy_owner"
LOADER = "energy_loader"
BACKUP = "energy_backup"
APP = "energy_app"

#: The roles, and whether each bypasses row-level security: the loader because COPY is refused under it, the backup role
#: because pg_dump is. The app role never does.
ROLES: Mapping[str, bool] = {OWNER: False, LOADER: True, BACKUP: True, APP: False}

#: Whoever makes roles and databases holds it, so that two who start at once do not trip over each other.
_LOCK = 0x656E657267790001


def ensure_roles(superuser_url: str, *, dagster_database: str, passwords: Mapping[str, str]) -> None:
    """Make the roles and the databases that are missing, and set attributes and passwords of the roles.

    Running it again changes nothing. Runs at the same time wait for each other.

    Args:
        superuser_url: a superuser, on any database of the server.
        dagster_database: the database of Dagster's own state.
        passwords: by role name; one for each of `ROLES`.

    Raises:
        KeyError: a role has no password.
        psycopg.Error: the server does not answer, or refuses.
    """
    with psycopg.connect(superuser_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        for role, bypasses in ROLES.items():
            _ensure_role(connection, role, bypasses, passwords[role])
        for database in (DATABASE, dagster_database):
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if not found:
                connection.execute(_create_database(database))
        for statement in _database_rights(dagster_database):
            connection.execute(statement)


def administrator_sql(dagster_database: str) -> str:
    """The same as a psql script with placeholders instead of passwords, for the administrator of a given server."""
    lines = [
        "-- Put in the passwords, then run it with psql as a role that may create roles and databases.",
        "-- Running it again does no harm: passwords of roles that are there stay.",
        "-- Up to PostgreSQL 15 only a superuser may give BYPASSRLS.",
    ]
    for role, bypasses in ROLES.items():
        # an administrator who is no superuser may not even say NOSUPERUSER or NOBYPASSRLS; new roles have neither
        attributes = "LOGIN BYPASSRLS" if bypasses else "LOGIN"
        lines.append(
            f"SELECT 'CREATE ROLE {role} {attributes} PASSWORD ''<password of {role}>'''"
            f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec"
        )
    # who creates a database for another role must be able to act as it
    lines.append(f"GRANT {OWNER} TO CURRENT_USER;")
    for database in (DATABASE, dagster_database):
        statement = _create_database(database).as_string().replace("'", "''")
        name = sql.Literal(database).as_string()
        lines.append(f"SELECT '{statement}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec")
    lines += [f"{statement.as_string()};" for statement in _database_rights(dagster_database)]
    return "\n".join(lines) + "\n"


def _ensure_role(connection: psycopg.Connection, role: str, bypasses: bool, password: str) -> None:
    name = sql.Identifier(role)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    # as a SCRAM verifier, so that no log of the server's ever holds the password
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {} PASSWORD {}").format(
            name, sql.SQL("BYPASSRLS" if bypasses else "NOBYPASSRLS"), sql.Literal(verifier)
        )
    )


def _create_database(database: str) -> sql.Composed:
    # template0 gives UTF8 whatever the server's own encoding is
    return sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
        sql.Identifier(database), sql.Identifier(OWNER)
    )


def _database_rights(dagster_database: str) -> list[sql.Composed]:
    """Nobody but our roles connects; only the loader, and the owner, stage rows in temporary tables."""
    energy, dagster = sql.Identifier(DATABASE), sql.Identifier(dagster_database)
    return [
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(energy),
        sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(energy, sql.Identifier(LOADER)),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(energy, sql.Identifier(BACKUP), sql.Identifier(APP)),
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(dagster),
    ]
