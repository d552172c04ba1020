"""The newest values and notifications of each building in Redis."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import redis
from pydantic import SecretStr
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.connection import parse_url
from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    ClusterError,
    NoPermissionError,
    OutOfMemoryError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from energy_platform.domain.errors import SettingError, StoreAccessError, StoreError, StoreUnavailableError, is_distrust
from energy_platform.failpoints import failpoint
from energy_platform.stores.cache.keys import latest_building, notifications_building, parse_building

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Latest = Mapping[str, Mapping[str, Json]]
Notifications = Sequence[Mapping[str, Json]]

NOTIFICATIONS_KEPT: Final = 100
KEYS_AT_ONCE: Final = 500
_SCAN_COUNT: Final = 1000
# The driver retries connecting and commands, each: with 1, a silent server costs four time-outs.
_RETRIES: Final = 1
_SETTING: Final = "ENERGY_REDIS_URL"
#: What the platform asks of a user of Redis.
RIGHTS: Final = "+@read +@write +@connection +info on ~*"
_TRIED_SECONDS: Final = 60
_CLUSTER_SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_REFUSED: Final = (AuthenticationError, AuthorizationError, AuthenticationWrongNumberOfArgsError)
_AWAY: Final = (redis.ConnectionError, redis.TimeoutError, ClusterError, RedisClusterException)

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class CacheEntry:
    """What Redis holds under one key.

    Attributes:
        key: the key asked for.
        value: its content; None where there is none, or where it is no JSON.
        ttl_seconds: whole seconds left; None where there is no key, or where it never expires.
        problem: what is wrong with it, as one sentence; None where nothing is. A key that is not there is no problem.
    """

    key: str
    value: Any
    ttl_seconds: int | None
    problem: str | None


class BuildingCache:
    """Derived state of buildings in Redis: written whole, read whole, and every key with a time to live.

    Each command touches one key, so the same code serves one server and a cluster (`redis+cluster://…`). All methods
    raise StoreUnavailableError where Redis does not answer, StoreAccessError where it refuses the user or password,
    StoreError where it refuses the command. No message holds the URL, a password, or a stored value.
    """

    def __init__(self, url: SecretStr | str, *, timeout_seconds: float = 5.0) -> None:
        """Nothing is reached before the first use.

        Args:
            url: `redis://[user]:password@host:port/database`, `rediss://…`, `unix://…`, or `redis+cluster://…` and
                `rediss+cluster://…` for any node of a cluster.
            timeout_seconds: of connecting, and of each answer.

        Raises:
            SettingError: no such URL.
        """
        self._timeout_seconds = timeout_seconds
        self._url, self._is_cluster, self.place = _checked(
            url.get_secret_value() if isinstance(url, SecretStr) else url
        )
        self._opened: Any = None

    def __enter__(self) -> Self:
        """The cache itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def ping(self) -> None:
        """Ask for an answer. Raises where there is none."""
        with self._errors():
            self._client().ping()

    def check_rights(self) -> None:
        """Try whether the user may write, read, look for and remove keys. One key of no tenant is there meanwhile.

        Raises:
            StoreAccessError: the user lacks a right.
            StoreError: the server is full, keeps a copy only, or refuses something else.
        """
        # a name of its own, so that nothing of anybody's is touched, and several may try at once
        tried = secrets.token_hex(8)
        for key in (latest_building(tried, tried), notifications_building(tried, tried)):
            self._replace([(key, {})], _TRIED_SECONDS)
            list(self.read_many([key]))
            self.delete([key])
        with self._errors():
            next(iter(self._client().scan_iter(count=1)), None)

    def replace_latest(self, tenant_id: str, building_id: str, payload: Latest, ttl_seconds: int) -> None:
        """Replace the newest values of a building.

        Args:
            tenant_id: the tenant's code.
            building_id: the building's code.
            payload: by sensor, `{"value": …, "state": …, "type": …, "time": ISO 8601 in UTC}`.
            ttl_seconds: time to live, at least 1; set together with the content.
        """
        self.replace_latest_of([(tenant_id, building_id, payload)], ttl_seconds)

    def replace_latest_of(self, buildings: Iterable[tuple[str, str, Latest]], ttl_seconds: int) -> int:
        """Replace the newest values of many buildings: (tenant_id, building_id, payload) each. Gives their number."""
        return self._replace(((latest_building(tenant, code), value) for tenant, code, value in buildings), ttl_seconds)

    def replace_notifications(
        self, tenant_id: str, building_id: str, notifications: Notifications, ttl_seconds: int
    ) -> None:
        """Replace the notifications of a building.

        Args:
            tenant_id: the tenant's code.
            building_id: the building's code.
            notifications: newest first; only the first 100 are kept.
            ttl_seconds: time to live, at least 1; set together with the content.
        """
        self.replace_notifications_of([(tenant_id, building_id, notifications)], ttl_seconds)

    def replace_notifications_of(self, buildings: Iterable[tuple[str, str, Notifications]], ttl_seconds: int) -> int:
        """Replace the notifications of many buildings: (tenant_id, building_id, notifications) each."""
        entries = (
            (notifications_building(tenant, code), list(islice(value, NOTIFICATIONS_KEPT)))
            for tenant, code, value in buildings
        )
        return self._replace(entries, ttl_seconds)

    def read_latest(self, tenant_id: str, building_id: str) -> tuple[dict[str, dict[str, Any]] | None, int | None]:
        """The newest values of a building, and the seconds they have left.

        Returns:
            (None, None) where there is no key; (payload, None) where the key never expires, which is a fault.

        Raises:
            StoreError: the key holds something else.
        """
        return self._read_one(latest_building(tenant_id, building_id), dict)

    def read_notifications(self, tenant_id: str, building_id: str) -> tuple[list[dict[str, Any]] | None, int | None]:
        """The notifications of a building, newest first, and the seconds they have left; as `read_latest`."""
        return self._read_one(notifications_building(tenant_id, building_id), list)

    def read_many(self, keys: Iterable[str]) -> Iterator[CacheEntry]:
        """What Redis holds under each key, in the order asked for. What is wrong is told, not raised."""
        for some in _chunks(keys, KEYS_AT_ONCE):

            def ask(pipeline: Any, some: list[str] = some) -> None:
                for key in some:
                    pipeline.get(key)
                    pipeline.ttl(key)

            answers = self._pipeline(ask, tolerated="WRONGTYPE")
            yield from map(_entry, some, answers[::2], answers[1::2])

    def scan(self, prefix: str, tenants: Collection[str] | None = None) -> Iterator[tuple[str, str, str]]:
        """All keys of buildings under a prefix, in no order, each once.

        Args:
            prefix: `latest:building`, `notifications:building`, or `cache:prediction`.
            tenants: only of these; None for all.

        Returns:
            (key, tenant_id, building_id) of each. Keys that are not ours are passed over.
        """
        seen: set[str] = set()
        with self._errors():
            # A scan may give a key twice.
            for data in self._client().scan_iter(match=f"{prefix}:{{*}}", count=_SCAN_COUNT):
                key = data.decode("utf-8", "replace")
                found = parse_building(key)
                if found is None or found.prefix != prefix or key in seen:
                    continue
                if tenants is None or found.tenant_id in tenants:
                    seen.add(key)
                    yield key, found.tenant_id, found.building_id

    def delete(self, keys: Iterable[str]) -> int:
        """Remove keys. Gives the number of those that were there."""
        removed = 0
        for some in _chunks(keys, KEYS_AT_ONCE):

            def ask(pipeline: Any, some: list[str] = some) -> None:
                for key in some:
                    pipeline.unlink(key)

            removed += sum(self._pipeline(ask))
        return removed

    def _replace(self, entries: Iterable[tuple[str, Json]], ttl_seconds: int) -> int:
        if ttl_seconds < 1:
            raise StoreError(
                f"A time to live of {ttl_seconds} seconds is none.",
                where="Redis",
                remedy="Set ENERGY_LATEST_TTL_SECONDS and ENERGY_NOTIFICATIONS_TTL_SECONDS to at least 1.",
            )
        written = 0
        for some in _chunks(entries, KEYS_AT_ONCE):
            # all of them made before the first is sent
            texts = [(key, _canonical(key, value)) for key, value in some]

            def ask(pipeline: Any, texts: list[tuple[str, bytes]] = texts) -> None:
                for key, text in texts:
                    # content and time to live in one command: no key is ever without
                    pipeline.set(key, text, ex=ttl_seconds)

            self._pipeline(ask)
            failpoint("mid_cache")
            written += len(texts)
        return written

    def _read_one(self, key: str, kind: type) -> tuple[Any, int | None]:
        (entry,) = self.read_many([key])
        problem = entry.problem if entry.value is None else None
        if problem is None and entry.value is not None and not isinstance(entry.value, kind):
            problem = "The key holds JSON of another kind."
        if problem is not None:
            raise StoreError(problem, where=key, remedy="Delete the key; the next run writes it again.")
        return entry.value, entry.ttl_seconds

    def _client(self) -> Any:
        if self._opened is None:
            options = {
                "socket_timeout": self._timeout_seconds,
                "socket_connect_timeout": self._timeout_seconds,
                "health_check_interval": 30,
                "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), _RETRIES),
            }
            # without `transaction` a pipeline is only a batch: what a cluster can do too
            self._opened = (RedisCluster if self._is_cluster else redis.Redis).from_url(self._url, **options)
        return self._opened

    def _pipeline(self, ask: Callable[[Any], None], *, tolerated: str = "") -> list[Any]:
        """Send many commands at once.

        Args:
            ask: queues the commands.
            tolerated: a code of Redis; answers that are errors with this code are given back.
        """
        with self._errors(), self._client().pipeline(transaction=False) as pipeline:
            ask(pipeline)
            answers = pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception) and not (tolerated and _code(answer) == tolerated):
                    raise answer
        return answers

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except NoPermissionError as error:
            raise StoreAccessError(
                f"Redis lets the user in and refuses {_refused_right(error)}.",
                where=self.place,
                remedy=f"Give the user of {_SETTING} the rights {RIGHTS}.",
            ) from None
        except _REFUSED as error:
            raise StoreAccessError(
                "Redis refuses the user or the password.", where=self.place, remedy=f"Check {_SETTING}."
            ) from error
        except _AWAY as error:
            if is_distrust(error):
                raise StoreAccessError(
                    "Redis' certificate is not trusted, or is for another host.",
                    where=self.place,
                    remedy=f"Check the host in {_SETTING}; ?ssl_ca_certs=/path/to/ca.pem names an authority.",
                ) from error
            raise StoreUnavailableError(
                f"Redis does not answer ({type(error).__name__}).",
                where=self.place,
                remedy=f"Start it (`energy-platform up` starts a local one), or check {_SETTING}.",
            ) from error
        except OutOfMemoryError:
            raise StoreError(
                "Redis is full.", where=self.place, remedy="Raise its maxmemory, or choose shorter times to live."
            ) from None
        except RedisError as error:
            # not chained: what Redis answers may quote the command, and with it the content
            raise StoreError(
                f"Redis refuses the command ({_code(error) or type(error).__name__}).",
                where=self.place,
                remedy="Check the server's log.",
            ) from None


