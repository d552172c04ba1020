"""Time series in InfluxDB 2: written as line protocol, read by InfluxQL, every request with an explicit answer."""

from __future__ import annotations

import gzip
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx
import numpy as np
import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import (
    FieldTypeConflictError,
    RetentionError,
    SettingError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from energy_platform.settings import Settings
from energy_platform.stores.timeseries import influxql
from energy_platform.stores.timeseries.interface import (
    READ_ROWS,
    TimeSeries,
    check_field_column,
    checked_keys,
    checked_points,
    possible_tenants,
    without_empty_strangers,
)
from energy_platform.stores.timeseries.line_protocol import body

#: Lines of one request: from 5,000 to 50,000 the server is equally fast, and a refused one costs little.
BODY_LINES: Final = 10_000
_CONNECTIONS: Final = 4
_TENANTS_AT_ONCE: Final = 100
_DELETES_AT_ONCE: Final = 500

_ATTEMPTS: Final = 6
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 5.0
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})

#: Types of fields as InfluxDB names them.
FIELD_TYPES: Final = {"float": "float", "integer": "float", "boolean": "boolean", "text": "string", "json": "string"}
_POLARS_TYPES: Final[Mapping[str, pl.DataType]] = {"boolean": pl.Boolean(), "string": pl.String()}
_QUOTED_LINE: Final = re.compile(r"unable to parse '.*': ", re.DOTALL)


