"""A backfill of many days through Dagster: in one run, in a run for each day, and outside of Dagster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

from benchmarks import dagster_run, ours
from benchmarks.bench import Bench
from benchmarks.estates import Readings, make_readings
from benchmarks.floors import check_rows
from benchmarks.measuring import Contender, Line, Ratio, Sample, quotient

_ASSET = "timeseries/sensor_data"
_BEFORE = ("postgres/tenants", "postgres/buildings", "postgres/sensors")
_FIRST_DAY = date(2023, 1, 1)
_SENSORS = 12
_ROWS_A_DAY = 24 * _SENSORS
#: The UI starts runs one after the other; so many are at work at once.
_AT_ONCE = 2
_SECONDS_A_DAY = 0.015

_ONE_RUN = "one run over all days"
_LAUNCHED = "a process for each day"
_EACH = "a run for each day, in one process"
_OUTSIDE = "the same load outside of Dagster"


def backfill(bench: Bench) -> None:
    """All days with data, each of them proven."""
    days, singles = bench.options.days, min(bench.options.single_runs, bench.options.days)
    readings = Readings(days * _ROWS_A_DAY, _SENSORS, days, _FIRST_DAY)
    store = bench.stores.timeseries[0]
    last = _FIRST_DAY + timedelta(days=days - 1)

    def fresh(estate: Path) -> None:
        bench.stores.empty()
        ours.prepare(bench.stores, store, estate, *_BEFORE)

    def whole(sample: Sample) -> Sample:
        check_rows(bench.stores.points(store, "sensor_data", "value"), readings.rows)
        return Sample(sample.seconds, readings.rows, sample.facts)

    def contenders() -> Sequence[Contender]:
        estate = make_readings(bench.folder / "estate", readings, "time")

        def one_run() -> Sample:
            fresh(estate)
            # what Dagster remembers of an earlier round must not be taken for proven
            return whole(dagster_run.run(bench.stores, store, estate, _FIRST_DAY, last))

        def outside() -> Sample:
            fresh(estate)
            return whole(ours.load(bench.stores, store, estate, _ASSET))

        def launched() -> Sample:
            fresh(estate)
            chosen = [_FIRST_DAY + timedelta(days=number) for number in range(singles)]
            started = time.perf_counter()
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                runs = list(pool.map(lambda day: dagster_run.run(bench.stores, store, estate, day, day), chosen))
            seconds = time.perf_counter() - started
            check_rows(bench.stores.points(store, "sensor_data", "value"), singles * _ROWS_A_DAY)
            events = sum(run.facts["events"] for run in runs)
            return _extrapolated(seconds, events)

        def each() -> Sample:
            fresh(estate)
            stop = _FIRST_DAY + timedelta(days=singles - 1)
            sample = dagster_run.run(bench.stores, store, estate, _FIRST_DAY, stop, each=True)
            check_rows(bench.stores.points(store, "sensor_data", "value"), singles * _ROWS_A_DAY)
            return _extrapolated(sample.seconds, sample.facts["events"])

        def _extrapolated(seconds: float, events: float) -> Sample:
            return Sample(seconds * days / singles, readings.rows, {"days": singles, "events": events})

        return [
            Contender(_OUTSIDE, "floor", outside),
            Contender(_ONE_RUN, "ours", one_run, note=f"Energy Platform through Dagster, {days} partitions"),
            Contender(
                _LAUNCHED, "peer", launched, note=f"two at a time; {singles} days measured, extrapolated to {days}"
            ),
            Contender(_EACH, "peer", each, note=f"{singles} days measured, extrapolated to {days}"),
        ]

    def ratios(line: Line) -> list[Ratio]:
        found = {result.name: result for result in line.results}
        mine, floor = found[_ONE_RUN], found[_OUTSIDE].seconds
        share = quotient(mine.seconds - floor, mine.seconds)
        line.notes.append(f"Dagster's share of the run's time: {share:.0%}")
        return [
            Ratio(
                "faster than one launched run for each day",
                quotient(found[_LAUNCHED].seconds, mine.best("process")),
                50,
                at_least=True,
            ),
            Ratio(
                "faster than one in-process run for each day",
                quotient(found[_EACH].seconds, mine.seconds),
                10,
                at_least=True,
            ),
            Ratio(
                "to 1.2 times the load outside of Dagster and 15 ms a day",
                quotient(mine.seconds, 1.2 * floor + _SECONDS_A_DAY * days),
                1.0,
            ),
            Ratio("event-log rows for each partition", mine.most("events") / days, 6, unit=""),
        ]

    bench.compare(
        f"Backfill of {days} daily partitions through Dagster",
        contenders,
        ratios,
        f"{_ROWS_A_DAY} readings a day into {store}; a launched run is a process that loads the definitions and "
        "executes the run, as Dagster's run worker does; what the UI and its queue add to that is left out",
    )
