"""Time series of 100 days of which one has changed, against a first load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.estates import (
    DATABASE,
    ENERGY_CSV,
    Readings,
    append_day_to_sqlite,
    change_day_in_csv,
    change_day_in_sqlite,
    make_energy,
    make_readings,
)
from benchmarks.floors import check_rows
from benchmarks.lines.series import own
from benchmarks.measuring import Contender, Line, Ratio, Sample, quotient
from benchmarks.stores import StoreName

#: The column of the energy file that is changed: the power.
_POWER = 2
#: Changes a copy of the estate; returns how many rows it changed, and how many it added.
Change = Callable[[Path], tuple[int, int]]


def one_day_changed(bench: Bench) -> None:
    """CSV and SQLite, with and without an index, and with a key that only grows."""
    readings = Readings(bench.options.rows)
    # one in the middle: neither the first nor the last one read
    day = readings.first_day + timedelta(days=readings.days // 2)

    def energy(folder: Path) -> Path:
        return make_energy(folder, readings)

    def plain(folder: Path) -> Path:
        return make_readings(folder, readings, "shuffled")

    def indexed(folder: Path) -> Path:
        return make_readings(folder, readings, "building", time_index=True)

    def growing(folder: Path) -> Path:
        return make_readings(folder, readings, "time")

    def in_csv(estate: Path) -> tuple[int, int]:
        return change_day_in_csv(estate / ENERGY_CSV, day, _POWER), 0

    def in_sqlite(estate: Path) -> tuple[int, int]:
        return change_day_in_sqlite(estate / DATABASE, day), 0

    def at_the_end(estate: Path) -> tuple[int, int]:
        more = append_day_to_sqlite(estate / DATABASE, readings)
        return more, more

    for store in bench.stores.timeseries:
        place = "InfluxDB 2" if store == "influxdb" else "PostgreSQL"
        measurement, field = "energy_consumption", "power_kw"
        _compare(bench, store, f"CSV → {place}, one day of 100 changed", energy, in_csv, 0.15, measurement, field)
        measurement, field = "sensor_data", "value"
        _compare(bench, store, f"SQLite → {place}, one day of 100 changed", plain, in_sqlite, 0.4, measurement, field)
        title = f"SQLite with an index on time → {place}, one day of 100 changed"
        _compare(bench, store, title, indexed, in_sqlite, 0.1, measurement, field)
        title = f"SQLite with a growing key → {place}, a day more"
        _compare(bench, store, title, growing, at_the_end, 0.1, measurement, field)


def _compare(
    bench: Bench,
    store: StoreName,
    title: str,
    make: Callable[[Path], Path],
    change: Change,
    limit: float,
    measurement: str,
    field: str,
) -> None:
    rows = bench.options.rows

    def contenders() -> list[Contender]:
        untouched = make(bench.folder / "untouched")

        def load() -> Sample:
            bench.stores.empty()
            estate = bench.folder / "estate"
            shutil.rmtree(estate, ignore_errors=True)
            shutil.copytree(untouched, estate)
            asset = f"timeseries/{measurement}"
            first = ours.load(bench.stores, store, estate, asset)
            check_rows(bench.stores.points(store, measurement, field), rows)
            changed, added = change(estate)
            second = ours.load(bench.stores, store, estate, asset)
            check_rows(bench.stores.points(store, measurement, field), rows + added)
            third = ours.load(bench.stores, store, estate, asset)
            if not changed or second.facts["written"] < changed:
                written = f"{second.facts['written']:,.0f}"
                raise AssertionError(f"{changed} rows have changed, and {written} were written")
            facts = {"changed": second.seconds, "again": third.seconds, "rows changed": float(changed)}
            return Sample(first.seconds, rows, first.facts | facts)

        return [Contender("Energy Platform, first load", "ours", load)]

    def ratios(line: Line) -> list[Ratio]:
        mine = own(line)
        return [
            Ratio("one day changed, to the first load", quotient(mine.best("changed"), mine.seconds), limit),
            Ratio("again, nothing changed, to the first load", quotient(mine.best("again"), mine.seconds), 0.05),
        ]

    bench.compare(title, contenders, ratios)
