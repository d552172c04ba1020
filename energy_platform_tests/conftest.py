"""Real stores for all tests: started when a test first asks for them, in a folder of this run's own.

stores               PostgreSQL and Redis; time series in PostgreSQL
influx               the same with a real InfluxDB for time series
timeseries_settings  both of these in turn
postgres_flavour     the wheel's PostgreSQL, and Debian's where it is installed, in turn
redis_flavour        the wheel's Valkey, and Debian's Redis where it is installed, in turn
clean_stores         empties the stores of `stores` (and of `influx`, where it runs) before the test
store_environment    makes `get_settings()`, subprocesses and Dagster use the stores of `stores`
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energy_platform.local.environment import environment
from energy_platform.local.influxdb import find_influxd
from energy_platform.local.redis import wheel_server
from energy_platform.local.stores import remove_stores, start_stores
from energy_platform.settings import Settings, get_settings
from energy_platform_tests.emptying import empty_influx, empty_postgres, empty_redis

DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
DEBIAN_REDIS = Path("/usr/bin/redis-server")
SAMPLE_ESTATE = Path(__file__).resolve().parents[1] / "data"
# which program to start is the machine's affair; everything else a test sets itself
KEPT_VARIABLES = ("ENERGY_INFLUXD", "ENERGY_POSTGRES_BIN", "ENERGY_REDIS_SERVER")
RUNS = Path(tempfile.gettempdir()) / f"energy-platform-tests-{os.getuid()}"


def pytest_configure() -> None:
    """Shut out the developer's own stores and settings, and what a shell does to signals of jobs behind `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Dagster makes SIGTERM what SIGINT is: every program started afterwards would ignore both
        signal.signal(signal.SIGINT, signal.default_int_handler)
    Settings.model_config["env_file"] = None
    for name in list(os.environ):
        if name.startswith(("ENERGY_", "DAGSTER_")) and name not in KEPT_VARIABLES:
            del os.environ[name]
    get_settings.cache_clear()


def skip_without(what: str) -> None:
    """Skip a test that needs a server which is not here; in CI that is a failure, since CI installs it."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and in CI it must be there")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """The folder of this run's stores; what a killed run left behind is stopped and removed first."""
    RUNS.mkdir(mode=0o711, exist_ok=True)
    for left in RUNS.iterdir():
        if not left.name.isdigit() or not _is_running(int(left.name)):
            for home in left.iterdir():
                remove_stores(Settings(home=home))
            shutil.rmtree(left, ignore_errors=True)
    folder = RUNS / str(os.getpid())
    folder.mkdir(mode=0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def start_once(run_folder: Path) -> Iterator[Callable[..., Settings]]:
    """Starts stores in a home of the given name, once; stops and removes them all after the last test."""
    started: dict[str, Settings] = {}

    def start(name: str, **values: object) -> Settings:
        if name not in started:
            wanted = Settings.model_validate({"home": run_folder / name, "estate": SAMPLE_ESTATE, **values})
            # known before it is started, so that a failed start is cleaned up too
            started[name] = wanted
            started[name] = start_stores(wanted)
        return started[name]

    yield start
    for settings in started.values():
        remove_stores(settings)


@pytest.fixture(scope="session")
def stores(start_once: Callable[..., Settings]) -> Settings:
    """PostgreSQL and Redis of this machine; time series live in PostgreSQL."""
    return start_once("stores", timeseries="postgres")


@pytest.fixture(scope="session")
def influx(start_once: Callable[..., Settings], stores: Settings) -> Settings:
    """The stores with a real InfluxDB for time series; PostgreSQL and Redis are those of `stores`."""
    if find_influxd(Settings()) is None:
        skip_without("influxd (make influxd builds it)")
    return start_once("influx", timeseries="influxdb", **_shared(stores))


@pytest.fixture(params=["postgres", "influxdb"])
def timeseries_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings with each kind of time-series store in turn."""
    return request.getfixturevalue("stores" if request.param == "postgres" else "influx")


@pytest.fixture(params=["wheel", "debian"])
def postgres_flavour(request: pytest.FixtureRequest, start_once: Callable[..., Settings], stores: Settings) -> Settings:
    """Settings with each PostgreSQL of this machine in turn."""
    if request.param == "wheel":
        return stores
    if not (DEBIAN_POSTGRES / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    return start_once(
        "debian_postgres", timeseries="postgres", postgres_bin=DEBIAN_POSTGRES, redis_url=stores.redis_url
    )


@pytest.fixture(params=["wheel", "debian"])
def redis_flavour(request: pytest.FixtureRequest, start_once: Callable[..., Settings], stores: Settings) -> Settings:
    """Settings with each Redis of this machine in turn."""
    program = wheel_server() if request.param == "wheel" else DEBIAN_REDIS
    if program is None or not program.exists():
        pytest.skip(f"the {request.param}'s Redis 7 is not installed")
    shared = {name: value for name, value in _shared(stores).items() if name != "redis_url"}
    return start_once(f"{request.param}_redis", timeseries="postgres", redis_server=program, **shared)


@pytest.fixture
def clean_stores(request: pytest.FixtureRequest, stores: Settings) -> Settings:
    """`stores`, emptied: all rows of our schemas, all keys; the bucket too where the test has InfluxDB."""
    empty_postgres(stores)
    empty_redis(stores)
    # asked for by name only: most tests need no InfluxDB, and must not start one
    if {"influx", "timeseries_settings"} & set(request.fixturenames) and find_influxd(Settings()) is not None:
        empty_influx(request.getfixturevalue("influx"))
    return stores


@pytest.fixture
def store_environment(stores: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The environment as `up` leaves it: `get_settings()`, subprocesses and Dagster use `stores`."""
    for name, value in environment(stores).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ENERGY_HOME", str(stores.home))
    monkeypatch.setenv("ENERGY_ESTATE", str(stores.estate))
    monkeypatch.setenv("ENERGY_TIMESERIES", "postgres")
    get_settings.cache_clear()
    yield stores
    get_settings.cache_clear()


def _shared(stores: Settings) -> dict[str, object]:
    names = ("postgres_url", "postgres_admin_url", "postgres_app_url", "dagster_postgres_url", "redis_url")
    return {name: getattr(stores, name) for name in names}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
