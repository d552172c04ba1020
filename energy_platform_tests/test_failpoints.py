"""Failpoints do what they are told, where they are told, and nothing unless they are told."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from energy_platform import failpoints
from energy_platform.domain.errors import SettingError
from energy_platform.failpoints import FAILPOINTS, FailpointError, failpoint, is_set
from energy_platform.settings import get_settings

PACKAGE = Path(failpoints.__file__).parent


def test_every_failpoint_stands_in_the_code_and_in_the_document_and_no_other() -> None:
    called: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        called.update(re.findall(r'\bfailpoint\("(\w+)"\)', path.read_text(encoding="utf-8")))
    assert called == set(FAILPOINTS)
    document = (PACKAGE.parent / "docs" / "resilience.md").read_text(encoding="utf-8")
    assert [name for name in FAILPOINTS if f"`{name}`" not in document] == []


def test_nothing_happens_where_none_is_set() -> None:
    assert failpoints._active is None
    failpoint("mid_copy")
    assert not is_set("mid_copy")


def test_it_raises_at_the_time_that_is_said_and_at_no_other() -> None:
    with failpoints.failpoints("mid_copy=raise@3,mid_spill=raise"):
        failpoint("mid_copy")
        failpoint("mid_copy")
        with pytest.raises(FailpointError, match="mid_copy"):
            failpoint("mid_copy")
        failpoint("mid_copy")
        with pytest.raises(FailpointError, match="mid_spill"):
            failpoint("mid_spill")
        assert is_set("mid_copy")
        assert not is_set("mid_cache")
    failpoint("mid_spill")


@pytest.mark.parametrize(
    "text",
    [
        "mid_copy",
        "mid_copy=",
        "mid_copy=explode",
        "mid_copy=kill@0",
        "mid_copy=kill:now",
        "mid_copy=sleep",
        "mid_copy=sleep:long",
        "mid_copy=pause",
        "somewhere=kill",
        "mid_copy=kill,somewhere=kill",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="ENERGY_FAILPOINTS"), failpoints.failpoints(text):
        pass


def test_it_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), failpoints.failpoints("mid_copy=kill@9"):
        assert "FAILPOINTS ARE SET" in caplog.text


def test_production_refuses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_ENVIRONMENT", "production")
    get_settings.cache_clear()
    try:
        with pytest.raises(SettingError, match="production"), failpoints.failpoints("mid_copy=kill"):
            pass
    finally:
        get_settings.cache_clear()


def test_a_pause_holds_one_process_until_its_file_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "reached"
    with failpoints.failpoints(f"mid_copy=pause:{file}@1,mid_copy=pause:{file}@2"):
        passed: list[str] = []
        thread = threading.Thread(target=lambda: passed.append(str(failpoint("mid_copy"))))
        thread.start()
        while not file.exists():
            time.sleep(0.001)
        assert file.read_text(encoding="ascii").isdigit()
        # the file is there: the second one is not held
        failpoint("mid_copy")
        assert passed == []
        file.unlink()
        thread.join(30)
        assert passed == ["None"]
    assert list(tmp_path.iterdir()) == []


def test_it_kills_a_process_that_the_variable_names(tmp_path: Path) -> None:
    script = "from energy_platform.failpoints import failpoint\nfailpoint('mid_copy')\nprint('one', flush=True)\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "failpoint('mid_copy')\nprint('two')"],
        env={"ENERGY_FAILPOINTS": "mid_copy=kill@2", "PYTHONPATH": str(PACKAGE.parent)},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == "one\n"
    assert "FAILPOINTS ARE SET" in done.stderr
