"""Runs of the job `migrate` in a process of its own: one over a range of days, or one for each day of it.

Told on standard input what to run, it answers with figures. The process as a whole is what a run that is launched from
the UI costs at least: Dagster starts one for each run, which loads the definitions and then executes the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measuring import Sample, WrongResultError, one_line
from benchmarks.stores import StoreName, Stores

_ASSET = ("timeseries", "sensor_data")


def run(stores: Stores, store: StoreName, estate: Path, first: date, last: date, *, each: bool = False) -> Sample:
    """Run days in a fresh process. Its own seconds are those of the run; the fact `process` has those of all.

    Raises:
        WrongResultError: a run failed.
    """
    variables = stores.environment(store, estate) | {"DAGSTER_HOME": str(dagster_home(stores))}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dagster_run"],
        input=json.dumps({"first": first.isoformat(), "last": last.isoformat(), "each": each}),
        cwd=stores.folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    process = time.perf_counter() - started
    if done.returncode:
        raise WrongResultError(one_line(RuntimeError(done.stderr.strip()[-600:])))
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    return Sample(facts.pop("seconds"), facts.pop("rows"), facts | {"process": process})


def dagster_home(stores: Stores) -> Path:
    """A folder with the project's own dagster.yaml."""
    home = stores.folder / "dagster_home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_bytes((Path(__file__).resolve().parents[1] / "dagster.yaml").read_bytes())
    return home


def execute(first: date, last: date, *, each: bool) -> dict[str, Any]:
    """Run the job over the days, in one run or in one run for each."""
    import dagster as dg

    from energy_platform.definitions import build_definitions
    from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START
    from energy_platform.settings import Settings

    job = build_definitions(Settings()).resolve_job_def("migrate")
    ranges = [(first, last)]
    if each:
        ranges = [(first + timedelta(days=n),) * 2 for n in range((last - first).days + 1)]
    key = dg.AssetKey(list(_ASSET))
    with dg.DagsterInstance.get() as instance:
        runs: list[str] = []
        started = time.perf_counter()
        for start, stop in ranges:
            result = job.execute_in_process(
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                instance=instance,
                raise_on_error=True,
                asset_selection=[key],
                tags={RANGE_START: start.isoformat(), RANGE_END: stop.isoformat()},
            )
            runs.append(result.run_id)
        seconds = time.perf_counter() - started
        wanted = {(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)}
        missing = wanted - instance.get_materialized_partitions(key)
    if missing:
        raise AssertionError(f"{len(missing)} days were not materialized")
    return {"seconds": seconds, "rows": 0, "days": len(wanted), "events": _events(runs)}


def _events(runs: list[str]) -> int:
    """Rows of the event log that belong to these runs."""
    import psycopg

    with psycopg.connect(os.environ["ENERGY_DAGSTER_POSTGRES_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM event_logs WHERE run_id = ANY(%s)", [runs]).fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Read what to run, run it, answer."""
    asked = json.load(sys.stdin)
    first, last = date.fromisoformat(asked["first"]), date.fromisoformat(asked["last"])
    print(json.dumps(execute(first, last, each=asked["each"])))


if __name__ == "__main__":
    main()
