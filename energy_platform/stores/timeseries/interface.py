"""What every time-series store does, and what every one of them can hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import ClassVar, Final, Literal, Self, cast

import polars as pl

from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.errors import FieldTypeConflictError, StoreError
from energy_platform.domain.points import SERIES, SeriesPoints

#: About how many points one piece of `TimeSeries.read_points` holds.
READ_ROWS: Final = 50_000
#: The column of `TimeSeries.write_points`' answer that names a refused point: its row number in `SeriesPoints.rows`.
ROW: Final = "@row"
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
    #: Points are cheaper to write series by series than day by day.
    indexed_by_series: ClassVar[bool]

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
    def write_points(self, measurement: Measurement, points: SeriesPoints) -> pl.DataFrame:
        """Write points, or overwrite them; returns once the store has acknowledged all that it keeps as durable.

        Args:
            measurement: whose points.
            points: any of the measurement's fields; each point once, with at least one field.

        Returns:
            The points that the store itself refused, and no others: `@row` (UInt32, the row number in `points.rows`)
            and `reason` (String, the store's words without data). The other points of the call are kept.

        Raises:
            StoreError: no store can hold the points (see `checked_series_points`): nothing was written.
        """

    def write(self, measurement: Measurement, points: pl.DataFrame) -> None:
        """Write points, or overwrite them; returns once the store has acknowledged all of them as durable.

        Args:
            measurement: whose points.
            points: canonical types: all tags, time, and any of the fields; each point once, with at least one field.

        Raises:
            StoreError: the points cannot be held (see `checked_points`), or the store refuses some of them.
        """
        checked = checked_points(measurement, points)
        refused = self.write_points(measurement, SeriesPoints.of(checked, measurement))
        if refused.height:
            reason = str(refused.item(0, "reason"))
            conflict = "field type conflict" in reason
            raise (FieldTypeConflictError if conflict else StoreError)(
                f"The store refuses {refused.height:,} of {checked.height:,} points: {reason}.",
                where=measurement.name,
                remedy="A field keeps one type for ever: give the column another field's name in estate.yaml."
                if conflict
                else "Mend the cause and run it again: what was written before is overwritten by itself.",
            )

    @abstractmethod
    def read_points(
        self,
        measurement: Measurement,
        tenants: Sequence[str],
        start: datetime | None = None,
        stop: datetime | None = None,
    ) -> Iterator[SeriesPoints]:
        """The points of these tenants from `start` (included) to `stop` (not included), in no order.

        Args:
            measurement: whose points.
            tenants: their codes.
            start: with a zone; None for the first there is.
            stop: with a zone; None for the last there is.

        Yields:
            Pieces of about `READ_ROWS` points, each with the series that it needs: all the measurement's columns in
            canonical types, and behind them, in columns of other names, what the store holds values of and the
            measurement does not know: further tags in `series` (null where absent), further fields in `rows`.
        """

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
        for points in self.read_points(measurement, tenants, start, stop):
            yield without_empty_strangers(measurement, points.frame())

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


def nothing_refused() -> pl.DataFrame:
    """The answer of `TimeSeries.write_points` where all points are kept."""
    return pl.DataFrame(schema={ROW: pl.UInt32(), "reason": pl.String()})


def checked_points(measurement: Measurement, points: pl.DataFrame) -> pl.DataFrame:
    """Points in canonical types and the measurement's order of columns, if every store can hold them as they are.

    What one store cannot hold, none takes: an estate that loads into PostgreSQL today loads into InfluxDB tomorrow.

    Raises:
        StoreError: a column is unknown, missing or of another type; a point has no time, no tenant or no field, or
            stands there twice; a number is infinite or not one; a time lies outside of 1677 to 2262; a text holds the
            character 0; a tag holds a line break or ends with a backslash.
    """
    fields = _checked_names(measurement, points.columns, measurement.column_names)
    checked = _canonical(measurement, points, [*_key_columns(measurement), *fields])
    _check_tags(measurement, checked.select(measurement.tags).unique())
    _check_fields(measurement, checked, fields)
    if checked.select(pl.struct(measurement.key).n_unique()).item() != checked.height:
        raise _twice(measurement)
    return checked


def checked_series_points(measurement: Measurement, points: SeriesPoints) -> SeriesPoints:
    """The same promises as those of `checked_points`, with a look at tags once per series and not once per point.

    It is cheapest where the rows are sorted by series and time.

    Raises:
        StoreError: as `checked_points`; or a row names a series that is not there, or a series stands there twice.
    """
    _checked_names(measurement, points.series.columns, measurement.tags)
    fields = _checked_names(
        measurement, points.rows.columns, [SERIES, "time", *(column.name for column in measurement.fields)]
    )
    series = _canonical(measurement, points.series, [measurement.column(tag) for tag in measurement.tags])
    _check_tags(measurement, series)
    if series.is_duplicated().any():
        raise _refused(measurement, ", ".join(measurement.tags), "A series stands there twice in one call.")
    rows = _canonical(measurement, points.rows, [measurement.column("time"), *fields])
    numbers = points.rows.get_column(SERIES) if SERIES in points.rows.columns else pl.Series(dtype=pl.Null)
    if numbers.dtype != pl.UInt32() or numbers.null_count():
        raise _refused(measurement, SERIES, f"Each point names its series as UInt32, not as {numbers.dtype}.")
    if rows.height and cast("int", numbers.max()) >= series.height:
        raise _refused(measurement, SERIES, "A point names a series that is not there.")
    _check_fields(measurement, rows, fields)
    if not _are_distinct(numbers, rows.get_column("time")):
        raise _twice(measurement)
    return SeriesPoints(series, rows.insert_column(0, numbers))


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


def _checked_names(measurement: Measurement, names: Sequence[str], known: Sequence[str]) -> list[Column]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise _refused(measurement, unknown[0], "This is no column of the measurement.")
    fields = [column for column in measurement.fields if column.name in names]
    for column in fields:
        check_field_column(measurement, column)
    return fields


def _canonical(measurement: Measurement, points: pl.DataFrame, columns: list[Column]) -> pl.DataFrame:
    for column in columns:
        if column.name not in points.columns:
            raise _refused(measurement, column.name, "The column is missing.")
        found = points.schema[column.name]
        if found not in (column.polars_type, pl.Null()) and not (column.type == "float" and found.is_numeric()):
            raise _refused(measurement, column.name, f"The column is of type {found}, not {column.polars_type}.")
    frame = points.select(pl.col(column.name).cast(column.polars_type) for column in columns).with_columns(
        pl.col(column.name).fill_null("") for column in columns if column.name in measurement.tags
    )
    if not frame.height:
        return frame
    if "time" in frame.columns:
        times = frame.get_column("time")
        if times.null_count():
            raise _refused(measurement, "time", "A point has no time.")
        if times.min() < FIRST_TIME or times.max() > LAST_TIME:  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
            raise _refused(measurement, "time", "A time lies outside of the years 1677 to 2262.")
    if "tenant_id" in frame.columns and (frame.get_column("tenant_id") == "").any():
        raise _refused(measurement, "tenant_id", "A point has no tenant.")
    return frame


def _check_tags(measurement: Measurement, series: pl.DataFrame) -> None:
    for name in measurement.tags:
        texts = series.get_column(name)
        if texts.str.contains(r"[\n\r]|\\$").any():
            raise _refused(measurement, name, "A tag holds a line break or ends with a backslash.")
        if texts.str.contains("\0", literal=True).any():
            raise _refused(measurement, name, "A text holds the character 0.")


def _check_fields(measurement: Measurement, points: pl.DataFrame, fields: Sequence[Column]) -> None:
    for column in fields:
        values = points.get_column(column.name)
        if column.type == "float" and values.is_finite().not_().any():
            raise _refused(measurement, column.name, "A number is infinite or not a number.")
        if values.dtype == pl.String() and values.str.contains("\0", literal=True).any():
            raise _refused(measurement, column.name, "A text holds the character 0.")
    # most points have their first field, and then there is nothing to look for
    suspicious = points.height and all(points.get_column(column.name).null_count() for column in fields)
    if suspicious and (
        not fields or points.select(pl.all_horizontal(pl.col(c.name).is_null() for c in fields).any()).item()
    ):
        raise _refused(measurement, "", "A point has no field at all.")


def _are_distinct(series: pl.Series, times: pl.Series) -> bool:
    """Whether no two rows have the same series and time: cheap where they are sorted, else they are sorted first."""
    keys = pl.DataFrame({SERIES: series, "time": times.to_physical()})
    for ordered in (lambda: keys, lambda: keys.sort(SERIES, "time")):
        numbers, instants = (column.to_numpy() for column in ordered())
        same = numbers[1:] == numbers[:-1]
        # compared, and not subtracted: a difference of unsigned numbers is never negative
        rising = (numbers[1:] > numbers[:-1]) | (same & (instants[1:] > instants[:-1]))
        if rising.all():
            return True
        if (same & (instants[1:] == instants[:-1])).any():
            return False
    return True


def _twice(measurement: Measurement) -> StoreError:
    return _refused(measurement, ", ".join(measurement.key), "A point stands there twice in one call.")


def _refused(measurement: Measurement, column: str, what: str) -> StoreError:
    where = f"{measurement.name}.{column}" if column else measurement.name
    return StoreError(what, where=where, remedy=_MEND)
