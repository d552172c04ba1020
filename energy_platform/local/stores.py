"""The stores in use: local ones where no setting names a server, started, watched and stopped here."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import SecretStr

from energy_platform.domain.errors import SettingError, StoreError, StoreUnavailableError
from energy_platform.local.credentials import POSTGRES_ROLES, ensure_credentials, load_credentials
from energy_platform.local.environment import without_local_urls, without_secrets
from energy_platform.local.home import Home, disk_full
from energy_platform.local.influxdb import InfluxServer, find_influxd
from energy_platform.local.postgres import SUPERUSER, PostgresServer
from energy_platform.local.redis import RedisServer
from energy_platform.local.server import LocalServer
from energy_platform.settings import Settings

DEFAULT_ESTATE = "ecosystem"
DATABASE = "energy"


@dataclass(frozen=True)
class StoreStatus:
    """One store as `status` shows it. `url` carries no secret; `pid` is that of a local, running server."""

    name: str
    implementation: str
    url: str
    state: str
    pid: int | None


def _silent(sentence: str) -> None:
    """Tell nobody."""


def start_stores(settings: Settings, *, say: Callable[[str], None] = _silent) -> Settings:
    """Start every store that no setting names, make roles and databases, migrate the schema.

    Calling it again, or from several processes at once, changes nothing that is there already.

    Args:
        settings: URLs of local stores in it, which `up` has put into `.env`, count as empty.
        say: is told, in a sentence, what a person should know.

    Returns:
        the settings with the URLs of all stores.

    Raises:
        SettingError: a program is missing, or a setting is wrong.
        StoreError: a store does not start or refuses the schema.
        StoreUnavailableError: a store elsewhere does not answer.
    """
    with _readable_errors(settings), _locked(Home(settings.home.absolute(), say)) as home:
        credentials = ensure_credentials(home.root)
        given = without_local_urls(settings, credentials)
        home.state.timeseries = _choose_timeseries(given, home)
        postgres, redis, influx = _servers(home, given, credentials)
        local: list[LocalServer] = []
        if home.state.timeseries == "influxdb" and not given.influx_url:
            local.append(influx)  # first, since it takes longest to answer
        if not given.redis_url.get_secret_value():
            local.append(redis)
        if not _postgres_is_given(given):
            local.append(postgres)
        for server in local:
            server.begin()
        for server in reversed(local):
            server.finish()
            if server is postgres:
                _prepare_local_postgres(home, postgres, dagster_database(given))
        if influx in local:
            influx.ensure_bucket()
        home.save()
        if _postgres_is_given(given):
            _prepare_given_postgres(given)
        return _filled(home, given, credentials)


def resolve_settings(settings: Settings) -> Settings:
    """Fill in the URLs of the local stores, without starting anything.

    Raises:
        StoreUnavailableError: they were never started, or not for this estate.
    """
    with _readable_errors(settings):
        home = Home(settings.home.absolute())
        credentials = load_credentials(home.root)
        given = without_local_urls(settings, credentials)
        remedy = "Start them: energy-platform up"
        if not _all_are_given(given) and (not home.exists() or not credentials):
            raise StoreUnavailableError("The stores were never started here.", where=str(home.root), remedy=remedy)
        postgres, redis, _ = _servers(home, given, credentials)
        ready = (_postgres_is_given(given) or (postgres.port and dagster_database(given) in home.state.prepared)) and (
            given.redis_url.get_secret_value() or redis.port
        )
        if not ready:
            raise StoreUnavailableError(
                "The stores were not yet started for these settings and this estate.",
                where=str(home.root),
                remedy=remedy,
            )
        return _filled(home, given, credentials)


def given_settings(settings: Settings) -> Settings:
    """The settings as a person gave them: URLs of local stores are taken out again."""
    with _readable_errors(settings):
        return without_local_urls(settings, load_credentials(settings.home.absolute()))


def stop_stores(settings: Settings) -> list[str]:
    """Stop the local servers that were started from this home, and no others; returns those that ran.

    Raises:
        StoreError: one does not stop.
    """
    with _readable_errors(settings):
        if not settings.home.exists():
            return []
        with _locked(Home(settings.home.absolute())) as home:
            servers = _servers(home, settings, load_credentials(home.root))
            return [server.title for server in reversed(servers) if server.stop()]


def remove_stores(settings: Settings) -> None:
    """Stop the local stores and delete all their files. What they held is gone."""
    stop_stores(settings)
    Home(settings.home.absolute()).remove()


def store_status(settings: Settings) -> list[StoreStatus]:
    """PostgreSQL, Redis and the time-series store: what each is, where, and how it is.

    `state` is running, stopped, crashed, unreachable (it runs and does not answer, or a server elsewhere does not),
    or remote (a server elsewhere that answers).
    """
    with _readable_errors(settings):
        home = Home(settings.home.absolute())
        credentials = load_credentials(home.root)
        given = without_local_urls(settings, credentials)
        postgres, redis, influx = _servers(home, given, credentials)
        if _postgres_is_given(given):
            first = _given_postgres_status(_postgres_to_ask(given))
        else:
            version = f" {postgres.version}" if postgres.version else ""
            first = _local_status(postgres, f"PostgreSQL{version} (local)", f"postgresql://127.0.0.1:{postgres.port}")
        if given.redis_url.get_secret_value():
            second = _given_redis_status(given.redis_url.get_secret_value())
        else:
            second = _local_status(redis, f"{redis.version or 'Redis'} (local)", f"redis://127.0.0.1:{redis.port}/0")
        if given.influx_url:
            third = _given_influx_status(given.influx_url)
        elif (home.state.timeseries or _choose_timeseries(given, home)) == "influxdb":
            version = f" {influx.version}" if influx.version else ""
            third = _local_status(influx, f"InfluxDB{version} (local)", influx.url(), name="timeseries")
        else:
            third = StoreStatus(
                "timeseries", f"{first.implementation}, schema timeseries", first.url, first.state, first.pid
            )
    return [first, second, third]


def estate_code(settings: Settings) -> str:
    """The estate's code, from its estate file; the default where there is none or it cannot be read yet."""
    path = settings.estate_file or settings.estate / "estate.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return DEFAULT_ESTATE
    code = content.get("estate") if isinstance(content, dict) else None
    return str(code) if code else DEFAULT_ESTATE


