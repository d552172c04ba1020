"""Floors: the same rows, made ready before the clock starts, given to the server in the best way that was found."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import polars as pl
import psycopg

from benchmarks.estates import BILLING_CSV, CODE, Order, Readings
from benchmarks.measuring import CannotRunError, Sample, Say, WrongResultError
from benchmarks.stores import Stores

_PIECE_LINES = 5_000
_CONNECTIONS = (1, 2, 4)
_BODY_LINES = (5_000, 20_000, 50_000)
_ORDERS: Mapping[Order, str] = {"building": "by series", "time": "by time", "week": "by week and series"}
#: More rows than this tell nothing new about which setting is the best.
_TRIED_ROWS = 400_000
_FINALISTS = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """A way of posting: order of the rows, requests at once, lines of each."""

    order: Order
    connections: int
    body_lines: int

    def __str__(self) -> str:
        return f"{_ORDERS[self.order]}, {self.connections} connections, {self.body_lines:,} lines a request"


class ReadyLines:
    """Line protocol in a file, and where its pieces begin."""

    def __init__(self, path: Path, readings: Readings, order: Order) -> None:
        self.path = path
        self.rows = readings.rows
        self.offsets = [0]
        left = 0
        with path.open("wb") as file:
            for numbers in readings.numbers(order):
                lines = line_protocol(readings.points(numbers))
                # pieces go on over the borders of the chunks
                for start, stop in _cuts(len(lines), left):
                    file.write(("\n".join(lines[start:stop]) + "\n").encode())
                    left = (left + stop - start) % _PIECE_LINES
                    if not left:
                        self.offsets.append(file.tell())
            if left:
                self.offsets.append(file.tell())

    def bodies(self, lines: int) -> list[tuple[int, int]]:
        """Offset and length of each request's body."""
        pieces = max(1, lines // _PIECE_LINES)
        marks = [*self.offsets[::pieces]]
        if marks[-1] != self.offsets[-1]:
            marks.append(self.offsets[-1])
        return [(start, stop - start) for start, stop in itertools.pairwise(marks)]


def line_protocol(points: pl.DataFrame) -> list[str]:
    """A line per point; the codes of the generated estates hold nothing that would need an escape."""
    return points.select(
        pl.format(
            'sensor_data,building_id={},sensor_id={},sensor_type={},tenant_id={} value={},confidence={},status="{}" {}',
            "building_id",
            "sensor_id",
            "sensor_type",
            "tenant_id",
            "value",
            "confidence",
            "status",
            pl.col("time").dt.epoch("us"),
        ).alias("line")
    )["line"].to_list()


def _cuts(count: int, left: int) -> Iterator[tuple[int, int]]:
    """Ranges of lines that end where a piece is full."""
    start = 0
    while start < count:
        stop = min(count, start + _PIECE_LINES - left)
        yield start, stop
        left = (left + stop - start) % _PIECE_LINES
        start = stop


class InfluxFloor:
    """Posting ready line protocol, in the settings that were the fastest of those tried here.

    Args:
        stores: the servers.
        readings: the rows.
        folder: for the ready lines.
        say: is told what is tried.
    """

    def __init__(self, stores: Stores, readings: Readings, folder: Path, say: Say) -> None:
        self.stores = stores
        self.readings = readings
        say("  floor: making line protocol")
        self.lines = {order: ReadyLines(folder / f"ready-{order}.lp", readings, order) for order in _ORDERS}
        self.settings = self._best(folder, say)

    def _best(self, folder: Path, say: Say) -> list[Setting]:
        """The fastest settings, each tried twice on a part of the rows."""
        part = Readings(min(self.readings.rows, _TRIED_ROWS))
        ready = {order: ReadyLines(folder / f"part-{order}.lp", part, order) for order in _ORDERS}
        tried: dict[Setting, float] = {}
        choices = [
            Setting(order, connections, lines)
            for order in _ORDERS
            for connections in _CONNECTIONS
            for lines in _BODY_LINES
        ]
        for setting in [*choices, *reversed(choices)]:
            self.stores.empty_influx()
            seconds = self._post(ready[setting.order], setting)
            tried[setting] = min(seconds, tried.get(setting, seconds))
        for lines in ready.values():
            lines.path.unlink()
        best = sorted(choices, key=tried.__getitem__)[:_FINALISTS]
        say(f"  floor: of {len(choices)} settings the best are: {'; '.join(str(setting) for setting in best)}")
        return best

    def run(self) -> Sample:
        """Post all rows in each of the best settings; the faster one counts."""
        seconds: list[float] = []
        for setting in self.settings:
            self.stores.empty()
            seconds.append(self._post(self.lines[setting.order], setting))
            check_rows(self.stores.points("influxdb", "sensor_data", "value"), self.readings.rows)
        return Sample(min(seconds), self.readings.rows)

    def _post(self, lines: ReadyLines, setting: Setting) -> float:
        """Seconds of posting all bodies over so many connections at once."""
        bodies = iter(lines.bodies(setting.body_lines))
        lock = threading.Lock()
        problems: list[Exception] = []
        place = urlsplit(self.stores.settings.influx_url)
        settings = self.stores.settings
        target = f"/api/v2/write?org={quote(settings.influx_org)}&bucket={quote(settings.influx_bucket)}&precision=us"
        headers = {"Authorization": f"Token {settings.influx_token.get_secret_value()}"}

        def post() -> None:
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
            try:
                with lines.path.open("rb") as file:
                    while not problems:
                        with lock:
                            piece = next(bodies, None)
                        if piece is None:
                            return
                        file.seek(piece[0])
                        connection.request("POST", target, file.read(piece[1]), headers)
                        answer = connection.getresponse()
                        said = answer.read()
                        if answer.status != 204:
                            raise WrongResultError(f"InfluxDB answered {answer.status}: {said[:200]!r}")
            except Exception as error:  # noqa: BLE001 - told to the thread that waits
                problems.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=post) for _ in range(setting.connections)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        if problems:
            raise problems[0]
        return seconds


