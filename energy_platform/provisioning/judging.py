"""Whether the settings are fit for servers elsewhere: no empty, example or shared secret, nobody's role, encryption.

Nothing is reached for it, so that no server is ever set up with a secret that stands in the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from energy_platform.domain.errors import SettingError
from energy_platform.domain.secrets import Fault, Secret, judge_secrets
from energy_platform.settings import Settings
from energy_platform.stores.postgres.bootstrap import APP, BACKUP, LOADER, OWNER

#: The settings that name a role of PostgreSQL, and the role that each must name: rights are granted by these names.
POSTGRES_ROLES: Final = {
    "postgres_url": LOADER,
    "postgres_admin_url": OWNER,
    "postgres_app_url": APP,
    "postgres_backup_url": BACKUP,
    "dagster_postgres_url": "",
    "provision_postgres_url": "",
}
_OPTIONAL: Final = {"postgres_backup_url", "provision_postgres_url"}
_LOCAL: Final = {"", "localhost", "127.0.0.1", "::1"}
_QUOTING: Final = "Quote characters other than letters, digits and - . _ ~ as %XX."


class Address(NamedTuple):
    """What a URL says."""

    scheme: str
    user: str
    password: str
    hosts: tuple[str, ...]
    port: str
    path: str
    options: dict[str, str]

    @property
    def is_near(self) -> bool:
        """Whether it is this machine, or a name without a dot: of the own network of containers."""
        return all(host in _LOCAL or host.startswith("/") or not {".", ":"} & set(host) for host in self.hosts)


def check(settings: Settings) -> None:
    """Raise where the settings are not fit.

    Raises:
        SettingError: with all that is wrong, a line for each.
    """
    faults = judge(settings)
    if faults:
        lines = [f"{fault.setting}: {fault.what} {fault.remedy}" for fault in faults]
        raise SettingError("\n".join(lines), remedy="\nNo server was asked; correct it in the environment or in .env.")


def judge(settings: Settings) -> list[Fault]:
    """All that is wrong with the settings of servers elsewhere; nothing where they are fit."""
    faults: list[Fault] = []
    secrets: list[Secret] = []
    for part in (_postgres, _influxdb, _redis):
        for found in part(settings):
            (faults if isinstance(found, Fault) else secrets).append(found)  # type: ignore[arg-type]
    return faults + judge_secrets(secrets)


def name_of(setting: str) -> str:
    """The setting's variable."""
    return f"ENERGY_{setting.upper()}"


def address_of(url: str) -> Address | None:
    """What a URL says; None where it is none."""
    try:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        return None
    identity, _, places = parts.netloc.rpartition("@")
    user, _, password = identity.partition(":")
    hosts, ports = [], []
    for place in places.split(","):
        host, port = _host_and_port(place)
        if port and not port.isdigit():
            return None
        hosts.append(host)
        ports.append(port)
    if not parts.scheme or (not places and not parts.path) or parts.fragment or "@" in identity:
        return None
    path = unquote(parts.path.lstrip("/"))
    return Address(parts.scheme, unquote(user), unquote(password), tuple(hosts), ports[0], path, options)


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return host, port.lstrip(":")
    host, _, port = place.partition(":")
    return unquote(host), port


def _postgres(settings: Settings) -> Iterator[Fault | Secret]:
    administrator = address_of(settings.provision_postgres_url.get_secret_value())
    databases: dict[str, str] = {}
    for setting, role in POSTGRES_ROLES.items():
        url = getattr(settings, setting).get_secret_value()
        if not url:
            if setting not in _OPTIONAL:
                yield Fault(name_of(setting), "It names no server.", f"Set it to {_wanted_url(role)}.")
            continue
        address = address_of(url)
        if address is None or not address.scheme.startswith("postgres") or not address.user or not address.path:
            yield Fault(
                name_of(setting), "This is no URL of PostgreSQL.", f"It looks like {_wanted_url(role)}. {_QUOTING}"
            )
            continue
        if role and address.user != role:
            yield Fault(
                name_of(setting), f"It names the role {address.user}, and not {role}.", "Rights go by these names."
            )
        if setting == "dagster_postgres_url":
            yield from _dagster_owner(setting, address, administrator)
        if role:
            databases.setdefault(address.path, name_of(setting))
        yield from _unencrypted_postgres(settings, setting, address)
        yield Secret(name_of(setting), f"{address.user} in PostgreSQL", address.password)
    if len(databases) > 1:
        *_, setting = databases.values()
        yield Fault(setting, f"It names another database: {', '.join(databases)}.", "All roles share one.")


