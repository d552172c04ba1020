"""Reading from InfluxDB: answers in JSON, whose rows are taken by a CSV parser as they stand there.

JSON tells a null from an empty text, says what went wrong and whether an answer is whole; the server's CSV does not.
But a row in it, `[1704067200000000,0.5,"normal",null]`, is a line of CSV but for its brackets, and so no value has to
become an object.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import FieldTypeConflictError, StoreUnavailableError
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.stores.timeseries import influxql
from energy_platform.stores.timeseries.influx_requests import InfluxRequests, parsed, results
from energy_platform.stores.timeseries.interface import READ_ROWS

#: Types of fields as InfluxDB names them.
FIELD_TYPES: Final = {"float": "float", "integer": "float", "boolean": "boolean", "text": "string", "json": "string"}
#: The stored types whose values can be taken for a field of a type as they stand there.
_SAME: Final = {
    "float": frozenset({"float", "integer", "unsigned"}),
    "boolean": frozenset({"boolean"}),
    "string": frozenset({"string"}),
}
_ARROW_TYPES: Final = {"float": pa.float64(), "boolean": pa.bool_(), "string": pa.string()}
_POLARS_TYPES: Final[Mapping[str, pl.DataType]] = {
    "float": pl.Float64(),
    "boolean": pl.Boolean(),
    "string": pl.String(),
}

_TENANTS_AT_ONCE: Final = 100
#: Two keep the server busy and the parser too; more share the same cores.
_STREAMS: Final = 2
#: Of one stream: each series costs the server something in each of them, however few points it has there.
_SHORTEST_SPAN: Final = timedelta(hours=12)
#: A reader whose pieces nobody takes looks so often whether somebody still will.
_LOOK_UP_SECONDS: Final = 0.1

_VALUES: Final = b'"values":[['
_END: Final = b"]]"


_Stream = Callable[[threading.Event], Generator[SeriesPoints]]


class InfluxReading:
    """Reads the points of one measurement.

    Args:
        requests: from which server.
        measurement: whose points.
        types: the stored types of each field, as InfluxDB names them.
    """

    def __init__(self, requests: InfluxRequests, measurement: Measurement, types: Mapping[str, set[str]]) -> None:
        self._requests = requests
        self._measurement = measurement
        self._types = types

    def points(
        self, tenants: Sequence[str], start: datetime | None, stop: datetime | None, connections: int
    ) -> Iterator[SeriesPoints]:
        """The points of these tenants, over several connections where the time between is long enough."""
        for first in range(0, len(tenants), _TENANTS_AT_ONCE):
            group = tenants[first : first + _TENANTS_AT_ONCE]
            spans = _spans(start, stop, min(_STREAMS, connections))
            yield from _together([self._stream(influxql.condition(group, *span)) for span in spans])

    def newest(self, tenants: Sequence[str]) -> Iterator[SeriesPoints]:
        """The newest point of each series of these tenants."""
        for first in range(0, len(tenants), _TENANTS_AT_ONCE):
            condition = influxql.condition(tenants[first : first + _TENANTS_AT_ONCE], None, None)
            yield from self._stream(condition, " ORDER BY time DESC LIMIT 1")(threading.Event())

    def _stream(self, condition: str, tail: str = "") -> _Stream:
        name = influxql.name(self._measurement.name)
        statement = f"SELECT *::field FROM {name} WHERE {condition} GROUP BY *{tail}"

        def pieces(stopped: threading.Event) -> Generator[SeriesPoints]:
            piece = _Piece(self._measurement, self._types, self._requests.place)
            # closed here and now, and not whenever a garbage collector, with the client's locks held, thinks of it
            with closing(self._requests.documents(statement, stopped)) as documents:
                for tags, columns, rows in _series(documents, self._requests.place):
                    if stopped.is_set():
                        return
                    # of one statement, all series have the same columns; but nobody promises that
                    if piece.height and columns != piece.columns:
                        yield piece.take()
                    piece.add(tags, columns, rows)
                    if piece.height >= READ_ROWS:
                        yield piece.take()
            if piece.height:
                yield piece.take()

        return pieces


def _spans(start: datetime | None, stop: datetime | None, count: int) -> list[tuple[datetime | None, datetime | None]]:
    """The same time in equal pieces, where both ends are known: to ask for them costs more where series are many."""
    if start is None or stop is None or stop - start < count * _SHORTEST_SPAN:
        return [(start, stop)]
    inner = [start + (stop - start) / count * index for index in range(1, count)]
    return list(itertools.pairwise([start, *inner, stop]))


def shown_tag(name: str, measurement: Measurement) -> str:
    """The column of a tag that is none of the measurement's, beside a field of that name."""
    return f"{name} (tag)" if name in measurement.column_names else name


