"""Peak resident memory of the process that loads or verifies: it must not grow with the rows."""

from __future__ import annotations

import shutil
from typing import Literal

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.estates import Order, Readings, make_readings
from benchmarks.floors import check_rows
from benchmarks.lines.series import ORDERS
from benchmarks.measuring import Contender, Line, Ratio, Sample, quotient
from benchmarks.stores import StoreName

_FEW = 1_000_000
_MIB = 1024.0**2
_LIMIT_MIB = 1024.0
_ASSET = "timeseries/sensor_data"
_ORDERS: tuple[Order, ...] = ("time", "shuffled")


def memory(bench: Bench) -> None:
    """Every kind of source, in two orders, into every store."""
    few, many = min(_FEW, bench.options.rows), bench.options.memory_rows
    for kind in ("sqlite", "csv"):
        for order in _ORDERS:
            for store in bench.stores.timeseries:
                _compare(bench, kind, order, store, few, many)


def _compare(bench: Bench, kind: Literal["sqlite", "csv"], order: Order, store: StoreName, few: int, many: int) -> None:
    def run(rows: int) -> Sample:
        bench.stores.empty()
        estate = make_readings(bench.folder / "estate", Readings(rows), order, kind=kind)
        loaded = ours.load(bench.stores, store, estate, _ASSET)
        check_rows(bench.stores.points(store, "sensor_data", "value"), rows)
        ours.run(bench.stores, store, estate, "load_rest", loaded=[_ASSET])
        verified = ours.run(bench.stores, store, estate, "verify")
        shutil.rmtree(estate)
        facts = {"load MiB": loaded.facts["peak"] / _MIB, "verify MiB": verified.facts["peak"] / _MIB}
        return Sample(loaded.seconds, rows, facts | {"verify": verified.seconds})

    def ratios(line: Line) -> list[Ratio]:
        small, large = line.results
        judged: list[Ratio] = []
        for what in ("load", "verify"):
            fact = f"{what} MiB"
            growth = quotient(large.most(fact), small.best(fact))
            judged.append(Ratio(f"{what}: peak memory at {many:,} rows, to that at {few:,}", growth, 1.1))
            judged.append(Ratio(f"{what}: peak memory at {many:,} rows", large.most(fact), _LIMIT_MIB, unit="MiB"))
        return judged

    place = "InfluxDB 2" if store == "influxdb" else "PostgreSQL"
    source = "SQLite" if kind == "sqlite" else "CSV"
    bench.compare(
        f"Memory, {source} {ORDERS[order]} → {place}",
        lambda: [
            Contender(f"Energy Platform, {few:,} rows", "ours", lambda: run(few)),
            Contender(f"Energy Platform, {many:,} rows", "ours", lambda: run(many)),
        ],
        ratios,
        repeats=1,
    )
