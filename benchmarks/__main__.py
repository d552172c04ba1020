"""`python -m benchmarks`: measures, prints the tables, writes results.md and its plot."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.bench import Bench, Options
from benchmarks.lines.backfill import backfill
from benchmarks.lines.cardinality import cardinality
from benchmarks.lines.changes import one_day_changed
from benchmarks.lines.definitions import definitions
from benchmarks.lines.fingerprints import fingerprints
from benchmarks.lines.memory import memory
from benchmarks.lines.series import into_influxdb, into_postgres
from benchmarks.lines.tables import csv_into_table
from benchmarks.measuring import one_line
from benchmarks.peering import Peers
from benchmarks.results import Run, print_tables, write_page
from benchmarks.stores import scratch_stores
from energy_platform.domain.errors import EnergyPlatformError

#: What can be asked for by name, in the order in which it is measured.
SUBJECTS: dict[str, tuple[str, Callable[[Bench], None]]] = {
    "influxdb": ("SQLite → InfluxDB 2, in three orders of rows", into_influxdb),
    "table": ("CSV → PostgreSQL table, and again", csv_into_table),
    "postgres": ("SQLite → PostgreSQL time series, in three orders of rows", into_postgres),
    "changes": ("time series of 100 days of which one has changed", one_day_changed),
    "fingerprints": ("fingerprints of rows in memory", fingerprints),
    "definitions": ("loading the definitions, against importing Dagster", definitions),
    "backfill": ("a backfill of many days through Dagster", backfill),
    "cardinality": ("queries over many series", cardinality),
    "memory": ("peak memory of loads and of verify", memory),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit code: 0 measured (whatever the figures), 1 not, 2 wrong use."""
    asked = _parser().parse_args(arguments)
    unknown = set(asked.only) - SUBJECTS.keys()
    if unknown:
        print(f"There is no {', '.join(sorted(unknown))}; there is {', '.join(SUBJECTS)}.", file=sys.stderr)
        return 2
    options = Options(
        rows=asked.rows,
        peer_rows=asked.peer_rows,
        repeats=asked.repeats,
        large_rows=asked.memory_rows,
        series=asked.series,
        days=asked.days,
        single_runs=asked.single_runs,
    )
    # whatever ends it, the scratch servers are stopped
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="energy-platform-bench-", dir=asked.folder))
    # the servers' own user must be able to pass
    folder.chmod(0o711)
    try:
        return _measure(options, asked, folder)
    except EnergyPlatformError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted; the scratch servers are stopped and their files removed.", file=sys.stderr)
        return 130
    finally:
        if asked.keep:
            print(f"The estates are kept in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _measure(options: Options, asked: argparse.Namespace, folder: Path) -> int:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    began, started = time.monotonic(), datetime.now(UTC)
    load = os.getloadavg()[0]

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        console.print(f"[dim]{minutes:3d}:{seconds:02d}[/] ", end="")
        console.print(text, markup=False)

    say("starting scratch servers")
    with scratch_stores(folder) as stores:
        bench = Bench(options, stores, Peers(stores, say), folder, say)
        for name in asked.only or SUBJECTS:
            title, measure_subject = SUBJECTS[name]
            try:
                measure_subject(bench)
            except Exception as error:  # noqa: BLE001 - one subject that fails must not end the others
                bench.leave_out(title, one_line(error))
        run = Run(
            options=options,
            command=_command(asked),
            started=f"{started:%Y-%m-%d %H:%M} UTC",
            minutes=(time.monotonic() - began) / 60,
            servers=stores.versions(),
            peers=bench.peers.versions(),
            load=load,
        )
    print_tables(Console(width=None if sys.stdout.isatty() else 200), bench.lines)
    write_page(asked.output, bench.lines, run)
    say(f"written: {asked.output}")
    return 0 if any(line.results for line in bench.lines) else 1


def _command(asked: argparse.Namespace) -> str:
    parts = [f"python -m benchmarks --rows {asked.rows}"]
    parts += [f"--only {','.join(asked.only)}"] if asked.only else []
    parts += [f"--repeats {asked.repeats}"] if asked.repeats else []
    parts += [f"--memory-rows {asked.memory_rows}"] if asked.memory_rows else []
    parts.append(f"--series {asked.series}")
    return " ".join(parts)


def _parser() -> argparse.ArgumentParser:
    subjects = "\n".join(f"  {name:<13}{title}" for name, (title, _) in SUBJECTS.items())
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures the platform against floors and peers, on scratch servers of its own.",
        epilog=f"what can be measured:\n{subjects}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rows", type=_positive, default=defaults.rows, help=f"of the estates ({defaults.rows:,})")
    add("--only", type=lambda text: text.split(","), default=[], metavar="NAME,…", help="of the list below")
    add("--repeats", type=_positive, help="rounds; the best counts (3 up to a million rows, else 1)")
    add(
        "--peer-rows",
        type=_positive,
        default=defaults.peer_rows,
        help=f"at most so many for a slow peer ({defaults.peer_rows:,})",
    )
    add(
        "--memory-rows",
        type=_positive,
        help=f"of the large estate whose peak memory is taken ({defaults.memory_rows:,}, or --rows if more)",
    )
    add("--series", type=_positive, default=defaults.series, help=f"of the cardinality lines ({defaults.series:,})")
    add("--days", type=_positive, default=defaults.days, help=f"of the backfill ({defaults.days})")
    add(
        "--single-runs",
        type=_positive,
        default=defaults.single_runs,
        help=f"of one day each, extrapolated to all days ({defaults.single_runs})",
    )
    add("--folder", type=Path, help="where estates and servers are put while it runs (the temporary folder)")
    add("--keep", action="store_true", help="keep the estates")
    add(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parent / "results.md",
        help="the page; its plot is put beside it (benchmarks/results.md)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text.replace(",", "").replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