class InfluxTimeSeries(TimeSeries):
    """Time series in a bucket of InfluxDB 2.

    Nothing is buffered: a call returns, or raises, once the server has answered for every line. Requests that may be
    repeated (all of them: a point written twice is the same point) are, when the server is busy or a connection
    breaks; for how long is bounded.

    Args:
        settings: `influx_url`, `influx_token`, `influx_org`, `influx_bucket`, `influx_timeout_seconds`.

    Raises:
        SettingError: no URL of an InfluxDB.
    """

    implementation: ClassVar[Literal["influxdb", "postgres"]] = "influxdb"

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.influx_bucket
        self._org = settings.influx_org
        self._timeout_seconds = settings.influx_timeout_seconds
        self.place, local = _place(settings.influx_url, self._bucket)
        # on this machine the network costs less than packing would, in both directions
        self._pack = not local
        headers = {"Authorization": f"Token {settings.influx_token.get_secret_value()}"}
        if local:
            headers["Accept-Encoding"] = "identity"
        self._answered = False
        self._client = httpx.Client(
            base_url=settings.influx_url,
            headers=headers,
            timeout=httpx.Timeout(self._timeout_seconds, connect=min(_CONNECT_SECONDS, self._timeout_seconds)),
            limits=httpx.Limits(max_connections=2 * _CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            # a proxy of the environment is for the world outside
            trust_env=not local,
        )

    def __repr__(self) -> str:
        return f"InfluxTimeSeries({self.place})"

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def ping(self) -> None:
        """Ask for the bucket, with the token."""
        self._bucket_facts()

    def prepare(self, measurement: Measurement) -> None:
        """See that the bucket is there, and that no field has another type; fields come with the first point."""
        for column in measurement.fields:
            check_field_column(measurement, column)
        self._bucket_facts()
        found = self._field_types(measurement)
        for column in measurement.fields:
            wrong = found.get(column.name, set()) - {FIELD_TYPES[column.type]}
            if wrong:
                raise FieldTypeConflictError(
                    f"The field holds {', '.join(sorted(wrong))}, and the estate says {FIELD_TYPES[column.type]}.",
                    where=f"{self.place}, {measurement.name}.{column.name}",
                    remedy="A field keeps one type for ever: give the column another field's name in estate.yaml.",
                )

    def check_retention(self, first: datetime) -> None:
        """Raise RetentionError where the bucket drops points as old as `first`."""
        rules = self._bucket_facts().get("retentionRules") or []
        for seconds in (int(rule.get("everySeconds") or 0) for rule in rules if rule.get("type", "expire") == "expire"):
            if seconds and first < datetime.now(UTC) - timedelta(seconds=seconds):
                raise RetentionError(
                    f"It drops points older than {timedelta(seconds=seconds)}, and the first one here is of"
                    f" {first.astimezone(UTC).isoformat()}.",
                    where=self.place,
                    remedy="Lengthen the bucket's retention (0 keeps everything), or load from a later day on.",
                )

    def write(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Write points in parallel requests; see `TimeSeries.write`."""
        points = checked_points(measurement, points)
        parts = list(points.iter_slices(BODY_LINES))
        if len(parts) <= 1:
            for part in parts:
                self._write_part(measurement, part)
            return
        with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="influxdb") as pool:
            futures = [pool.submit(self._write_part, measurement, part) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                pool.shutdown(cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()

    def read(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The points of these tenants; see `TimeSeries.read`."""
        yield from self._select(measurement, tenants, start, stop)

    def latest(self, measurement: Measurement, tenants: Sequence[str]) -> pl.DataFrame:
        """The newest point of each series; see `TimeSeries.latest`."""
        frames = list(self._select(measurement, tenants, None, None, " ORDER BY time DESC LIMIT 1"))
        return pl.concat(frames, how="diagonal") if frames else measurement.empty()

    def delete(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Remove these points, one statement each: a predicate of the v2 API cannot say that a tag is absent."""
        strangers = self._strange_tags(measurement)
        keys = checked_keys(measurement, points, [name for name in strangers if name in points.columns])
        head = f"DELETE FROM {influxql.name(measurement.name)} WHERE time = "
        statements = []
        for row in keys.iter_rows(named=True):
            # a series that has a tag of somebody else's too is another series
            tags = {tag: row[tag] for tag in measurement.tags}
            tags |= {tag: row.get(shown) or "" for shown, tag in strangers.items()}
            if _is_possible(tags.values()):
                wanted = [f"{influxql.tag(tag)} = {influxql.literal(value)}" for tag, value in tags.items()]
                statements.append(f"{head}{influxql.instant(row['time'])} AND {' AND '.join(wanted)}")
        for first in range(0, len(statements), _DELETES_AT_ONCE):
            self._query(";".join(statements[first : first + _DELETES_AT_ONCE]))

    # -- reading -------------------------------------------------------------------------------------------------

    def _select(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None,
        stop: datetime | None,
        tail: str = "",
    ) -> Iterator[pl.DataFrame]:
        possible = possible_tenants(tenants)
        types = self._field_types(measurement) if possible else {}
        for first in range(0, len(possible), _TENANTS_AT_ONCE):
            condition = influxql.condition(possible[first : first + _TENANTS_AT_ONCE], start, stop)
            statement = f"SELECT *::field FROM {influxql.name(measurement.name)} WHERE {condition} GROUP BY *{tail}"
            rows = _Rows(measurement, types, self.place)
            for series in self._series(statement):
                rows.add(series)
                if rows.height >= READ_ROWS:
                    yield rows.take()
            if rows.height:
                yield rows.take()

    def _series(self, statement: str) -> Iterator[dict[str, Any]]:
        """What a statement selects, piece by piece: the answer is never held as a whole."""
        partial = False
        for document in self._documents(statement):
            for result in _results(document, self.place):
                partial = bool(result.get("partial"))
                yield from result.get("series", ())
        if partial:
            raise StoreUnavailableError(
                "The answer ended before its end.", where=self.place, remedy="Run it again; look at the server's log."
            )

    def _documents(self, statement: str) -> Iterator[dict[str, Any]]:
        fields = {"q": statement, "chunked": "true", "chunk_size": str(BODY_LINES)}
        request = self._client.build_request("POST", "/query", params={"db": self._bucket, "epoch": "u"}, data=fields)
        response = self._retried(lambda: self._client.send(request, stream=True))
        try:
            with self._errors():
                # lines end with \n alone: httpx would also split where a text holds other line ends
                pending: list[bytes] = []
                for piece in response.iter_bytes():
                    *whole, rest = piece.split(b"\n")
                    for line in whole:
                        pending.append(line)
                        if document := b"".join(pending).strip():
                            yield _parsed(document, self.place)
                        pending.clear()
                    if rest:
                        pending.append(rest)
                if document := b"".join(pending).strip():
                    yield _parsed(document, self.place)
        finally:
            response.close()

    def _field_types(self, measurement: Measurement) -> dict[str, set[str]]:
        types: dict[str, set[str]] = {}
        for field, kind in self._values(f"SHOW FIELD KEYS FROM {influxql.name(measurement.name)}"):
            types.setdefault(field, set()).add(kind)
        return types

    def _strange_tags(self, measurement: Measurement) -> dict[str, str]:
        """Tags that the store knows and the measurement does not, by the column that shows them."""
        known = {tag for (tag,) in self._values(f"SHOW TAG KEYS FROM {influxql.name(measurement.name)}")}
        return {_shown_tag(tag, measurement): tag for tag in sorted(known - set(measurement.tags))}

    def _values(self, statement: str) -> list[list[Any]]:
        results = _results(self._query(statement), self.place)
        return [row for result in results for series in result.get("series", ()) for row in series["values"]]

    def _query(self, statement: str) -> dict[str, Any]:
        parameters = {"db": self._bucket, "epoch": "u"}
        response = self._retried(lambda: self._client.post("/query", params=parameters, data={"q": statement}))
        answer = _parsed(response.content, self.place)
        _results(answer, self.place)
        return answer

    # -- requests ------------------------------------------------------------------------------------------------

    def _bucket_facts(self) -> dict[str, Any]:
        parameters = {"name": self._bucket, "org": self._org}
        response = self._retried(lambda: self._client.get("/api/v2/buckets", params=parameters))
        for bucket in _parsed(response.content, self.place).get("buckets", ()):
            if bucket["name"] == self._bucket:
                return bucket
        raise StoreError(
            "There is no such bucket, or the token may not see it.",
            where=self.place,
            remedy="Make the bucket, or set ENERGY_INFLUX_BUCKET; a local one comes with: energy-platform up",
        )

    def _write_part(self, measurement: Measurement, points: pl.DataFrame) -> None:
        content = body(measurement, points)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._pack:
            content = gzip.compress(content, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        parameters = {"org": self._org, "bucket": self._bucket, "precision": "us"}
        response = self._retried(
            lambda: self._client.post("/api/v2/write", params=parameters, headers=headers, content=content)
        )
        if response.status_code != 204:
            raise StoreError(
                f"InfluxDB answered {response.status_code} to a write, and only 204 means that it is kept.",
                where=self.place,
                remedy="See that ENERGY_INFLUX_URL names InfluxDB 2 itself.",
            )

    def _retried(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """A good answer: asked for again while the server is busy or a connection breaks."""
        deadline = time.monotonic() + 2 * self._timeout_seconds
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1 or time.monotonic() > deadline
            pause = _FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.75, 1.25)
            try:
                response = send()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # one that has answered before may be starting anew; one that never has is not there
                if last or not self._answered:
                    raise self._unavailable(error) from None
            except httpx.TransportError as error:
                if last:
                    raise self._unavailable(error) from None
            else:
                self._answered = True
                if response.is_success:
                    return response
                if last or response.status_code not in _TRY_AGAIN:
                    raise self._refusal(response)
                pause = max(pause, _retry_after(response))
                response.close()
            time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: httpx.TransportError) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"InfluxDB does not answer ({type(error).__name__}).",
            where=self.place,
            remedy="Check that it runs and can be reached: energy-platform up",
        )

    def _refusal(self, response: httpx.Response) -> StoreError:
        reason = _reason(response)
        status = response.status_code
        if status in {401, 403}:
            return StoreAccessError(
                "InfluxDB refuses the token, or the token lacks a right.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_TOKEN: it must read and write the bucket.",
            )
        if status in _TRY_AGAIN:
            return StoreUnavailableError(
                f"InfluxDB is too busy ({status}): {reason}.", where=self.place, remedy="Run it again later."
            )
        if status == 404:
            return StoreError(
                f"InfluxDB knows no such thing: {reason}.",
                where=self.place,
                remedy="Check ENERGY_INFLUX_URL, ENERGY_INFLUX_ORG and ENERGY_INFLUX_BUCKET.",
            )
        if "field type conflict" in reason:
            return FieldTypeConflictError(
                f"InfluxDB refuses points: {reason}.",
                where=self.place,
                remedy="A field keeps one type for ever: give the column another field's name in estate.yaml.",
            )
        return StoreError(
            f"InfluxDB refuses ({status}): {reason}.",
            where=self.place,
            remedy="Mend the cause and run it again: what was written before is overwritten by itself.",
        )


class _Rows:
    """Points as they come out of the server, series by series, until there are enough for a frame."""

    def __init__(self, measurement: Measurement, types: Mapping[str, set[str]], place: str) -> None:
        self._measurement = measurement
        self._types = types
        self._place = place
        self._clear()

    def _clear(self) -> None:
        self._fields: list[str] = []
        self._values: list[list[Any]] = []
        self._tags: list[dict[str, str]] = []
        self._lengths: list[int] = []

    @property
    def height(self) -> int:
        return len(self._values)

    def add(self, series: Mapping[str, Any]) -> None:
        # the columns of one statement are the same in all its series
        self._fields = series["columns"][1:]
        self._values.extend(series["values"])
        self._tags.append(series.get("tags") or {})
        self._lengths.append(len(series["values"]))

    def take(self) -> pl.DataFrame:
        """What has come so far, as a frame; and start anew."""
        times, *fields = zip(*self._values, strict=True)
        tags = self._tag_columns()
        columns = {**tags, "time": _times(times)}
        for name, values in zip(self._fields, fields, strict=True):
            # a tag of somebody else's may have the name of our field, and the other way round
            columns[name if name not in columns else f"{name} (field)"] = self._field(name, values)
        self._clear()
        frame = pl.DataFrame(columns)
        absent = [
            pl.lit(None, dtype=column.polars_type).alias(column.name)
            for column in self._measurement.fields
            if column.name not in frame.columns
        ]
        return without_empty_strangers(self._measurement, frame.with_columns(absent))

    def _tag_columns(self) -> dict[str, pl.Series]:
        rows = np.repeat(np.arange(len(self._lengths)), self._lengths)
        strangers = sorted({name for tags in self._tags for name in tags} - set(self._measurement.tags))
        columns = {
            name: pl.Series(name, [tags.get(name, "") for tags in self._tags], dtype=pl.String).gather(rows)
            for name in self._measurement.tags
        }
        for name in strangers:
            columns[_shown_tag(name, self._measurement)] = pl.Series(
                [tags.get(name) or None for tags in self._tags], dtype=pl.String
            ).gather(rows)
        return columns

    def _field(self, name: str, values: tuple[Any, ...]) -> pl.Series:
        known = {column.name: column for column in self._measurement.fields}
        column = known.get(name)
        stored = self._types.get(name, {"float"})
        kind = FIELD_TYPES[column.type] if column else (stored.pop() if len(stored) == 1 else "string")
        try:
            series = _column(kind, values, strict=column is not None)
        except (TypeError, ValueError, pl.exceptions.PolarsError):
            raise FieldTypeConflictError(
                f"The field holds values that are no {kind}.",
                where=f"{self._place}, {self._measurement.name}.{name}",
                remedy="Somebody else wrote them: remove them, or give the column another field's name in estate.yaml.",
            ) from None
        return series.cast(column.polars_type) if column else series


def _column(kind: str, values: tuple[Any, ...], *, strict: bool) -> pl.Series:
    wanted = _POLARS_TYPES.get(kind)
    if wanted is None:
        # None becomes nan, which no field can hold
        return pl.Series(np.array(values, dtype=np.float64), nan_to_null=True)
    if not strict and kind == "string":
        return pl.Series([None if value is None else str(value) for value in values], dtype=wanted)
    return pl.Series(values, dtype=wanted)


def _times(values: tuple[Any, ...]) -> pl.Series:
    return pl.Series(np.array(values, dtype=np.int64)).cast(pl.Datetime("us", "UTC"))


def _parsed(document: bytes, place: str) -> dict[str, Any]:
    try:
        parsed = json.loads(document)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise StoreError(
            "The answer is none of InfluxDB's.",
            where=place,
            remedy="See that ENERGY_INFLUX_URL names InfluxDB 2 itself, and no page in front of it.",
        )
    return parsed


def _results(document: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The results of an answer. InfluxQL says what is wrong inside of a good answer."""
    results = document.get("results", [])
    for error in [document.get("error"), *(result.get("error") for result in results)]:
        if error:
            raise StoreError(
                f"InfluxDB refuses a query: {str(error)[:300]}.",
                where=place,
                remedy="Check ENERGY_INFLUX_BUCKET and the rights of the token; a local server: energy-platform up",
            )
    return results


def _reason(response: httpx.Response) -> str:
    """What the server says, without the line that it quotes: that is somebody's data."""
    try:
        said = str(json.loads(response.read()).get("message") or "")
    except (ValueError, AttributeError, httpx.HTTPError):
        said = ""
    said = _QUOTED_LINE.sub("unable to parse a line: ", said)
    return said.strip().rstrip(".")[:300] or response.reason_phrase or "no reason given"


def _retry_after(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _is_possible(tags: Iterable[str]) -> bool:
    return all(not tag or possible_tenants([tag]) for tag in tags)


def _shown_tag(name: str, measurement: Measurement) -> str:
    """The column of a tag that is none of the measurement's, beside a field of that name."""
    return f"{name} (tag)" if name in measurement.column_names else name


def _place(url: str, bucket: str) -> tuple[str, bool]:
    """What may be shown of a URL, and whether it is on this machine."""
    remedy = "Set ENERGY_INFLUX_URL to http://host:8086 or https://host."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SettingError("This is no URL.", where="ENERGY_INFLUX_URL", remedy=remedy) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingError("This is no URL of InfluxDB.", where="ENERGY_INFLUX_URL", remedy=remedy)
    shown = urlunsplit((parts.scheme, f"{host}:{port}" if port else host, "", "", ""))
    return f"InfluxDB {shown}, bucket {bucket}", host in {"localhost", "127.0.0.1", "::1"}
