"""Runs the pipeline for tests: in this process, in a process of its own that can be killed, or as the command.

`python -m energy_platform_tests.promises.pipeline FOLDER` loads everything and prints a line per step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from energy_platform.domain.days import DayRange
from energy_platform.local.environment import environment
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings, get_settings
from energy_platform.sources.estate import check_estate, read_estate
from energy_platform.transfer.assets import assets_of, load_asset
from energy_platform.transfer.context import Platform, open_platform
from energy_platform.transfer.options import LoadOptions
from energy_platform.transfer.reports.verdicts import LoadReport
from energy_platform.transfer.verify import VerifyReport
from energy_platform.transfer.verify import verify as verify_platform

ROOT = Path(__file__).resolve().parents[2]


def small_estate(folder: Path, name: str, *, tenant: str = "", **options: Any) -> Path:
    """A sample of two buildings and six days, with flaws; the estate and its tenant have this name."""
    values = {"buildings": 2, "days": 6, "seed": 7, "estate": name, "tenant": tenant or name, **options}
    make_sample(folder / name, SampleOptions(**values))
    return folder / name


def kind_of(settings: Settings) -> str:
    """A short word for the time-series store, for names of estates."""
    return "influx" if settings.influx_url else "postgres"


def load(
    settings: Settings,
    folder: Path,
    *,
    days: DayRange | None = None,
    only: str = "",
    log: Callable[[str], None] = lambda _: None,
    max_error_ratio: float = 0.05,
    force: bool = False,
    file: Path | None = None,
    checked: bool = True,
) -> dict[str, LoadReport]:
    """Load an estate asset by asset in this process (those whose name starts with `only`); gives each one's report."""
    options = LoadOptions(max_error_ratio=max_error_ratio, force=force)
    reports: dict[str, LoadReport] = {}
    if checked:
        check_estate(read_estate(folder, file))
    with opened(settings, folder, file) as platform:
        for asset in assets_of(platform.estate):
            if asset.startswith(only):
                log(asset)
                reports[asset] = load_asset(platform, asset, days, options, "test", log)
    return reports


@contextmanager
def opened(settings: Settings, folder: Path, file: Path | None = None) -> Iterator[Platform]:
    """The platform of an estate over these stores."""
    with open_platform(settings, read_estate(folder, file)) as platform:
        yield platform


def verify(settings: Settings, folder: Path, file: Path | None = None) -> VerifyReport:
    """Verify an estate in this process."""
    with opened(settings, folder, file) as platform:
        return verify_platform(platform)


def variables(settings: Settings, folder: Path) -> dict[str, str]:
    """The environment of a process that works with these stores and this estate."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ENERGY_", "DAGSTER_"))},
        **environment(settings),
        "ENERGY_HOME": str(settings.home),
        "ENERGY_ESTATE": str(folder),
        "ENERGY_TIMESERIES": "influxdb" if settings.influx_url else "postgres",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def start_loading(
    settings: Settings, folder: Path, *, force: bool = False, by_command: bool = False, **changed: str
) -> subprocess.Popen[str]:
    """A process that loads everything, and prints a line per step; with further environment variables.

    Or, `by_command`, the command that does it with Dagster.
    """
    program = ["energy_platform_tests.promises.pipeline", str(folder)]
    if by_command:
        program = ["energy_platform.cli.main", "migrate", str(folder), "--max-error-ratio", "0.05"]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", *program, *(["--force"] if force else [])],
        cwd=folder,
        env={**variables(settings, folder), **changed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@dataclass(frozen=True)
class Called:
    """What a call of the command said."""

    code: int
    output: str
    report: Mapping[str, Any] | None


def command(settings: Settings | None, folder: Path, *arguments: str, report: bool = False, **changed: str) -> Called:
    """Call `energy-platform` as a process of its own, in the folder of the estate's parent."""
    path = folder.parent / f"{folder.name}-report.json"
    path.unlink(missing_ok=True)
    environment_of_call = variables(settings, folder) if settings else dict(os.environ)
    done = subprocess.run(
        [sys.executable, "-m", "energy_platform.cli.main", *arguments, *(["--report", str(path)] if report else [])],
        check=False,
        cwd=folder.parent,
        env={**environment_of_call, **changed},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return Called(done.returncode, done.stdout + done.stderr, found)


def day(text: str) -> date:
    """A day from its ISO text."""
    return date.fromisoformat(text)


if __name__ == "__main__":
    load(get_settings(), Path(sys.argv[1]), force="--force" in sys.argv, log=lambda line: print(line, flush=True))
    print("done", flush=True)