class SeriesTableFloor:
    """COPY of ready CSV, sorted by the primary key, into the very table of the time series.

    Args:
        stores: the servers.
        readings: the rows.
        folder: for the ready file.
    """

    def __init__(self, stores: Stores, readings: Readings, folder: Path) -> None:
        self.stores = stores
        self.rows = readings.rows
        self.path = folder / "ready-series.csv"
        with self.path.open("wb") as file:
            # building, sensor, type, time: the order of the key
            for numbers in readings.numbers("building"):
                frame = readings.points(numbers)
                frame.write_csv(file, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
        self.columns = readings.points(next(readings.numbers("time"))[:1]).columns

    def run(self) -> Sample:
        """Copy all rows in one transaction."""
        self.stores.empty()
        names = ", ".join(f'"{name}"' for name in self.columns)
        seconds = copy_with_psql(self.stores, f"timeseries.sensor_data ({names})", self.path)
        check_rows(self.stores.points("postgres", "sensor_data", "value"), self.rows)
        return Sample(seconds, self.rows)


class TableFloor:
    r"""psql's `\copy` of a ready CSV, in the key's order, into the very table.

    Args:
        stores: the servers.
        ready: see `make_ready_table`.
        rows: of it.
    """

    def __init__(self, stores: Stores, ready: Path, rows: int) -> None:
        self.stores = stores
        self.path = ready
        self.rows = rows

    def run(self) -> Sample:
        """Copy all rows in one transaction."""
        self.stores.empty()
        self.stores.make_tenant()
        with self.path.open() as file:
            names = file.readline().strip()
        seconds = copy_with_psql(self.stores, f"energy.billing ({names})", self.path, header=True)
        check_rows(self.stores.table_rows("energy.billing"), self.rows)
        return Sample(seconds, self.rows)


def make_ready_table(estate: Path, target: Path) -> Path:
    """The table's source with the two columns that the target has beyond it: the tenant and the estate."""
    source = pl.scan_csv(estate / BILLING_CSV, infer_schema=False)
    source.with_columns(pl.lit(CODE).alias("tenant_id"), pl.lit(CODE).alias("estate")).sink_csv(target)
    return target


def copy_with_psql(stores: Stores, target: str, path: Path, *, header: bool = False) -> float:
    r"""Seconds that psql takes for a `\copy`, its start included (some hundredths of a second)."""
    psql = stores.psql()
    if psql is None:
        return _copy_with_driver(stores, target, path, header=header)
    told = f"\\copy {target} FROM '{path}' WITH (FORMAT csv{', HEADER' if header else ''})"
    started = time.perf_counter()
    done = subprocess.run(
        [str(psql), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", told],
        env=stores.postgres_variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise CannotRunError(f"psql: {done.stderr.strip()}")
    return seconds


def _copy_with_driver(stores: Stores, target: str, path: Path, *, header: bool) -> float:
    """The same bytes by the same protocol, where there is no psql."""
    started = time.perf_counter()
    with psycopg.connect(stores.settings.postgres_url.get_secret_value()) as connection:
        command = f"COPY {target} FROM STDIN WITH (FORMAT csv{', HEADER' if header else ''})"
        with connection.cursor().copy(command.encode()) as copy, path.open("rb") as file:
            while data := file.read(1 << 20):
                copy.write(data)
    return time.perf_counter() - started


def check_rows(found: int, wanted: int) -> None:
    """Refuse a measurement that left something else in the target.

    Raises:
        WrongResultError: says how many rows stand there.
    """
    if found != wanted:
        raise WrongResultError(f"{found:,} rows stand in the target instead of {wanted:,}")
