"""Connections to PostgreSQL, and its errors as ours: readable, and without secrets or anybody's data."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

import psycopg
from psycopg import conninfo
from psycopg.pq import TransactionStatus
from pydantic import SecretStr

from energy_platform.domain.errors import StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.failpoints import failpoint

#: Older ones lack what rights and checks of references go by.
OLDEST_MAJOR: Final = 15
#: So many connections of a load are in use at once.
KEPT_CONNECTIONS: Final = 4
_CONNECT_SECONDS = 10
_KEPT_SECONDS: Final = 30.0
_NEVER: Final = 1 << 30
_APPLICATION = "energy-platform"
#: Of every session: times come and go in UTC and in ISO 8601, whatever the server is set to.
_SESSION_OPTIONS = "-c TimeZone=UTC -c DateStyle=ISO,YMD"

_ACCESS_STATES = {"28000", "28P01", "42501"}
_UNAVAILABLE_STATES = {"57P01", "57P02", "57P03", "57P04", "53300", "58000", "58030"}
_UNDEFINED_STATES = {"42P01", "42703", "3F000", "3D000"}


class PostgresStore:
    """A PostgreSQL database, reached as one role.

    Args:
        url: `postgresql://role:password@host:port/database`.
        kept: so many connections are kept for whoever asks next, until `close`: a new one costs more than most of what
            is asked of it.
    """

    def __init__(self, url: SecretStr, *, kept: int = 0) -> None:
        self._url = url
        self._most_kept = kept
        self._kept: list[tuple[float, psycopg.Connection]] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"PostgresStore({place_of(self._url.get_secret_value())})"

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection with a transaction: committed at the end of the block, rolled back where it raises.

        Raises:
            StoreUnavailableError: the server does not answer, or went away.
            StoreAccessError: it refuses the role, the password, or a right.
            StoreError: it refuses an operation.
        """
        url = self._url.get_secret_value()
        connection = self._taken() or connect(url)
        is_sound = False
        try:
            with store_errors(url):
                try:
                    yield connection
                    failpoint("before_commit")
                    is_sound = connection.info.transaction_status != TransactionStatus.INERROR
                    connection.commit()
                    failpoint("after_answer")
                except BaseException as error:
                    is_sound = False
                    with contextlib.suppress(psycopg.Error):
                        connection.rollback()
                    if isinstance(error, ValueError) and connection.broken:
                        # at the end of a COPY the driver expects one answer, and a connection that was cut gives two
                        raise psycopg.OperationalError("The connection was cut in the middle of a COPY.") from None
                    raise
        finally:
            if not is_sound or not self._is_kept(connection):
                connection.close()

    def close(self) -> None:
        """Let go of the connections that are kept; asked for another one, new ones are made."""
        with self._lock:
            kept, self._kept = self._kept, []
        for _, connection in kept:
            connection.close()

    def _taken(self) -> psycopg.Connection | None:
        """A kept connection that still answers."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                since, connection = self._kept.pop()
            # what lies between may forget a connection that is quiet for long, and then nothing answers
            if time.monotonic() - since < _KEPT_SECONDS and _answers(connection):
                return connection
            connection.close()

    def _is_kept(self, connection: psycopg.Connection) -> bool:
        # what is prepared for ever goes by a plan for no values in particular; what is asked for many at once may
        connection.prepare_threshold = _NEVER
        with self._lock:
            has_room = len(self._kept) < self._most_kept and not connection.closed
            if has_room:
                self._kept.append((time.monotonic(), connection))
        return has_room

    def ping(self) -> None:
        """Raise where the server does not answer; see `connection`."""
        with self.connection() as connection:
            connection.execute("SELECT 1")


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error:
        return False
    return True


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection with our session settings, to a server that is new enough. Raises as `PostgresStore.connection`."""
    url = plain_url(url)
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        # what the driver says about a malformed URL quotes it, password included
        raise StoreAccessError(
            "The URL of PostgreSQL cannot be read.",
            remedy="It looks like postgresql://role:password@host:port/database; quote other characters as %XX.",
        ) from None
    options = f"{given.get('options') or ''} {_SESSION_OPTIONS}".strip()
    with store_errors(url):
        connection = psycopg.connect(
            url,
            autocommit=autocommit,
            connect_timeout=int(given.get("connect_timeout") or _CONNECT_SECONDS),
            application_name=given.get("application_name") or _APPLICATION,
            options=options,
            client_encoding="UTF8",
        )
    if connection.info.server_version // 10_000 < OLDEST_MAJOR:
        version = (connection.info.parameter_status("server_version") or "of an unknown version").partition(" ")[0]
        connection.close()
        raise StoreError(
            f"This is PostgreSQL {version}, which is too old.",
            where=place_of(url),
            remedy=f"Use PostgreSQL {OLDEST_MAJOR} or newer.",
        )
    return connection