def dagster_database(settings: Settings) -> str:
    """The name of Dagster's database for this estate: `dagster_<estate>`, in letters that need no quoting."""
    code = estate_code(settings)
    plain = re.sub(r"[^a-z0-9_]", "_", code.lower())
    if plain != code or len(plain) > 40:
        # two estates whose codes differ only in other letters must not share a database
        plain = f"{plain[:40]}_{hashlib.sha256(code.encode()).hexdigest()[:8]}"
    return f"dagster_{plain}"


def _servers(
    home: Home, settings: Settings, credentials: dict[str, str]
) -> tuple[PostgresServer, RedisServer, InfluxServer]:
    return (
        PostgresServer(home, settings, credentials),
        RedisServer(home, settings, credentials),
        InfluxServer(home, settings, credentials),
    )


def _choose_timeseries(given: Settings, home: Home) -> str:
    """Where time series live: influxdb or postgres."""
    if given.influx_url:
        return "influxdb"
    if given.timeseries != "auto":
        return given.timeseries
    chosen = "influxdb" if find_influxd(given) else "postgres"
    if home.state.timeseries == "postgres" and chosen == "influxdb":
        home.say("Time series live in InfluxDB from now on; what was loaded into PostgreSQL before stays there.")
    return chosen


def _postgres_is_given(settings: Settings) -> bool:
    urls = (settings.postgres_url, settings.postgres_admin_url, settings.postgres_app_url)
    return any(url.get_secret_value() for url in urls)


def _all_are_given(settings: Settings) -> bool:
    """Whether no store is local, so that nothing needs to have been started here."""
    timeseries = settings.influx_url or settings.timeseries == "postgres"
    dagster = settings.dagster_postgres_url.get_secret_value() or settings.postgres_admin_url.get_secret_value()
    return bool(_postgres_is_given(settings) and settings.redis_url.get_secret_value() and timeseries and dagster)


def _postgres_to_ask(settings: Settings) -> str:
    urls = (settings.postgres_url, settings.postgres_admin_url, settings.postgres_app_url)
    return next(url.get_secret_value() for url in urls if url.get_secret_value())


def _filled(home: Home, given: Settings, credentials: dict[str, str]) -> Settings:
    """The settings with every URL that the home or the other settings imply."""
    postgres, redis, influx = _servers(home, given, credentials)
    update: dict[str, object] = {"home": home.root}
    if _postgres_is_given(given):
        admin = given.postgres_admin_url.get_secret_value()
        if admin and not given.dagster_postgres_url.get_secret_value():
            update["dagster_postgres_url"] = SecretStr(_on_database(admin, dagster_database(given)))
    else:
        update["postgres_url"] = SecretStr(postgres.url("energy_loader", DATABASE))
        update["postgres_admin_url"] = SecretStr(postgres.url("energy_owner", DATABASE))
        update["postgres_app_url"] = SecretStr(postgres.url("energy_app", DATABASE))
        if not given.dagster_postgres_url.get_secret_value():
            update["dagster_postgres_url"] = SecretStr(postgres.url("energy_owner", dagster_database(given)))
    if not given.redis_url.get_secret_value():
        update["redis_url"] = SecretStr(redis.url())
    if not given.influx_url and home.state.timeseries == "influxdb":
        update["influx_url"] = influx.url()
        update["influx_token"] = SecretStr(credentials["influxdb_token"])
    return given.model_copy(update=update)


