"""What is ours, run once in a process of its own: told on standard input what to do, it answers with figures.

Seconds are those of the work, from opening the stores to the last verdict; the time to import modules is left out, as
it is for every peer: drivers of stores and sources, which are imported where they are used, are imported before.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import Sample, WrongResultError, one_line
from benchmarks.stores import StoreName, Stores


def run(stores: Stores, store: StoreName, estate: Path, action: str, **arguments: Any) -> Sample:
    """Do something in a fresh process.

    Args:
        stores: the servers.
        store: of time series.
        estate: its folder.
        action: a function of this module that is named `do_<action>`.
        arguments: of that function.

    Raises:
        WrongResultError: it failed, or did not prove what it loaded.
    """
    request = json.dumps({"action": action, **arguments})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ours"],
        input=request,
        cwd=stores.folder,
        env=stores.environment(store, estate),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongResultError(one_line(RuntimeError(done.stderr.strip()[-600:])))
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    if problems := facts.pop("problems"):
        raise WrongResultError(f"{len(problems)} findings, e.g. {problems[0]}")
    return Sample(facts.pop("seconds"), facts.pop("rows"), facts)


def load(stores: Stores, store: StoreName, estate: Path, asset: str, **arguments: Any) -> Sample:
    """Load an asset in a fresh process; see `do_load`."""
    return run(stores, store, estate, "load", asset=asset, **arguments)


def prepare(stores: Stores, store: StoreName, estate: Path, *assets: str) -> None:
    """Load assets that others need, where no time is taken."""
    for asset in assets:
        load(stores, store, estate, asset)


def peak_memory() -> float:
    """Peak resident memory of this process in bytes.

    Linux hands the peak of the process that started us down to us in `getrusage`, hence /proc.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def do_load(asset: str) -> dict[str, Any]:
    """Load and prove an asset over all days."""
    from energy_platform.settings import Settings
    from energy_platform.sources.estate import read_estate
    from energy_platform.transfer.assets import load_asset
    from energy_platform.transfer.context import open_platform

    for driver in ("sources.sqlite.records", "stores.timeseries.influxdb", "stores.timeseries.postgres"):
        importlib.import_module(f"energy_platform.{driver}")
    # libraries that load parts of themselves at their first use
    for part in ("httpcore", "numpy.ma"):
        importlib.import_module(part)
    settings = Settings()
    started = time.perf_counter()
    with open_platform(settings, read_estate(settings.estate)) as platform:
        report = load_asset(platform, asset)
    seconds = time.perf_counter() - started
    phases: dict[str, float] = getattr(report, "phases", {})
    facts: dict[str, Any] = dict(phases)
    if "proving" in phases:
        facts["without_proof"] = seconds - phases["proving"]
    proven = [verdict for verdict in report.verdicts if verdict.proven]
    return {
        "seconds": seconds,
        "rows": sum(verdict.rows for verdict in proven),
        "written": report.rows_written,
        "partitions": len(report.verdicts),
        "problems": [f"{verdict.partition}: {verdict.reason}" for verdict in report.unproven],
        "peak": peak_memory(),
        **facts,
    }


def do_verify() -> dict[str, Any]:
    """Compare all sources with all targets."""
    from energy_platform.settings import Settings
    from energy_platform.sources.estate import read_estate
    from energy_platform.transfer.context import open_platform
    from energy_platform.transfer.verify import verify

    settings = Settings()
    started = time.perf_counter()
    with open_platform(settings, read_estate(settings.estate)) as platform:
        report = verify(platform)
    seconds = time.perf_counter() - started
    problems = [f"{finding.asset} {finding.partition}: {finding.reason}" for finding in report.findings]
    return {"seconds": seconds, "rows": 0, "problems": problems, "peak": peak_memory()}


def do_load_rest(loaded: list[str]) -> dict[str, Any]:
    """Load whatever else the estate feeds, so that `verify` finds all in its place."""
    from energy_platform.settings import Settings
    from energy_platform.sources.estate import read_estate
    from energy_platform.transfer.assets import assets_of, load_asset
    from energy_platform.transfer.context import open_platform

    settings = Settings()
    started = time.perf_counter()
    problems: list[str] = []
    with open_platform(settings, read_estate(settings.estate)) as platform:
        for asset in assets_of(platform.estate):
            if asset not in loaded:
                problems += [f"{asset} {v.partition}: {v.reason}" for v in load_asset(platform, asset).unproven]
    return {"seconds": time.perf_counter() - started, "rows": 0, "problems": problems}


def do_fingerprint(rows: int, repeats: int) -> dict[str, Any]:
    """Hash and sum up rows that are in memory already, as whole frames and told by series."""
    from benchmarks.estates import Readings
    from energy_platform.domain import fingerprints
    from energy_platform.domain.measurements import SENSOR_DATA
    from energy_platform.domain.points import SeriesPoints

    readings = Readings(rows)
    import polars as pl

    frame = pl.concat([readings.points(numbers) for numbers in readings.numbers("building")], rechunk=True)
    points = SeriesPoints.of(frame, SENSOR_DATA)
    whole: list[float] = []
    by_series: list[float] = []
    sums: set[int] = set()
    for _ in range(repeats):
        started = time.perf_counter()
        sums.add(fingerprints.sum_of_hashes(*fingerprints.row_hashes(frame, SENSOR_DATA.columns)))
        whole.append(time.perf_counter() - started)
        started = time.perf_counter()
        sums.add(fingerprints.sum_of_hashes(*fingerprints.point_hashes(points, SENSOR_DATA)))
        by_series.append(time.perf_counter() - started)
    return {
        "seconds": min(by_series),
        "whole": min(whole),
        "rows": rows,
        # both ways must tell the same, every time
        "problems": ["the sums of both ways differ"] if len(sums) > 1 else [],
    }


_ACTIONS = {"load": do_load, "verify": do_verify, "load_rest": do_load_rest, "fingerprint": do_fingerprint}


def main() -> None:
    """Read what to do, do it, answer."""
    request = json.load(sys.stdin)
    answer = _ACTIONS[request.pop("action")](**request)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
