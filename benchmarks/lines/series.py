"""SQLite into the time series, of InfluxDB and of PostgreSQL, in every order of rows."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.estates import DATABASE, Order, Readings, make_readings
from benchmarks.floors import InfluxFloor, SeriesTableFloor, check_rows
from benchmarks.measuring import Contender, Line, Ratio, Result, Sample, quotient
from benchmarks.stores import StoreName

ORDERS: dict[Order, str] = {"time": "sorted by time", "building": "sorted by building", "shuffled": "shuffled"}
_NO_INFLUX = "there is no influxd on this machine (make influxd builds one)"


def into_influxdb(bench: Bench) -> None:
    """SQLite → InfluxDB 2."""
    title = "SQLite → InfluxDB 2"
    if "influxdb" not in bench.stores.timeseries:
        bench.leave_out(title, _NO_INFLUX)
        return
    readings = Readings(bench.options.rows)
    floors: list[InfluxFloor] = []

    def contenders(order: Order) -> list[Contender]:
        estate = make_readings(bench.folder / "estate", readings, order)
        floor = floors[0] if floors else InfluxFloor(bench.stores, readings, bench.folder, bench.say)
        floors[:] = [floor]
        source = estate / DATABASE
        slow = min(readings.rows, bench.options.peer_rows)

        def peer(script: str, rows: int, *, needs_program: bool = False) -> Sample:
            program = bench.peers.influx_program() if needs_program else None
            bench.stores.empty()
            sample = bench.peers.run(script, source=source, target="sensor_data", rows=rows, program=program)
            check_rows(bench.stores.points("influxdb", "sensor_data", "value"), rows)
            return sample

        return [
            Contender("ready line protocol posted", "floor", floor.run, note=" or ".join(map(str, floor.settings))),
            ours_series(bench, "influxdb", readings),
            Contender("influx write (CLI)", "peer", lambda: peer("influx_write.py", readings.rows, needs_program=True)),
            Contender("pandas + influxdb-client", "peer", lambda: peer("pandas_influxdb.py", slow)),
        ]

    def ratios(line: Line) -> list[Ratio]:
        without, whole = own(line).best("without_proof"), own(line).seconds
        floor = best(line, "floor").seconds
        return [
            Ratio("proof excluded, to the floor's time", quotient(without, floor), 1.4),
            Ratio("proof included, to the floor's time", quotient(whole, floor), 2.8),
            faster_than_peers("proof excluded, faster than the best peer", line, without, 2.0),
        ]

    for order, name in ORDERS.items():
        bench.compare(f"{title}, {name}", lambda order=order: contenders(order), ratios)


def into_postgres(bench: Bench) -> None:
    """SQLite → the time series of PostgreSQL."""
    readings = Readings(bench.options.rows)
    floors: list[SeriesTableFloor] = []

    def contenders(order: Order) -> list[Contender]:
        estate = make_readings(bench.folder / "estate", readings, order)
        floor = floors[0] if floors else SeriesTableFloor(bench.stores, readings, bench.folder)
        floors[:] = [floor]
        source = estate / DATABASE
        slow = min(readings.rows, bench.options.peer_rows)

        def peer(script: str, rows: int) -> Sample:
            bench.stores.empty()
            target = "timeseries.sensor_data"
            sample = bench.peers.run(script, source=source, target=target, rows=rows, variant="series")
            check_rows(bench.stores.points("postgres", "sensor_data", "value"), rows)
            return Sample(sample.seconds, rows)

        return [
            Contender("ready CSV copied", "floor", floor.run, note="sorted by the primary key"),
            ours_series(bench, "postgres", readings),
            Contender("ADBC ingest", "peer", lambda: peer("adbc_ingest.py", readings.rows)),
            Contender("pandas.to_sql", "peer", lambda: peer("pandas_sql.py", slow)),
        ]

    def ratios(line: Line) -> list[Ratio]:
        floor = best(line, "floor").seconds
        return [
            Ratio("proof excluded, to the floor's time", quotient(own(line).best("without_proof"), floor), 1.6),
            Ratio("proof included, to the floor's time", quotient(own(line).seconds, floor), 1.6),
        ]

    for order, name in ORDERS.items():
        bench.compare(f"SQLite → PostgreSQL time series, {name}", lambda order=order: contenders(order), ratios)


def ours_series(bench: Bench, store: StoreName, readings: Readings) -> Contender:
    """Our load of the readings in the folder `estate`."""

    def run() -> Sample:
        bench.stores.empty()
        sample = ours.load(bench.stores, store, bench.folder / "estate", "timeseries/sensor_data")
        check_rows(sample.rows, readings.rows)
        check_rows(bench.stores.points(store, "sensor_data", "value"), readings.rows)
        return sample

    return Contender("Energy Platform", "ours", run, note="contracts, deduplication, and the proof of every day")


def own(line: Line) -> Result:
    """Our own result."""
    return next(result for result in line.results if result.kind == "ours")


def best(line: Line, kind: str) -> Result:
    """The fastest floor or peer; one without samples where none could run."""
    able = [result for result in line.results if result.kind == kind and result.samples]
    return max(able, key=lambda result: result.rows_per_second, default=Result("none", "peer"))


def faster_than_peers(name: str, line: Line, seconds: float, times: float, *, above: bool = False) -> Ratio:
    """How many times as many rows a second as the fastest peer we move in so many seconds."""
    return Ratio(name, quotient(quotient(own(line).rows, seconds), line.best_peer()), times, at_least=True, above=above)
