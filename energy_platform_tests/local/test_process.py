import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from energy_platform.domain.errors import StoreError
from energy_platform.local.process import LOG_BYTES, ServerProcess

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
POLITE = ((signal.SIGTERM, 5.0),)


@pytest.fixture
def process(tmp_path: Path):
    process = ServerProcess(tmp_path / "server.lock", tmp_path / "server.log")
    yield process
    process.stop([(signal.SIGKILL, 5.0)])


def spawn(process: ServerProcess, folder: Path, *command: str) -> None:
    process.spawn(command, folder=folder, user=None, environment=ENVIRONMENT)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_is_found_by_another_object_and_stopped(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sleep", "60")
    again = ServerProcess(tmp_path / "server.lock", tmp_path / "server.log")
    wait_until(lambda: again.pid() is not None)
    assert Path(f"/proc/{again.pid()}").exists() or sys.platform != "linux"
    assert not again.crashed()
    assert again.stop(POLITE) is True
    assert (again.alive(), again.pid(), again.crashed()) == (False, None, False)
    assert again.stop(POLITE) is False


def test_a_killed_server_is_crashed_not_stopped(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sleep", "60")
    wait_until(lambda: process.pid() is not None)
    os.kill(process.pid() or 0, signal.SIGKILL)
    wait_until(lambda: not process.alive())
    assert process.crashed()
    assert process.stop(POLITE) is False
    assert not process.crashed()


def test_a_stale_number_that_another_program_has_now_is_left_alone(process: ServerProcess, tmp_path: Path):
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "server.lock").write_text(f"{other.pid}\n")
        assert process.pid() is None
        assert process.stop(POLITE) is False
        assert other.poll() is None
        other.kill()


def test_a_copy_of_the_folder_does_not_own_the_running_server(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sleep", "60")
    wait_until(lambda: process.pid() is not None)
    copy = ServerProcess(tmp_path / "copy.lock", tmp_path / "copy.log")
    shutil.copy2(tmp_path / "server.lock", tmp_path / "copy.lock")
    assert copy.pid() is None
    assert copy.stop(POLITE) is False
    assert process.alive()


def test_children_that_outlive_the_server_count_as_alive(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sh", "-c", "sleep 0.5 & kill -9 $$")
    assert process.alive()
    wait_until(lambda: not process.alive())
    assert process.crashed()


def test_a_second_start_is_refused(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sleep", "60")
    with pytest.raises(StoreError, match="runs already"):
        spawn(process, tmp_path, "sleep", "60")


def test_a_starter_killed_at_once_leaves_a_server_that_can_be_stopped(process: ServerProcess, tmp_path: Path):
    child = os.fork()
    if child == 0:
        spawn(process, tmp_path, "sleep", "60")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until(lambda: process.pid() is not None)
    assert process.stop(POLITE) is True


def test_one_that_ignores_the_first_signal_gets_the_next(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: process.last_words() == "ready")
    assert process.stop([(signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0)]) is True
    assert not process.alive()


def test_last_words_are_those_of_the_last_start(process: ServerProcess, tmp_path: Path):
    (tmp_path / "server.log").write_text("old trouble\n")
    spawn(process, tmp_path, "sh", "-c", "echo new trouble >&2; exit 1")
    wait_until(lambda: not process.alive())
    assert process.last_words() == "new trouble"


def test_a_long_log_is_put_aside(process: ServerProcess, tmp_path: Path):
    (tmp_path / "server.log").write_bytes(b"x" * (LOG_BYTES + 1))
    spawn(process, tmp_path, "true")
    assert (tmp_path / "server.log.1").stat().st_size == LOG_BYTES + 1


def test_a_program_that_is_missing_ends_with_words(process: ServerProcess, tmp_path: Path):
    spawn(process, tmp_path, str(tmp_path / "nothing"))
    wait_until(lambda: not process.alive())
    assert "not found" in process.last_words()
