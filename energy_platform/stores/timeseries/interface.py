"""What every time-series store does, and what every one of them can hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import ClassVar, Final, Literal, Self

import polars as pl

from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.errors import StoreError

#: About how many points one frame of `TimeSeries.read` holds.
READ_ROWS: Final = 50_000
#: The first and the last microsecond that InfluxDB has a name for.
FIRST_TIME: Final = datetime(1677, 9, 21, 0, 12, 43, 145225, tzinfo=UTC)
LAST_TIME: Final = datetime(2262, 4, 11, 23, 47, 16, 854775, tzinfo=UTC)

_FIELD_TYPES: Final = frozenset({"float", "integer", "boolean", "text", "json"})
_MEND: Final = "Mend the value in its source; nothing of this call was written."


class TimeSeries(ABC):
    """Points of measurements: (measurement, tags, time) is a point's identity, its fields are its content.

    Writing a point again overwrites the fields that it brings and leaves the others: a replay is free. A null field is
    absent, which is not the same as the empty text; an absent tag is the empty text.

    All methods raise StoreUnavailableError where the store does not answer, StoreAccessError where it refuses the user
    or the token, and StoreError where it refuses an operation. No message holds a secret.
    """

    #: `influxdb` or `postgres`.
    implementation: ClassVar[Literal["influxdb", "postgres"]]

    @abstractmethod
    def ping(self) -> None:
        """Ask for an answer, as the user that loads. Raises where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of all connections."""

    @abstractmethod
    def prepare(self, measurement: Measurement) -> None:
        """See that there is a place for this measurement, fields that an estate adds included.

        Raises:
            FieldTypeConflictError: a field is there with another type.
            StoreError: the place is missing and cannot be made.
        """

    @abstractmethod
    def check_retention(self, first: datetime) -> None:
        """Raise RetentionError where the store would drop points as old as `first` (with a zone)."""

    @abstractmethod
    def write(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Write points, or overwrite them; returns once the store has acknowledged all of them as durable.

        Args:
            measurement: whose points.
            points: canonical types: all tags, time, and any of the fields; each point once, with at least one field.

        Raises:
            StoreError: the points cannot be held (see `checked_points`), or the store refuses them.
        """

    @abstractmethod
    def read(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The points of these tenants from `start` (included) to `stop` (not included), in no order.

        Args:
            measurement: whose points.
            tenants: their codes.
            start: with a zone; None for the first there is.
            stop: with a zone; None for the last there is.

        Yields:
            Frames of about `READ_ROWS` points: the measurement's columns in canonical types, and behind them further
            fields (and tags) that the store holds values of and the measurement does not know.
        """

    @abstractmethod
    def latest(self, measurement: Measurement, tenants: Sequence[str]) -> pl.DataFrame:
        """The newest point of each series of these tenants, as `read` would give it."""

    @abstractmethod
    def delete(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Remove points for good, those alone that are named; one that is not there is no error.

        Nothing but a person's wish calls this.

        Args:
            measurement: whose points.
            points: all tags and time; other columns do not matter.
        """

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


def checked_points(measurement: Measurement, points: pl.DataFrame) -> pl.DataFrame:
    """Points in canonical types and the measurement's order of columns, if every store can hold them as they are.

    What one store cannot hold, none takes: an estate that loads into PostgreSQL today loads into InfluxDB tomorrow.

    Raises:
        StoreError: a column is unknown, missing or of another type; a point has no time, no tenant or no field, or
            stands there twice; a number is infinite or not one; a time lies outside of 1677 to 2262; a text holds the
            character 0; a tag holds a line break or ends with a backslash.
    """
    unknown = [name for name in points.columns if name not in measurement.column_names]
    if unknown:
        raise _refused(measurement, unknown[0], "This is no column of the measurement.")
    fields = [column for column in measurement.fields if column.name in points.columns]
    for column in fields:
        check_field_column(measurement, column)
    checked = _canonical(measurement, points, [*_key_columns(measurement), *fields])
    _check_texts(measurement, checked)
    for column in fields:
        if column.type == "float" and checked.get_column(column.name).is_finite().not_().any():
            raise _refused(measurement, column.name, "A number is infinite or not a number.")
    if checked.height and (
        not fields or checked.select(pl.all_horizontal(pl.col(c.name).is_null() for c in fields).any()).item()
    ):
        raise _refused(measurement, "", "A point has no field at all.")
    if checked.select(pl.struct(measurement.key).n_unique()).item() != checked.height:
        raise _refused(measurement, ", ".join(measurement.key), "A point stands there twice in one call.")
    return checked


def checked_keys(measurement: Measurement, points: pl.DataFrame, further: Sequence[str] = ()) -> pl.DataFrame:
    """Tags and time of points, and `further` columns as they are, each row once. Raises StoreError where one lacks."""
    keys = _canonical(measurement, points, _key_columns(measurement))
    return keys.with_columns(points.select(further).get_columns()).unique()


def check_field_column(measurement: Measurement, column: Column) -> None:
    """Raise StoreError where no store could hold a field of this name and type."""
    name = column.name
    if column.type not in _FIELD_TYPES:
        raise StoreError(
            f"A field cannot be of type {column.type}.",
            where=f"{measurement.name}.{name}",
            remedy="Give it as a number, a flag or text.",
        )
    if not name or name.endswith("\\") or any(character in name for character in "\n\r\0"):
        raise StoreError(
            "A field's name must not be empty, hold a line break or the character 0, or end with a backslash.",
            where=f"{measurement.name}.{name!r}",
            remedy="Give it another name in estate.yaml.",
        )


def possible_tenants(tenants: Sequence[str]) -> list[str]:
    """The tenants that a store can hold points of, each once, in order: the others have none."""
    return [
        tenant
        for tenant in dict.fromkeys(tenants)
        if tenant and not tenant.endswith("\\") and not any(character in tenant for character in "\n\r\0")
    ]


def without_empty_strangers(measurement: Measurement, points: pl.DataFrame) -> pl.DataFrame:
    """The measurement's columns, and of the others those that hold a value."""
    strangers = [
        name
        for name in points.columns
        if name not in measurement.column_names and points.get_column(name).null_count() < points.height
    ]
    return points.select([*measurement.column_names, *strangers])


def _key_columns(measurement: Measurement) -> list[Column]:
    return [measurement.column(name) for name in measurement.key]


def _canonical(measurement: Measurement, points: pl.DataFrame, columns: list[Column]) -> pl.DataFrame:
    for column in columns:
        if column.name not in points.columns:
            raise _refused(measurement, column.name, "The column is missing.")
        found = points.schema[column.name]
        if found not in (column.polars_type, pl.Null()) and not (column.type == "float" and found.is_numeric()):
            raise _refused(measurement, column.name, f"The column is of type {found}, not {column.polars_type}.")
    frame = points.select(pl.col(column.name).cast(column.polars_type) for column in columns).with_columns(
        pl.col(tag).fill_null("") for tag in measurement.tags
    )
    if not frame.height:
        return frame
    times = frame.get_column("time")
    if times.null_count():
        raise _refused(measurement, "time", "A point has no time.")
    if times.min() < FIRST_TIME or times.max() > LAST_TIME:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
        raise _refused(measurement, "time", "A time lies outside of the years 1677 to 2262.")
    if (frame.get_column("tenant_id") == "").any():
        raise _refused(measurement, "tenant_id", "A point has no tenant.")
    return frame


def _check_texts(measurement: Measurement, points: pl.DataFrame) -> None:
    for name in points.columns:
        if points.schema[name] != pl.String():
            continue
        texts = points.get_column(name)
        if name in measurement.tags:
            texts = texts.unique()
            if texts.str.contains(r"[\n\r]|\\$").any():
                raise _refused(measurement, name, "A tag holds a line break or ends with a backslash.")
        if texts.str.contains("\0", literal=True).any():
            raise _refused(measurement, name, "A text holds the character 0.")


def _refused(measurement: Measurement, column: str, what: str) -> StoreError:
    where = f"{measurement.name}.{column}" if column else measurement.name
    return StoreError(what, where=where, remedy=_MEND)
