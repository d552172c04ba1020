"""The local Redis goes on with a program that reads what is there."""

from pathlib import Path

import pytest

from energy_platform.domain.errors import SettingError
from energy_platform.local.home import Home
from energy_platform.local.redis import RedisServer, reads, wheel_server
from energy_platform.settings import Settings
from energy_platform_tests.conftest import DEBIAN_REDIS, skip_without

CREDENTIALS = {"redis": "a-password-of-this-test"}


def server(folder: Path, program: Path | None) -> RedisServer:
    home = Home(folder)
    home.make()
    return RedisServer(home, Settings(home=folder, redis_server=program), CREDENTIALS)


def filled_by_valkey(folder: Path) -> RedisServer:
    """A Redis folder that the Valkey of the wheel has written."""
    program = wheel_server()
    if program is None:
        skip_without("the wheel of Valkey")
    first = server(folder, program)
    first.begin()
    first.finish()
    assert first.stop()
    return first


@pytest.mark.parametrize(
    ("name", "version", "held", "readable"),
    [
        ("Redis", "7.0.15", "", True),
        ("Redis", "7.0.15", "REDIS0010", True),
        ("Redis", "7.0.15", "REDIS0011", False),
        ("Redis", "7.2.4", "REDIS0011", True),
        ("Redis", "7.2.4", "REDIS0012", False),
        ("Redis", "8.0.1", "REDIS0012", True),
        ("Redis", "8.0.1", "VALKEY080", False),
        ("Valkey", "9.1.2", "VALKEY080", True),
        ("Valkey", "8.1.0", "VALKEY080", False),
        ("Valkey", "8.1.0", "REDIS0011", True),
        ("Valkey", "9.1.2", "REDIS0012", False),
    ],
)
def test_programs_read_their_own_files_and_older_ones(name: str, version: str, held: str, readable: bool):
    assert reads(name, version, held) is readable


def test_a_redis_that_is_installed_later_leaves_what_valkey_wrote_to_valkey(run_folder: Path):
    folder = run_folder / "later"
    filled_by_valkey(folder)

    # with whatever is on PATH now, as after an apt-get install redis-server
    again = server(folder, None)
    try:
        again.begin()
        again.finish()
        assert again.state() == "running"
        assert again.version.startswith("Valkey")
    finally:
        again.stop()


def test_a_program_that_cannot_read_what_is_there_is_not_started(run_folder: Path):
    if not DEBIAN_REDIS.exists():
        skip_without("Debian's redis-server")
    folder = run_folder / "unreadable"
    first = filled_by_valkey(folder)

    with pytest.raises(SettingError, match=r"written by another program, in the format VALKEY080 .*Redis \d") as told:
        server(folder, DEBIAN_REDIS).begin()
    assert str(first.folder) in str(told.value)
    assert first.state() == "stopped"
