"""Roles and databases: what only an administrator of the server may make. Schema and grants are the migrations'."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import conninfo, sql

from energy_platform.stores.postgres.connection import connect, is_refused_access, plain_url, store_errors

DATABASE: Final = "energy"
OWNER: Final = "energy_owner"
LOADER: Final = "energy_loader"
BACKUP: Final = "energy_backup"
APP: Final = "energy_app"

#: The roles, and whether each bypasses row-level security, where the server lets it: the loader because COPY is refused
#: under it, the backup role because pg_dump is. The app role never does.
ROLES: Final[Mapping[str, bool]] = {OWNER: False, LOADER: True, BACKUP: True, APP: False}

#: Lets the loader look at the references of many new rows all at once: see `references.py`.
AT_ONCE: Final = f"GRANT SET ON PARAMETER session_replication_role TO {LOADER}"

#: How the names of our roles begin. Of others, only what is missing is added: they may be somebody's.
_OURS: Final = "energy_"

#: Whoever makes roles and databases holds it, so that two who start at once do not trip over each other.
_LOCK: Final = 0x656E657267790001

#: What an administrator is told who lacks a right, or where something is missing that it could not make.
_REFUSED: Final = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InvalidCatalogName,
)

#: Attributes of a role, by their column in pg_roles; an administrator who is no superuser may not even say most of
#: them, so that only those are said that are wrong.
_ATTRIBUTES: Final[Mapping[str, LiteralString]] = {
    "rolsuper": "SUPERUSER",
    "rolcreatedb": "CREATEDB",
    "rolcreaterole": "CREATEROLE",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
    "rolcanlogin": "LOGIN",
}


@dataclass(frozen=True)
class Databases:
    """The databases of an installation, and the role that owns Dagster's: the platform's owner, or one of its own.

    Dagster's is empty where it is on another server.
    """

    dagster: str
    dagster_owner: str = OWNER
    energy: str = DATABASE

    def roles(self) -> dict[str, bool]:
        """All roles, and whether each bypasses row-level security."""
        return {**ROLES, **({self.dagster_owner: ROLES.get(self.dagster_owner, False)} if self.dagster else {})}

    def owners(self) -> dict[str, str]:
        """The databases and the role that owns each."""
        return {self.energy: OWNER, **({self.dagster: self.dagster_owner} if self.dagster else {})}


@dataclass
class Outcome:
    """What was made, in a few words each, and what the administrator may not do, as the SQL for one who may.

    Nothing works without what is `missing`; what is `desirable` makes loads faster.
    """

    made: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    desirable: list[str] = field(default_factory=list)


def ensure_roles(administrator_url: str, databases: Databases, passwords: Mapping[str, str]) -> Outcome:
    """Make the roles and the databases that are missing, and set attributes and passwords where they are others.

    Running it again changes nothing. Runs at the same time wait for each other. The administrator may be a role that
    is no superuser: what it may not do is done as far as possible, and named.

    Args:
        administrator_url: a role that may create roles and databases, on any database of the server.
        databases: their names, and who owns Dagster's.
        passwords: by role name; a role without one is made and may not log in.

    Raises:
        StoreUnavailableError: the server does not answer.
        StoreAccessError: it refuses the administrator.
        StoreError: it refuses something else.
    """
    with connect(administrator_url, autocommit=True) as connection, store_errors(administrator_url):
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        work = _Work(connection, administrator_url, Outcome())
        for role, bypasses in databases.roles().items():
            work.role(role, passwords.get(role, ""), bypasses=bypasses)
        for database, owner in databases.owners().items():
            work.database(database, owner)
        work.rights(databases)
        work.references_at_once()
        return work.outcome


def administrator_sql(databases: Databases) -> str:
    """The same as a psql script with placeholders instead of passwords, for the administrator of a given server."""
    lines = [
        "-- Put in the passwords, then run it with psql as a role that may create roles and databases.",
        "-- Running it again does no harm: passwords of roles that are there stay.",
    ]
    # an administrator who is no superuser may not even say NOSUPERUSER or NOBYPASSRLS; new roles have neither
    lines += [
        f"SELECT 'CREATE ROLE {role} LOGIN PASSWORD ''<password of {role}>'''"
        f" WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec"
        for role in databases.roles()
    ]
    # who creates a database for another role must be able to act as it
    lines += [f"GRANT {owner} TO CURRENT_USER;" for owner in dict.fromkeys(databases.owners().values())]
    for database, owner in databases.owners().items():
        statement = _create_database(database, owner).as_string().replace("'", "''")
        name = sql.Literal(database).as_string()
        lines.append(f"SELECT '{statement}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {name}) \\gexec")
    lines += [f"{right.statement().as_string()};" for right in _rights(databases)]
    lines.append("-- Not needed, but loads are faster; up to PostgreSQL 15 only a superuser may give it.")
    lines += [f"ALTER ROLE {role} BYPASSRLS;" for role, bypasses in databases.roles().items() if bypasses]
    lines.append(f"{AT_ONCE};")
    return "\n".join(lines) + "\n"


class _Work:
    """One run of `ensure_roles` on its connection, which has autocommit: what is refused does not undo the rest."""

    def __init__(self, connection: psycopg.Connection, url: str, outcome: Outcome) -> None:
        self.connection = connection
        self.url = url
        self.outcome = outcome

    def role(self, role: str, password: str, *, bypasses: bool) -> None:
        """Make a role, or mend its attributes and its password."""
        name = sql.Identifier(role)
        found = self._attributes_of(role)
        known = found is not None
        if not known:
            if not self._may(sql.SQL("CREATE ROLE {}").format(name)):
                login = f"LOGIN PASSWORD '<password of {role}>'" if password else "NOLOGIN"
                self.outcome.missing.append(f'CREATE ROLE "{role}" {login};')
                if bypasses:
                    self.outcome.desirable.append(f'ALTER ROLE "{role}" BYPASSRLS;')
                return
            self.outcome.made.append(f"role {role}")
        found = found or self._attributes_of(role) or {}
        wanted = dict.fromkeys(_ATTRIBUTES, False) | {"rolbypassrls": bypasses}
        wanted["rolcanlogin"] = bool(password) or found.get("rolcanlogin", False)
        for column, word in _ATTRIBUTES.items():
            # a role that somebody else has named is taken as it is
            if found.get(column) == wanted[column] or not (role.startswith(_OURS) or column == "rolcanlogin"):
                continue
            said: LiteralString = word if wanted[column] else f"NO{word}"
            phrase = sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(said))
            if said == "BYPASSRLS":
                if not self._may(phrase):
                    self.outcome.desirable.append(f"{phrase.as_string()};")
                elif known:
                    self.outcome.made.append(f"{said} of role {role}")
            elif known or not self._may(phrase):
                self._do(phrase, f"{said} of role {role}")
        # as a SCRAM verifier, so that no log of the server's ever holds the password; and only where it is another:
        # every verifier of one password differs from the last
        if password and not (known and self._logs_in(role, password)):
            verifier = self.connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            phrase = sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(verifier.decode()))
            if (role.startswith(_OURS) or not known) and self._may(phrase):
                if known:
                    self.outcome.made.append(f"password of role {role}")
            else:
                self.outcome.missing.append(f"ALTER ROLE \"{role}\" PASSWORD '<password of {role}>';")

    def database(self, database: str, owner: str) -> None:
        """Make a database, or give it to its owner."""
        found = self.connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", [database]
        ).fetchone()
        if found == (owner,):
            return
        with self._acting_as(owner):
            if found is None:
                self._do(_create_database(database, owner), f"database {database}")
                return
            change = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), sql.Identifier(owner))
            self._do(change, f"owner of database {database}")

    def rights(self, databases: Databases) -> None:
        """Let nobody but our roles connect, where that is not so already."""
        for right in _rights(databases):
            if self._holds(right):
                continue
            with self._acting_as(databases.owners()[right.database]):
                self._do(right.statement(), "rights")

    def references_at_once(self) -> None:
        """Let the loader look at references all at once, where that is not so already."""
        if holds_at_once(self.connection):
            return
        if not self._may(sql.Composed([sql.SQL(AT_ONCE)])):
            self.outcome.desirable.append(f"{AT_ONCE};")
        elif "rights" not in self.outcome.made:
            self.outcome.made.append("rights")

    def _attributes_of(self, role: str) -> dict[str, bool] | None:
        columns = sql.SQL(", ").join(map(sql.Identifier, _ATTRIBUTES))
        query = sql.SQL("SELECT {} FROM pg_roles WHERE rolname = {}").format(columns, sql.Literal(role))
        row = self.connection.execute(query).fetchone()
        return None if row is None else dict(zip(_ATTRIBUTES, row, strict=True))

    def _logs_in(self, role: str, password: str) -> bool:
        """Whether the password is the role's: a session that is let in, or turned away for another reason."""
        given = conninfo.make_conninfo(plain_url(self.url), user=role, password=password, connect_timeout=10)
        try:
            psycopg.connect(given).close()
        except psycopg.OperationalError as error:
            return not is_refused_access(error)
        return True

    def _holds(self, right: _Right) -> bool:
        # one row without a privilege where there is none, and no row where there is no such database
        rows = self.connection.execute(
            "SELECT privilege_type FROM pg_database LEFT JOIN LATERAL"
            " aclexplode(coalesce(datacl, acldefault('d', datdba))) ON grantee = coalesce(to_regrole(%s), 0::oid)"
            " WHERE datname = %s",
            [right.role or "-", right.database],
        ).fetchall()
        held = {privilege for (privilege,) in rows} - {None}
        return bool(rows) and (held >= set(right.privileges) if right.role else not held)

    @contextlib.contextmanager
    def _acting_as(self, role: str) -> Iterator[None]:
        """Be a member of the role meanwhile: only so may an administrator who is no superuser act for it."""
        name = sql.Identifier(role)
        row = self.connection.execute("SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = %s", [role])
        granted = row.fetchone() == (False,) and self._may(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        try:
            yield
        finally:
            if granted:
                self._may(sql.SQL("REVOKE {} FROM CURRENT_USER").format(name))

    def _do(self, statement: sql.Composed, what: str) -> None:
        """Run a statement, and note it as made, or as missing where the administrator may not."""
        if not self._may(statement):
            self.outcome.missing.append(f"{statement.as_string()};")
        elif what not in self.outcome.made:
            self.outcome.made.append(what)

    def _may(self, statement: sql.Composed) -> bool:
        """Run a statement; False where the administrator lacks the right."""
        try:
            self.connection.execute(statement)
        except _REFUSED:
            return False
        return True


def holds_at_once(connection: psycopg.Connection) -> bool:
    """Whether the loader may look at references all at once; True where there is no loader."""
    row = connection.execute(
        "SELECT has_parameter_privilege(rolname, 'session_replication_role', 'SET') FROM pg_roles WHERE rolname = %s",
        [LOADER],
    ).fetchone()
    return row != (False,)


def _create_database(database: str, owner: str) -> sql.Composed:
    # template0 gives UTF8 whatever the server's own encoding is
    return sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
        sql.Identifier(database), sql.Identifier(owner)
    )


class _Right(NamedTuple):
    """What a role may do with a database; with no role: that PUBLIC may do nothing."""

    database: str
    role: str
    privileges: tuple[LiteralString, ...]

    def statement(self) -> sql.Composed:
        database = sql.Identifier(self.database)
        if not self.role:
            return sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database)
        privileges = sql.SQL(", ").join(map(sql.SQL, self.privileges))
        return sql.SQL("GRANT {} ON DATABASE {} TO {}").format(privileges, database, sql.Identifier(self.role))


def _rights(databases: Databases) -> list[_Right]:
    """Nobody but our roles connects; only the loader, and the owner, stage rows in temporary tables."""
    return [
        *(_Right(database, "", ()) for database in databases.owners()),
        _Right(databases.energy, LOADER, ("CONNECT", "TEMPORARY")),
        _Right(databases.energy, BACKUP, ("CONNECT",)),
        _Right(databases.energy, APP, ("CONNECT",)),
    ]
