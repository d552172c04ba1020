"""Loading the definitions, against importing Dagster alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.lines.series import own
from benchmarks.measuring import Contender, Line, Ratio, Sample, WrongResultError, one_line, quotient

_ROUNDS = 5
_HEAVY = ("great_expectations", "sklearn", "matplotlib", "polars", "pyarrow", "pandas", "psycopg", "numpy")
_IMPORT = "import dagster"
_LOAD = "from energy_platform.definitions import definitions; definitions()"
_CODE = """
import json, sys, time
started = time.perf_counter()
{work}
seconds = time.perf_counter() - started
print(json.dumps([seconds, [name for name in {heavy} if name in sys.modules]]))
"""


def definitions(bench: Bench) -> None:
    """What every process of Dagster pays before it does anything."""
    sample_estate = Path(__file__).resolve().parents[2] / "data"
    imported: set[str] = set()

    def run(work: str) -> Sample:
        done = subprocess.run(
            [sys.executable, "-c", _CODE.format(work=work, heavy=_HEAVY)],
            cwd=bench.stores.folder,
            env=bench.stores.environment("postgres", sample_estate),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise WrongResultError(one_line(RuntimeError(done.stderr[-400:])))
        seconds, heavy = json.loads(done.stdout.strip().splitlines()[-1])
        if work == _LOAD:
            imported.update(heavy)
        return Sample(seconds, 0)

    def ratios(line: Line) -> list[Ratio]:
        named = ", ".join(sorted(imported)) or "none"
        line.notes.append(f"heavy packages that loading the definitions imports: {named}")
        return [Ratio("definitions, to importing dagster", quotient(own(line).seconds, line.results[0].seconds), 2.0)]

    bench.compare(
        "Loading the definitions",
        lambda: [
            Contender("import dagster", "floor", lambda: run(_IMPORT)),
            Contender("the definitions of data/", "ours", lambda: run(_LOAD)),
        ],
        ratios,
        repeats=max(_ROUNDS, bench.options.rounds),
    )
