"""Frames into PostgreSQL and out of it by COPY, exactly: null is not empty text, and every microsecond counts."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import CANONICAL_TYPES, ColumnType
from energy_platform.domain.errors import StoreError
from energy_platform.failpoints import failpoint

_ROWS_OF_A_COPY = 100_000

# polars reads these as plain numbers, which no format of dates or flags can spoil
_WIRE_TYPES: Mapping[ColumnType, pl.DataType] = {
    "text": pl.String(),
    "json": pl.String(),
    "float": pl.Float64(),
    "integer": pl.Int64(),
    "boolean": pl.Int8(),
    "time": pl.Int64(),
    "date": pl.Int32(),
}
_WIRE_SQL: Mapping[ColumnType, sql.SQL] = {
    "text": sql.SQL("{}"),
    "json": sql.SQL("{}::text"),
    "float": sql.SQL("{}"),
    "integer": sql.SQL("{}"),
    "boolean": sql.SQL("{}::integer"),
    "time": sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint"),
    "date": sql.SQL("({} - DATE '1970-01-01')"),
}


def names_of(columns: Sequence[str], table: str = "") -> sql.Composed:
    """Quoted names, separated by commas; each with the table before it where one is given."""
    return sql.SQL(", ").join(sql.Identifier(table, name) if table else sql.Identifier(name) for name in columns)


def stage(connection: psycopg.Connection, name: str, like: sql.Composable, frame: pl.DataFrame) -> sql.Identifier:
    """Put a frame into a new temporary table, which goes with the transaction at the latest.

    Args:
        connection: of a role that may make temporary tables.
        name: of the temporary table; an earlier one of that name is dropped.
        like: the table whose columns of the same names give the types.
        frame: canonical types.

    Returns:
        the temporary table's quoted name.

    Raises:
        StoreError: a text holds the NUL character.
    """
    staged = sql.Identifier("pg_temp", name)
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staged))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            sql.Identifier(name), names_of(frame.columns), like
        )
    )
    copy_in(connection, staged, frame)
    return staged


def copy_in(connection: psycopg.Connection, table: sql.Composable, frame: pl.DataFrame) -> None:
    """Append a frame in canonical types to a table with columns of the same names.

    Raises:
        StoreError: a text holds the NUL character, which PostgreSQL cannot keep.
    """
    refuse_nul(frame)
    if frame.width == 1:
        # a line that is nothing but `\.` would end the copy, and an empty one would be passed over
        raise ValueError("A frame of one column cannot be copied.")
    times = [
        # the formatter of polars knows years of four digits only; PostgreSQL refuses the others it writes
        pl.col(name).dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.6f+00")
        for name, type_ in frame.schema.items()
        if isinstance(type_, pl.Datetime)
    ]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(table, names_of(frame.columns))
    with connection.cursor().copy(statement) as copy:
        for part in frame.iter_slices(_ROWS_OF_A_COPY):
            text = part.with_columns(times).write_csv(include_header=False, quote_style="necessary", null_value="")
            copy.write(text.encode())
            failpoint("mid_copy")


def copy_out(
    connection: psycopg.Connection,
    columns: Mapping[str, ColumnType],
    source: sql.Composable,
    parameters: Sequence[object] = (),
    *,
    batch_rows: int | None = None,
) -> Iterator[pl.DataFrame]:
    """Read columns of a table or query as frames in canonical types.

    Args:
        connection: the connection.
        columns: names and types, in the order of the frames.
        source: what stands behind FROM: table, conditions, order.
        parameters: of the conditions.
        batch_rows: rows of one frame at most; all in one where not given.

    Yields:
        frames with at least one row. JSON is canonical text: keys sorted, no blanks.
    """
    selected = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(_WIRE_SQL[type_].format(sql.Identifier(name)), sql.Identifier(name))
        for name, type_ in columns.items()
    )
    texts = [name for name, type_ in columns.items() if _WIRE_TYPES[type_] == pl.String()]
    quoted = sql.SQL(", FORCE_QUOTE ({})").format(names_of(texts)) if texts else sql.SQL("")
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv{})").format(selected, source, quoted)
    with connection.cursor().copy(statement, parameters or None) as copy:
        buffer, rows = io.BytesIO(), 0
        for row in copy:  # the server sends one message for each row
            buffer.write(row)
            rows += 1
            if rows == batch_rows:
                yield _parsed(buffer.getvalue(), columns)
                buffer, rows = io.BytesIO(), 0
        if rows:
            yield _parsed(buffer.getvalue(), columns)


def read_frame(
    connection: psycopg.Connection,
    columns: Mapping[str, ColumnType],
    source: sql.Composable,
    parameters: Sequence[object] = (),
) -> pl.DataFrame:
    """All rows of `copy_out` as one frame, which may be empty."""
    for frame in copy_out(connection, columns, source, parameters):
        return frame
    return pl.DataFrame(schema={name: CANONICAL_TYPES[type_] for name, type_ in columns.items()})


def canonical_json(text: str | None) -> str | None:
    """JSON text in the one spelling that is compared, and that jsonb gives back.

    Keys are sorted, there are no blanks, characters stand as they are. What jsonb does not tell apart is spelled alike:
    -0.0 is 0.0, and 1e16 and above, which it writes in full, are integers.
    """
    if text is None:
        return None
    value = json.loads(text, parse_float=_canonical_number)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _canonical_number(text: str) -> float | int:
    number = float(text) + 0.0
    # Python writes floats from here on with an exponent
    return int(Decimal(repr(number))) if math.isfinite(number) and abs(number) >= 1e16 else number


def _parsed(csv: bytes, columns: Mapping[str, ColumnType]) -> pl.DataFrame:
    frame = pl.read_csv(
        csv,
        has_header=False,
        schema={name: _WIRE_TYPES[type_] for name, type_ in columns.items()},
        infer_schema=False,
    )
    exact: list[pl.Expr] = []
    for name, type_ in columns.items():
        if type_ == "time":
            exact.append(pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
        elif type_ in {"boolean", "date"}:
            exact.append(pl.col(name).cast(CANONICAL_TYPES[type_]))
    frame = frame.with_columns(exact)
    spelled = [
        pl.Series(name, [canonical_json(text) for text in frame[name]], dtype=pl.String)
        for name, type_ in columns.items()
        if type_ == "json"
    ]
    return frame.with_columns(spelled)


def refuse_nul(frame: pl.DataFrame) -> None:
    """Raise StoreError where a text holds the NUL character, which PostgreSQL cannot keep."""
    for name, type_ in frame.schema.items():
        if type_ == pl.String() and frame[name].str.contains("\x00", literal=True).any():
            raise StoreError(
                "A text holds the NUL character, which PostgreSQL cannot keep.",
                where=name,
                remedy="Mend it in the source; the row's other characters are fine.",
            )
