"""Writing to InfluxDB: a few bodies of lines at once, and the points that the server refuses found one by one."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Final

import httpx
import numpy as np
import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import StoreError
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.stores.timeseries.influx_requests import InfluxRequests, reason_of
from energy_platform.stores.timeseries.interface import ROW, nothing_refused
from energy_platform.stores.timeseries.line_protocol import body, heads

#: Answers that say something about the points of a body, and not about the request.
_ABOUT_POINTS: Final = frozenset({400, 413, 422})
#: So many requests may be spent to find the refused points of one body.
_SEARCH_REQUESTS: Final = 1_000

_DROPPED: Final = re.compile(r"\bdropped=(\d+)")
_CONFLICT: Final = re.compile(r'field type conflict: input field "(.*?)" on measurement ')
#: What is left out of a reason: the path through the server, and numbers that belong to the whole body.
_AROUND_REASON: Final = (
    re.compile(r"^failure writing points to database: "),
    re.compile(r"^partial write: "),
    re.compile(r"^dropped \d+ points "),
    re.compile(r"\s*\bdropped=\d+.*$", re.DOTALL),
)


#: Shards are counted from the first instant of year 1, in microseconds before 1970.
_FIRST_SHARD: Final = 62_135_596_800_000_000


def write_points(
    requests: InfluxRequests,
    measurement: Measurement,
    points: SeriesPoints,
    *,
    connections: int,
    lines: int,
    shard_micros: int,
) -> pl.DataFrame:
    """Write points; see `TimeSeries.write_points`.

    Each connection renders and sends one body after the other: there are never more bodies than connections, however
    slow the server is.

    Args:
        requests: to which server.
        measurement: whose points.
        points: as `checked_series_points` gives them.
        connections: requests at once.
        lines: of one request.
        shard_micros: the span of time that the server keeps together, in microseconds.
    """
    if not points.height:
        return nothing_refused()
    writing = _Writing(requests, measurement, points, lines, shard_micros)
    connections = min(connections, -(-points.height // lines))
    if connections == 1:
        writing.work()
    else:
        with ThreadPoolExecutor(connections, thread_name_prefix="influxdb") as pool:
            futures = [pool.submit(writing.work) for _ in range(connections)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                writing.stopped.set()
        if writing.failure:
            raise writing.failure
    return pl.concat([nothing_refused(), *writing.refused]).sort(ROW)


def by_shard(times: pl.Series, shard_micros: int) -> pl.Series | None:
    """The places of points by shard, and within a shard in the order that they have; None where all lie in one.

    Args:
        times: UTC, in microseconds.
        shard_micros: the span of time of a shard, in microseconds.
    """
    shards = (times.to_physical().to_numpy() + _FIRST_SHARD) // shard_micros
    shards -= shards.min()
    last = int(shards.max())
    # numbers of one or two bytes are sorted by their digits, and not by comparing them
    return pl.Series(np.argsort(shards.astype(np.min_scalar_type(last)), kind="stable")) if last else None


class _Writing:
    def __init__(
        self, requests: InfluxRequests, measurement: Measurement, points: SeriesPoints, lines: int, shard_micros: int
    ) -> None:
        self._requests = requests
        self._measurement = measurement
        self._heads = heads(measurement, points.series)
        self._lines = lines
        self._places: pl.Series | None = None
        rows = points.rows.with_row_index(ROW)
        if rows.height > lines:
            # by shard, series and time costs the server a seventh less than by time, and a fifth less than by series
            if not rows.get_column(SERIES).is_sorted():
                rows = rows.sort(SERIES, "time")
            self._places = by_shard(rows.get_column("time"), shard_micros)
        self._rows = rows
        self._starts: Iterator[int] = iter(range(0, rows.height, lines))
        self._lock = threading.Lock()
        self.refused: list[pl.DataFrame] = []
        self.failure: BaseException | None = None
        self.stopped = threading.Event()

    def work(self) -> None:
        """Write part after part until there are none, or somebody has stopped."""
        try:
            while (part := self._next()) is not None:
                response = self._post(part)
                if response.status_code in _ABOUT_POINTS:
                    self._search(part, response)
        except BaseException as error:
            with self._lock:
                # the first that fails ends the others, also those that only wait to ask again: theirs is no news
                self.failure = self.failure or error
                self.stopped.set()
            raise

    def _next(self) -> pl.DataFrame | None:
        with self._lock:
            start = None if self.stopped.is_set() else next(self._starts, None)
        if start is None:
            return None
        part = slice(start, start + self._lines)
        if self._places is None:
            return self._rows[part]
        return self._rows[self._places[part]]

    def _post(self, rows: pl.DataFrame) -> httpx.Response:
        return self._requests.write(body(self._measurement, self._heads, rows), self.stopped, _ABOUT_POINTS)

    def _search(self, rows: pl.DataFrame, response: httpx.Response) -> None:
        """Find the points that the server refuses, by halves; the others are written on the way."""
        found: list[tuple[pl.DataFrame, str]] = []
        pending = [(rows, response)]
        asked = 0
        while pending:
            rows, response = pending.pop()
            reason = reason_of(response)
            dropped = _DROPPED.search(reason)
            if rows.height == 1 or (dropped and int(dropped[1]) >= rows.height):
                found.append((rows, _plain(reason)))
                continue
            asked += 2
            if asked > _SEARCH_REQUESTS:
                raise StoreError(
                    f"InfluxDB refuses too many points to find them one by one: {_plain(reason)}.",
                    where=f"{self._requests.place}, {self._measurement.name}",
                    remedy="Mend the cause and run it again: what was written before is overwritten by itself.",
                )
            rows = self._suspects_together(rows, reason)
            half = rows.height // 2
            for part in (rows[:half], rows[half:]):
                answer = self._post(part)
                if answer.status_code in _ABOUT_POINTS:
                    pending.append((part, answer))
        with self._lock:
            self.refused += [rows.select(ROW, reason=pl.lit(reason)) for rows, reason in found]

    @staticmethod
    def _suspects_together(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
        """In an order that has the refused points side by side, so that few halves hold any."""
        conflict = _CONFLICT.search(reason)
        if conflict and conflict[1] in rows.columns:
            # a field's type is a matter of the shard, and that is a span of time
            return rows.sort(pl.col(conflict[1]).is_null(), "time", maintain_order=True)
        if "retention" in reason:
            return rows.sort("time", maintain_order=True)
        return rows


def _plain(reason: str) -> str:
    for pattern in _AROUND_REASON:
        reason = pattern.sub("", reason)
    return reason.strip() or "no reason given"