def _checked(url: str) -> tuple[str, bool, str]:
    """The URL for the driver, whether it is a cluster's, and `host:port` for messages."""
    problem = SettingError(
        "This is no URL of Redis.",
        where=_SETTING,
        remedy="Write redis://:password@host:6379/0, with special characters of the password percent-encoded.",
    )
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise problem from None
    if parts.scheme == "unix":
        return url, False, parts.path
    driver_scheme = _CLUSTER_SCHEMES.get(parts.scheme, parts.scheme)
    # A bare / or # in a password ends the host early: what follows would be shown as host or path.
    if driver_scheme not in ("redis", "rediss") or "@" in parts.path + parts.query + parts.fragment:
        raise problem
    driver_url = driver_scheme + url[len(parts.scheme) :]
    try:
        parse_url(driver_url)
    except ValueError:
        raise problem from None
    return driver_url, parts.scheme in _CLUSTER_SCHEMES, f"{parts.hostname or 'localhost'}:{port}"


def _canonical(key: str, value: Json) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError):
        # not chained: the message quotes the value
        raise StoreError(
            "The content is no JSON (a number that is not finite, or a type of its own).",
            where=key,
            remedy="Leave such values out before they get here.",
        ) from None


def _entry(key: str, data: Any, ttl: Any) -> CacheEntry:
    if isinstance(data, Exception):
        return CacheEntry(key, None, None, "The key holds no string.")
    # -2: no such key; it may also have expired between the two questions
    if data is None or ttl == -2:
        return CacheEntry(key, None, None, None)
    ttl_seconds = None if ttl == -1 else int(ttl)
    try:
        value = json.loads(data)
    except ValueError:
        return CacheEntry(key, None, ttl_seconds, "The key holds no JSON.")
    if value is None:
        return CacheEntry(key, None, ttl_seconds, "The key holds null.")
    return CacheEntry(key, value, ttl_seconds, "The key has no time to live." if ttl_seconds is None else None)


def _code(error: Exception) -> str:
    """The first word of an answer of Redis, such as WRONGTYPE; empty where it has none."""
    found = re.match(r"[A-Z]{3,20}\b", str(error)) if isinstance(error, ResponseError) else None
    return found[0] if found else ""


def _refused_right(error: NoPermissionError) -> str:
    """The command that a user may not run, or that it is about keys; never a key itself."""
    command = re.search(r"'([a-z|]+)' command", str(error))
    return f"the command {command[1].upper()}" if command else "a key that the platform uses"


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