def plain_url(url: str) -> str:
    """The URL without the driver that SQLAlchemy's spelling names."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


def place_of(url: str) -> str:
    """Role, host, port and database of a URL: what may be shown."""
    try:
        given = conninfo.conninfo_to_dict(plain_url(url))
    except psycopg.Error:
        return "PostgreSQL"
    host, port = given.get("host") or "localhost", given.get("port") or 5432
    return f"PostgreSQL {given.get('user') or ''}@{host}:{port}/{given.get('dbname') or ''}"


@contextlib.contextmanager
def store_errors(url: str) -> Iterator[None]:
    """Say what PostgreSQL refuses as one of our errors. The driver's own text is dropped: it may quote rows."""
    try:
        yield
    except psycopg.Error as error:
        raise translated(error, place_of(url)) from None


def translated(error: psycopg.Error, where: str) -> StoreError:
    """Our error for one of the driver's, by its SQLSTATE."""
    state = error.sqlstate or ""
    said = _sentence(error)
    connecting = isinstance(error, psycopg.OperationalError) and not state
    if connecting and is_refused_access(error):
        state = "28P01"
    if state in _ACCESS_STATES:
        if state == "42501":
            remedy = "Use a role that has this right, or run as the owner: energy-platform up"
        else:
            remedy = "Check the role and the password in the URL."
        return StoreAccessError(said, where=where, remedy=remedy)
    if connecting and (distrusted := _distrusted(error)):
        return StoreAccessError(
            distrusted,
            where=where,
            remedy="Check sslmode and sslrootcert in the URL, and that the host is spelled as in the certificate.",
        )
    if connecting and "does not exist" in str(error):
        return StoreError("There is no such database.", where=where, remedy="Make it: energy-platform up")
    if connecting or state.startswith("08") or state in _UNAVAILABLE_STATES:
        return StoreUnavailableError(
            said, where=where, remedy="Check that it runs and can be reached: energy-platform up"
        )
    if state in _UNDEFINED_STATES:
        return StoreError(said, where=where, remedy="Bring the schema up to date: energy-platform up")
    return StoreError(
        said, where=where, remedy="Nothing of this transaction was kept; mend the cause and run it again."
    )


def is_refused_access(error: psycopg.Error) -> bool:
    """Whether a connection was refused because of the role or its password."""
    # while connecting, libpq gives a text and no SQLSTATE
    text = str(error)
    return any(
        sign in text
        for sign in ("password authentication failed", "no pg_hba.conf entry", "no password supplied", "28P01", "28000")
    ) or ('role "' in text and "does not exist" in text)


def _distrusted(error: psycopg.Error) -> str:
    """Why no encrypted connection came about; empty where that is not what failed."""
    text = str(error)
    if "certificate verify failed" in text:
        return "PostgreSQL's certificate is not signed by an authority that is trusted."
    if "does not match host name" in text:
        return "PostgreSQL's certificate is for another host."
    if "root certificate file" in text or "could not load system root certificate" in text:
        return "The file of trusted authorities cannot be read."
    if "server does not support SSL" in text:
        return "PostgreSQL offers no encryption."
    return ""


def _sentence(error: psycopg.Error) -> str:
    state = error.sqlstate
    if state is None:
        refused = isinstance(error, psycopg.OperationalError)
        if refused and is_refused_access(error):
            return "PostgreSQL refuses the role or its password."
        return "PostgreSQL does not answer." if refused else f"PostgreSQL's driver refused: {type(error).__name__}."
    if state.startswith("22"):
        # the message quotes the value, which may be anybody's
        return f"PostgreSQL refuses a value ({state}, {type(error).__name__})."
    primary = (error.diag.message_primary or type(error).__name__).rstrip(".")
    return f"PostgreSQL refuses ({state}): {primary}."