def _on_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _prepare_local_postgres(home: Home, server: PostgresServer, database: str) -> None:
    """Roles, databases and schema; skipped where the very same were made before and still answer."""
    fingerprint = _schema_fingerprint()
    urls = [server.url("energy_loader", DATABASE), server.url("energy_owner", database)]
    if home.state.prepared.get(database) == fingerprint and all(_answers(url) for url in urls):
        return
    from energy_platform.stores.postgres.bootstrap import Databases, ensure_roles
    from energy_platform.stores.postgres.migrations import upgrade

    passwords = {role: server.credentials[role] for role in POSTGRES_ROLES}
    ensure_roles(server.url(SUPERUSER, "postgres"), Databases(dagster=database), passwords)
    upgrade(server.url("energy_owner", DATABASE), lock_seconds=server.settings.migration_lock_seconds)
    home.state.prepared[database] = fingerprint


def _prepare_given_postgres(given: Settings) -> None:
    """Check a server elsewhere, and migrate it where the owner's URL is given.

    Raises:
        StoreUnavailableError: it does not answer.
        SettingError: roles are missing there; the message carries the SQL for its administrator.
    """
    import psycopg

    try:
        with psycopg.connect(_postgres_to_ask(given), connect_timeout=10) as connection:
            found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(POSTGRES_ROLES)])
            missing = sorted(set(POSTGRES_ROLES) - {row[0] for row in found})
    except psycopg.OperationalError as error:
        raise _not_prepared(given, f"PostgreSQL does not let us in: {_one_line(error)}.") from error
    if missing:
        raise _not_prepared(given, f"PostgreSQL has no role {', '.join(missing)}.")
    admin = given.postgres_admin_url.get_secret_value()
    if admin:
        from energy_platform.stores.postgres.migrations import upgrade

        upgrade(admin, lock_seconds=given.migration_lock_seconds)


def _not_prepared(given: Settings, what: str) -> StoreUnavailableError:
    from energy_platform.stores.postgres.bootstrap import Databases, administrator_sql

    return StoreUnavailableError(
        what,
        where=without_secrets(_postgres_to_ask(given)),
        remedy="Check the URL. Where roles or databases are missing, its administrator must run:\n\n"
        + administrator_sql(Databases(dagster=dagster_database(given))),
    )


def _schema_fingerprint() -> str:
    """A hash of everything that makes roles and schema."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1] / "stores" / "postgres"
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.sql")]):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _local_status(server: LocalServer, implementation: str, url: str, name: str = "") -> StoreStatus:
    return StoreStatus(
        name or server.name, implementation, url if server.port else "", server.state(), server.process.pid()
    )


def _given_postgres_status(url: str) -> StoreStatus:
    import psycopg

    version, state = "", "unreachable"
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=3) as connection:
        number = connection.info.server_version
        version, state = f" {number // 10_000}.{number % 10_000}", "remote"
    return StoreStatus("postgres", f"PostgreSQL{version} (remote)", without_secrets(url), state, None)


def _given_redis_status(url: str) -> StoreStatus:
    import redis

    version, state = "", "unreachable"
    with (
        contextlib.suppress(redis.RedisError),
        redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client,
    ):
        answer = client.info("server")
        version = f" {answer.get('redis_version', '')}" if isinstance(answer, dict) else ""
        state = "remote"
    return StoreStatus("redis", f"Redis{version} (remote)", without_secrets(url), state, None)


def _given_influx_status(url: str) -> StoreStatus:
    import httpx

    version, state = "", "unreachable"
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=3)
        if answer.is_success:
            version, state = f" {answer.json().get('version', '').removeprefix('v')}", "remote"
    return StoreStatus("timeseries", f"InfluxDB{version} (remote)", without_secrets(url), state, None)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[Home]:
    with home.lock():
        yield home


@contextlib.contextmanager
def _readable_errors(settings: Settings) -> Iterator[None]:
    """Say what failed on this machine's side as an error that a user can act on."""
    try:
        yield
    except OSError as error:
        path = Path(str(error.filename or settings.home))
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path, 0) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise SettingError(
                f"This user may not use the folder of the local stores: {error.strerror}.",
                where=str(path),
                remedy="Run as the user who started them, or set ENERGY_HOME to a folder of your own.",
            ) from error
        raise StoreError(
            f"The local stores cannot be handled: {error.strerror or error}.", where=str(path), remedy="Mend that."
        ) from error