def _series(documents: Iterator[bytes], place: str) -> Iterator[tuple[dict[str, str], list[str], bytes]]:
    """Tags, columns and rows of each series (or part of one), rows as they stand in JSON without the outer brackets.

    Raises:
        StoreUnavailableError: the answer ended before its end.
        StoreError: the answer says that something is wrong.
    """
    # no document at all is no answer; each but the last says that more will come
    partial = True
    for document in documents:
        start, end = document.find(_VALUES), document.rfind(_END)
        # inside of a text its quotes would have a backslash before them: what is found is no text
        alone = start >= 0 and document.find(_VALUES, start + 1) < 0 and end > start
        rest = document[:start] + b'"values":[]' + document[end + len(_END) :] if alone else document
        for result in results(parsed(rest, place), place):
            partial = bool(result.get("partial"))
            for series in result.get("series", ()):
                if alone:
                    rows = document[start + len(_VALUES) : end]
                elif series.get("values"):
                    rows = json.dumps(series["values"], ensure_ascii=False, separators=(",", ":")).encode()[2:-2]
                else:
                    continue
                yield series.get("tags") or {}, series["columns"], rows
    if partial:
        raise StoreUnavailableError(
            "The answer ended before its end.", where=place, remedy="Run it again; look at the server's log."
        )


