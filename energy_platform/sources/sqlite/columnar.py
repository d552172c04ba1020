"""Reads rows of a SQLite table as Arrow record batches, where that gives the very values that reading by row gives.

The Arrow driver takes a column's type from its first batch and makes later values fit: a number among texts becomes
another text, a large whole number among doubles loses digits. So what it gives is accepted only where it is known to
be exact; everything else is refused with `InexactError`, to be read by row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN

if TYPE_CHECKING:
    import pyarrow as pa

Affinity = Literal["integer", "text", "none", "real", "numeric"]


class InexactError(Exception):
    """The driver would not give these values as they are, or cannot read the file."""


@dataclass(frozen=True, slots=True)
class ColumnarQuery:
    """A read of a table in the order of its rowid.

    Attributes:
        address: of the file, as a URI that opens it for reading alone.
        table: its name, quoted.
        rowid: a name of its rowid.
        affinities: names of the columns, in order, and what each makes of values that are put into it.
        alias: the column that is the rowid; None where there is none.
        span: rows of these rowids only.
        texts: columns that are expected to hold texts and nulls alone.
    """

    address: str
    table: str
    rowid: str
    affinities: Mapping[str, Affinity]
    alias: str | None
    span: Span
    texts: Collection[str]

    @property
    def sql(self) -> str:
        """The columns, the rowid if it is none of them, and with `texts` a last one: 0 where one is no text."""
        names = {name: f"{self.table}.{quoted(name)}" for name in self.affinities}
        chosen = [*names.values(), *([] if self.alias else [f"{self.table}.{self.rowid}"])]
        checks = [_is_text(names[name], self.affinities[name]) for name in names if name in self.texts]
        chosen += [" AND ".join(checks)] if checks else []
        return f"SELECT {', '.join(chosen)} FROM {self.span.rows_of(self.table, self.rowid)}"


@dataclass(frozen=True, slots=True)
class Span:
    """Rows by their rowid.

    Attributes:
        after: of a higher rowid only; None for all.
        until: of this rowid at most; None for all.
        stretches: and of those within one of these, in ascending order, both ends included; None for all.
    """

    after: int | None = None
    until: int | None = None
    stretches: tuple[tuple[int, int], ...] | None = None

    def rows_of(self, table: str, rowid: str) -> str:
        """What stands behind FROM, for these rows of a quoted table in the order of their rowid."""
        rowid = f"{table}.{rowid}"
        limits = [f"{rowid} > {self.after}"] if self.after is not None else []
        limits += [f"{rowid} <= {self.until}"] if self.until is not None else []
        where = f" WHERE {' AND '.join(limits)}" if limits else ""
        if self.stretches is None:
            return f"{table}{where} ORDER BY {rowid}"
        # the rows of each stretch are looked up in turn, so that they come in order by themselves
        listed = ", ".join(f"({first}, {last})" for first, last in self.stretches)
        return (
            f"(VALUES {listed}) AS stretch CROSS JOIN {table}"
            f" ON {rowid} BETWEEN stretch.column1 AND stretch.column2{where}"
        )


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def affinity(declared: str) -> Affinity:
    """What SQLite derives from a column's declared type."""
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if not name or "BLOB" in name:
        return "none"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"


def columnar_frames(
    query: ColumnarQuery, batch_rows: int, finished: Callable[[], None]
) -> Generator[pl.DataFrame, None, None]:
    """Frames of the columns, `@key` and `@order`, all but the last of `batch_rows` rows, within one transaction.

    Args:
        query: what to read.
        batch_rows: rows of a frame.
        finished: called behind the last frame, while the file is still locked against writers.

    Raises:
        InexactError: rows from here on have to be read by row.
    """
    for batch in _batches(query, batch_rows, finished):
        yield _frame(batch, query)


def _batches(
    query: ColumnarQuery, batch_rows: int, finished: Callable[[], None]
) -> Generator[pa.RecordBatch, None, None]:
    # the drivers take a while to import
    import adbc_driver_manager
    import adbc_driver_sqlite
    import pyarrow as pa

    failures = (adbc_driver_manager.Error, OSError, pa.ArrowException)
    try:
        with (
            adbc_driver_manager.AdbcDatabase(driver=adbc_driver_sqlite._driver_path(), uri=query.address) as database,
            adbc_driver_manager.AdbcConnection(database) as connection,
            adbc_driver_manager.AdbcStatement(connection) as statement,
        ):
            connection.set_autocommit(False)
            statement.set_options(**{"adbc.sqlite.query.batch_rows": str(batch_rows)})
            statement.set_sql_query(query.sql)
            with closing(pa.RecordBatchReader.from_stream(statement.execute_query()[0])) as reader:
                yield from reader
                finished()
    except failures as error:
        raise InexactError(str(error)) from None


def _is_text(name: str, kept_as: Affinity) -> str:
    # SQLite orders numbers before texts, and texts before blobs; comparing costs less than asking for the type
    below = f"{name} COLLATE BINARY < x''"
    # such a column makes texts of numbers
    return below if kept_as == "text" else f"({name} COLLATE BINARY >= '' AND {below})"


def _frame(batch: pa.RecordBatch, query: ColumnarQuery) -> pl.DataFrame:
    arrays = [batch.column(position) for position in range(batch.num_columns)]
    if query.texts and not _series(arrays.pop()).ne_missing(0).all():
        raise InexactError("Something among texts is none.")
    names = list(query.affinities)
    rowid = arrays[names.index(query.alias)] if query.alias else arrays.pop()
    named = [
        _exact(array, query.affinities[name], expected_text=name in query.texts).alias(name)
        for name, array in zip(names, arrays, strict=True)
    ]
    return pl.DataFrame([*named, _nulls(len(rowid)).alias(KEY_COLUMN), _series(rowid).alias(ORDER_COLUMN)])


def _exact(array: pa.Array, kept_as: Affinity, *, expected_text: bool) -> pl.Series:
    import pyarrow as pa

    if array.null_count == len(array):
        return _nulls(len(array))
    if array.type == pa.int64():
        return _series(array)
    if array.type == pa.float64():
        numbers = _series(array)
        # only there no whole number can be among the doubles
        return numbers if kept_as == "real" else _doubles(numbers)
    if array.type == pa.string() and expected_text:
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InexactError(str(error)) from None
        return _series(array)
    raise InexactError(f"A column came as {array.type}.")


def _doubles(numbers: pl.Series) -> pl.Series:
    """The same, where it does not matter which of them have been whole numbers."""
    if (numbers.abs() >= EXACT_INTEGERS).any():
        raise InexactError("A number may have lost digits.")
    if (numbers == numbers.floor()).all():
        raise InexactError("The numbers may have been whole.")
    return numbers


def _nulls(height: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, height)


def _series(array: Any) -> pl.Series:
    found = pl.from_arrow(array)
    assert isinstance(found, pl.Series)
    return found