def _wanted_url(role: str) -> str:
    return f"postgresql://{role or 'role'}:password@host:5432/{'energy' if role else 'database'}"


def _dagster_owner(setting: str, address: Address, administrator: Address | None) -> Iterator[Fault]:
    if address.user in (LOADER, BACKUP, APP) or (administrator and address.user == administrator.user):
        yield Fault(
            name_of(setting),
            f"{address.user} must not own Dagster's database.",
            f"Name a role of its own, e.g. energy_dagster, or {OWNER}.",
        )


def _unencrypted_postgres(settings: Settings, setting: str, address: Address) -> Iterator[Fault]:
    if settings.environment != "production" or address.is_near:
        return
    mode = address.options.get("sslmode", "prefer")
    if mode != "verify-full":
        yield Fault(
            name_of(setting),
            f"The server may be anybody, and the connection readable: sslmode is {mode}.",
            "Add ?sslmode=verify-full&sslrootcert=/path/to/ca.pem to the URL.",
        )


def _influxdb(settings: Settings) -> Iterator[Fault | Secret]:
    administrator = settings.provision_influx_token.get_secret_value()
    token = settings.influx_token.get_secret_value()
    if administrator:
        yield Secret("ENERGY_PROVISION_INFLUX_TOKEN", "InfluxDB's administrator", administrator)
    if password := settings.provision_influx_password.get_secret_value():
        yield Secret("ENERGY_PROVISION_INFLUX_PASSWORD", "InfluxDB's first user", password)
    if not settings.influx_url:
        if settings.timeseries != "postgres":
            yield Fault(
                "ENERGY_INFLUX_URL",
                "It names no server.",
                "Set it to https://host, or ENERGY_TIMESERIES=postgres to keep time series in PostgreSQL.",
            )
        return
    address = address_of(settings.influx_url)
    if address is None or address.scheme not in ("http", "https") or not address.hosts[0]:
        yield Fault("ENERGY_INFLUX_URL", "This is no URL of InfluxDB.", "It looks like https://host.")
    elif address.scheme == "http" and settings.environment == "production" and not address.is_near:
        yield Fault("ENERGY_INFLUX_URL", "The connection is readable, the token too.", "Use https://.")
    if token or not administrator:
        yield Secret("ENERGY_INFLUX_TOKEN", "the platform in InfluxDB", token)


def _redis(settings: Settings) -> Iterator[Fault | Secret]:
    url = settings.redis_url.get_secret_value()
    if not url:
        yield Fault("ENERGY_REDIS_URL", "It names no server.", "Set it to redis://:password@host:6379/0.")
        return
    address = address_of(url)
    if address is None or address.scheme.partition("+")[0] not in ("redis", "rediss", "unix"):
        yield Fault(
            "ENERGY_REDIS_URL", "This is no URL of Redis.", f"It looks like rediss://:password@host:6379/0. {_QUOTING}"
        )
        return
    if settings.environment == "production" and not address.is_near:
        proven = address.options.get("ssl_cert_reqs", "required") == "required"
        if not address.scheme.startswith("rediss"):
            yield Fault("ENERGY_REDIS_URL", "The connection is readable.", "Use rediss://.")
        elif not proven or address.options.get("ssl_check_hostname", "true").lower() in ("false", "0", "no"):
            yield Fault(
                "ENERGY_REDIS_URL", "The server may be anybody.", "Leave out ssl_cert_reqs and ssl_check_hostname."
            )
    yield Secret("ENERGY_REDIS_URL", f"{address.user or 'the platform'} in Redis", address.password)