class _Piece:
    """Points as they come out of the server, series by series, until there are enough."""

    def __init__(self, measurement: Measurement, types: Mapping[str, set[str]], place: str) -> None:
        self._measurement = measurement
        self._types = types
        self._place = place
        self._clear()

    def _clear(self) -> None:
        self.height = 0
        self.columns: list[str] = []
        self._tags: list[dict[str, str]] = []
        self._rows: list[bytes] = []

    def add(self, tags: dict[str, str], columns: list[str], rows: bytes) -> None:
        """Take up rows of a series. `height` counts them, where texts hold brackets a few too many."""
        self.columns = columns
        if not self._tags or self._tags[-1] != tags:
            self._tags.append(tags)
            self._rows.append(rows)
        else:
            self._rows[-1] += b"],[" + rows
        self.height += rows.count(b"],[") + 1

    def take(self) -> SeriesPoints:
        """What has come so far; and start anew."""
        names, tags = self.columns[1:], self._tags
        kinds = {name: self._kind(name) for name in names}
        as_they_stand = all(self._types.get(name, {""}) <= _SAME[kind] for name, kind in kinds.items())
        try:
            rows = self._parsed(kinds) if as_they_stand else self._converted(kinds)
        except pa.ArrowInvalid:
            # the type of a field has changed since it was asked for
            rows = self._converted(kinds)
        self._clear()
        series = self._series_frame(tags)
        return SeriesPoints(series, self._canonical(rows, [*series.columns, SERIES, "time"], names))

    def _kind(self, name: str) -> str:
        """As what a field's values are taken."""
        for column in self._measurement.fields:
            if column.name == name:
                return FIELD_TYPES[column.type]
        stored = self._types.get(name, {"float"})
        [kind] = stored if len(stored) == 1 else ["string"]
        return kind if kind in _SAME else "float"

    def _parsed(self, kinds: Mapping[str, str]) -> list[pl.Series]:
        """The columns, by a parser of CSV. The series' number goes before each row."""
        parts = []
        for number, rows in enumerate(self._rows):
            escaped = rows
            if b"\\" in rows:
                # in this order: a backslash stands for itself or for what follows, from left to right
                escaped = rows.replace(b"\\\\", b"\\u005c").replace(b'\\"', b'""')
            parts.append(b"%d," % number + escaped.replace(b"],[", b"\n%d," % number))
        content = b"\n".join(parts)
        del parts
        types = {"0": pa.uint32(), "1": pa.int64()}
        types |= {str(2 + index): _ARROW_TYPES[kind] for index, kind in enumerate(kinds.values())}
        table = arrow_csv.read_csv(
            pa.BufferReader(content),
            # by numbers: names may be any, also twice the same
            read_options=arrow_csv.ReadOptions(
                column_names=list(types), block_size=len(content) + 1, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                null_values=["null"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )
        frame = pl.DataFrame(table)
        return [_unescaped(column) if column.dtype == pl.String() else column for column in frame]

    def _converted(self, kinds: Mapping[str, str]) -> list[pl.Series]:
        """The columns, value by value: some field has several types, or another than the measurement says."""
        series = [json.loads(b"[[" + rows + b"]]") for rows in self._rows]
        numbers = np.repeat(np.arange(len(series), dtype=np.uint32), [len(rows) for rows in series])
        times, *fields = zip(*(row for rows in series for row in rows), strict=True)
        known = {column.name for column in self._measurement.fields}
        columns = [pl.Series(numbers), pl.Series(np.array(times, dtype=np.int64))]
        for (name, kind), values in zip(kinds.items(), fields, strict=True):
            try:
                columns.append(_column(kind, values, strict=name in known))
            except (TypeError, ValueError, pl.exceptions.PolarsError):
                raise FieldTypeConflictError(
                    f"The field holds values that are no {kind}.",
                    where=f"{self._place}, {self._measurement.name}.{name}",
                    remedy="Somebody else wrote them: remove them, or give the column another field's name in"
                    " estate.yaml.",
                ) from None
        return columns

    def _series_frame(self, tags: list[dict[str, str]]) -> pl.DataFrame:
        strangers = sorted({name for one in tags for name in one} - set(self._measurement.tags))
        columns = {
            name: pl.Series([one.get(name, "") for one in tags], dtype=pl.String) for name in self._measurement.tags
        }
        for name in strangers:
            values = pl.Series([one.get(name) or None for one in tags], dtype=pl.String)
            if values.null_count() < values.len():
                columns[shown_tag(name, self._measurement)] = values
        return pl.DataFrame(columns)

    def _canonical(self, columns: list[pl.Series], taken: list[str], names: list[str]) -> pl.DataFrame:
        numbers, times, *fields = columns
        found = {
            # a tag of somebody else's may have the name of our field, and the other way round
            (name if name not in taken else f"{name} (field)"): values
            for name, values in zip(names, fields, strict=True)
        }
        known = {column.name: column for column in self._measurement.fields}
        rows = pl.DataFrame({SERIES: numbers, "time": times.cast(pl.Datetime("us", "UTC"))})
        return rows.with_columns(
            *(
                found[name].cast(column.polars_type).alias(name)
                if name in found
                else pl.lit(None, dtype=column.polars_type).alias(name)
                for name, column in known.items()
            ),
            *(
                values.alias(name)
                for name, values in found.items()
                if name not in known and values.null_count() < values.len()
            ),
        )


def _unescaped(texts: pl.Series) -> pl.Series:
    """Texts as they were, where brackets were taken for the end of a row, and where JSON wrote with backslashes."""
    if texts.str.contains("\n", literal=True).any():
        # JSON writes a line break with a backslash: each that is here was put here
        texts = texts.str.replace_all(r"\n\d+,", "],[")
    if not texts.str.contains("\\", literal=True).any():
        return texts
    written = texts.unique().drop_nulls()
    written = written.filter(written.str.contains("\\", literal=True))
    meant = [json.loads('"' + text.replace('"', '\\"') + '"') for text in written]
    return texts.replace(written, pl.Series(meant, dtype=pl.String))


def _column(kind: str, values: tuple[Any, ...], *, strict: bool) -> pl.Series:
    if kind == "float":
        # None becomes nan, which no field can hold
        return pl.Series(np.array(values, dtype=np.float64), nan_to_null=True)
    if not strict and kind == "string":
        return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
    return pl.Series(values, dtype=_POLARS_TYPES[kind])


def _together(streams: Sequence[_Stream]) -> Iterator[SeriesPoints]:
    """What streams give, each in a thread, as it comes: no more than one piece per stream waits.

    A stream on its own has a thread too: it reads on while a piece is looked at, and whoever loses interest lets go of
    a queue and not of a connection.
    """
    stopped = threading.Event()
    pieces: queue.Queue[SeriesPoints | BaseException | None] = queue.Queue(maxsize=len(streams))

    def hand_over(piece: SeriesPoints | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                pieces.put(piece, timeout=_LOOK_UP_SECONDS)
                return

    def run(stream: _Stream) -> None:
        try:
            with closing(stream(stopped)) as found:
                for piece in found:
                    hand_over(piece)
            hand_over(None)
        except BaseException as error:  # noqa: BLE001  it is raised where the pieces are wanted
            hand_over(error)

    for stream in streams:
        threading.Thread(target=run, args=(stream,), name="influxdb-read", daemon=True).start()
    try:
        running = len(streams)
        while running:
            piece = pieces.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                running -= 1
            else:
                yield piece
    finally:
        stopped.set()
