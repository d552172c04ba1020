"""Time series in InfluxDB 2: written as line protocol, read by InfluxQL, every request with an explicit answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Final, Literal

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import FieldTypeConflictError, RetentionError, StoreError
from energy_platform.domain.points import SeriesPoints
from energy_platform.settings import Settings
from energy_platform.stores.timeseries import influx_writing, influxql
from energy_platform.stores.timeseries.influx_reading import FIELD_TYPES, InfluxReading, shown_tag
from energy_platform.stores.timeseries.influx_requests import InfluxRequests
from energy_platform.stores.timeseries.interface import (
    TimeSeries,
    check_field_column,
    checked_keys,
    checked_series_points,
    possible_tenants,
    without_empty_strangers,
)

_DELETES_AT_ONCE: Final = 500
#: Microseconds.
_WEEK: Final = 7 * 86_400_000_000


class InfluxTimeSeries(TimeSeries):
    """Time series in a bucket of InfluxDB 2.

    Nothing is buffered: a call returns, or raises, once the server has answered for every point. A slow server slows
    the caller down, and a busy or silent one is asked again for as long as the settings say.

    Args:
        settings: those whose names start with `influx_`.

    Raises:
        SettingError: no URL of an InfluxDB.
    """

    implementation: ClassVar[Literal["influxdb", "postgres"]] = "influxdb"
    indexed_by_series: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self._requests = InfluxRequests(settings)
        self._connections = settings.influx_connections
        self._body_lines = settings.influx_body_lines
        self.place = self._requests.place

    def __repr__(self) -> str:
        return f"InfluxTimeSeries({self.place})"

    def close(self) -> None:
        """Let go of all connections."""
        self._requests.close()

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

    def write_points(self, measurement: Measurement, points: SeriesPoints) -> pl.DataFrame:
        """Write points in parallel requests; see `TimeSeries.write_points`."""
        return influx_writing.write_points(
            self._requests,
            measurement,
            checked_series_points(measurement, points),
            connections=self._connections,
            lines=self._body_lines,
            shard_micros=self._shard_micros,
        )

    def read_points(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Iterator[SeriesPoints]:
        """The points of these tenants; see `TimeSeries.read_points`."""
        if possible := possible_tenants(tenants):
            yield from self._reading(measurement).points(possible, start, stop, self._connections)

    def latest(self, measurement: Measurement, tenants: Sequence[str]) -> pl.DataFrame:
        """The newest point of each series; see `TimeSeries.latest`."""
        possible = possible_tenants(tenants)
        newest = self._reading(measurement).newest(possible) if possible else ()
        frames = [without_empty_strangers(measurement, points.frame()) for points in newest]
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
            self._requests.query(";".join(statements[first : first + _DELETES_AT_ONCE]))

    def _reading(self, measurement: Measurement) -> InfluxReading:
        return InfluxReading(self._requests, measurement, self._field_types(measurement))

    def _field_types(self, measurement: Measurement) -> dict[str, set[str]]:
        types: dict[str, set[str]] = {}
        for field, kind in self._values(f"SHOW FIELD KEYS FROM {influxql.name(measurement.name)}"):
            types.setdefault(field, set()).add(kind)
        return types

    def _strange_tags(self, measurement: Measurement) -> dict[str, str]:
        """Tags that the store knows and the measurement does not, by the column that shows them."""
        known = {tag for (tag,) in self._values(f"SHOW TAG KEYS FROM {influxql.name(measurement.name)}")}
        return {shown_tag(tag, measurement): tag for tag in sorted(known - set(measurement.tags))}

    def _values(self, statement: str) -> list[list[Any]]:
        return [
            row
            for result in self._requests.query(statement)
            for series in result.get("series", ())
            for row in series["values"]
        ]

    @cached_property
    def _shard_micros(self) -> int:
        """The span of time that the server keeps together; where it does not say, that of a bucket without end."""
        rules = self._bucket_facts().get("retentionRules") or []
        return max([int(rule.get("shardGroupDurationSeconds") or 0) for rule in rules] or [0]) * 1_000_000 or _WEEK

    def _bucket_facts(self) -> dict[str, Any]:
        wanted = self._requests.bucket
        found = self._requests.get("/api/v2/buckets", {"name": wanted, "org": self._requests.org})
        for bucket in found.get("buckets", ()):
            if bucket["name"] == wanted:
                return bucket
        raise StoreError(
            "There is no such bucket, or the token may not see it.",
            where=self.place,
            remedy="Make the bucket, or set ENERGY_INFLUX_BUCKET; a local one comes with: energy-platform up",
        )


def _is_possible(tags: Iterable[str]) -> bool:
    return all(not tag or possible_tenants([tag]) for tag in tags)
