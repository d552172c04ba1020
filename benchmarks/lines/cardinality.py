"""Many series: one building's year by the hour must still come at once."""

from __future__ import annotations

import time
from datetime import timedelta

import psycopg

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.estates import (
    CODE,
    QUERIED_BUILDING,
    QUERIED_SENSORS,
    YEAR_DAYS,
    YEAR_FIRST,
    make_many_series,
)
from benchmarks.floors import check_rows
from benchmarks.lines.series import own
from benchmarks.measuring import Contender, Line, Ratio, Sample, WrongResultError
from benchmarks.stores import StoreName, Stores

_QUERIES = 5
_LIMIT_SECONDS = 1.0


def cardinality(bench: Bench) -> None:
    """Load many series into every store, then ask for one building."""
    series = bench.options.series
    for store in bench.stores.timeseries:
        _compare(bench, store, series)


def _compare(bench: Bench, store: StoreName, series: int) -> None:
    def contenders() -> list[Contender]:
        estate, rows = make_many_series(bench.folder / "estate", series)

        def load() -> Sample:
            bench.stores.empty()
            loaded = ours.load(bench.stores, store, estate, "timeseries/sensor_data")
            check_rows(bench.stores.points(store, "sensor_data", "value"), rows)
            times = [ask(bench.stores, store) for _ in range(_QUERIES)]
            return Sample(loaded.seconds, rows, {"query": min(times), "first query": times[0], "slowest": max(times)})

        return [Contender("Energy Platform, load", "ours", load)]

    def ratios(line: Line) -> list[Ratio]:
        mine = own(line)
        line.notes.append(
            f"the query: {_QUERIES} times, {mine.best('first query'):.3f} s the first, "
            f"{mine.most('slowest'):.3f} s the slowest time; {QUERIED_SENSORS} sensors, {YEAR_DAYS} days"
        )
        name = f"one building's year by the hour, of {series:,} series"
        return [Ratio(name, mine.best("query"), _LIMIT_SECONDS, unit="s")]

    place = "InfluxDB 2" if store == "influxdb" else "PostgreSQL"
    bench.compare(f"{series:,} series in {place}", contenders, ratios, repeats=1)


def ask(stores: Stores, store: StoreName) -> float:
    """Seconds of the query, its whole answer included.

    Raises:
        WrongResultError: the answer has not an hour for each of the year.
    """
    first, last = YEAR_FIRST, YEAR_FIRST + timedelta(days=YEAR_DAYS + 1)
    started = time.perf_counter()
    if store == "influxdb":
        query = (
            f"SELECT mean(value) FROM sensor_data WHERE tenant_id = '{CODE}' AND building_id = '{QUERIED_BUILDING}'"
            f" AND time >= '{first - timedelta(days=1)}T00:00:00Z' AND time < '{last}T00:00:00Z'"
            " GROUP BY time(1h) fill(none)"
        )
        with stores.influx() as client:
            answer = client.get("/query", params={"db": stores.settings.influx_bucket, "q": query})
            found = answer.raise_for_status().json()["results"][0]
        hours = len(found["series"][0]["values"]) if found.get("series") else 0
    else:
        with psycopg.connect(stores.settings.postgres_url.get_secret_value()) as connection:
            hours = len(
                connection.execute(
                    "SELECT date_trunc('hour', time), avg(value) FROM timeseries.sensor_data"
                    " WHERE tenant_id = %s AND building_id = %s AND time >= %s AND time < %s GROUP BY 1",
                    [CODE, QUERIED_BUILDING, first - timedelta(days=1), last],
                ).fetchall()
            )
    seconds = time.perf_counter() - started
    if hours < YEAR_DAYS * 24:
        raise WrongResultError(f"the answer has {hours} hours")
    return seconds
