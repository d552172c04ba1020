"""Rows of the tables and time series, by contract: write, read, delete, and whose they are."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import polars as pl
import psycopg
from psycopg import sql

from energy_platform.domain.contracts import ColumnType, Contract, Measurement
from energy_platform.domain.errors import OwnershipError
from energy_platform.stores.postgres.appending import append_rows
from energy_platform.stores.postgres.binary import copy_binary
from energy_platform.stores.postgres.copying import canonical_json, copy_out, names_of, read_frame, refuse_nul, stage
from energy_platform.stores.postgres.gathering import Kind, gather
from energy_platform.stores.postgres.references import Reference, references_at_once

#: From so many rows on it pays to look at what is there before they are sent.
_MANY_ROWS: Final = 10_000
_PROBES: Final = 200
_MESSAGE_ROWS: Final = 50_000
_SEEDS: Final = {"first": 0x2545F491, "second": 0x9E3779B9}
#: As what columns are read; JSON as text.
_KINDS: Final[Mapping[ColumnType, Kind]] = {
    "float": "float",
    "integer": "integer",
    "boolean": "boolean",
    "time": "time",
    "date": "date",
}


def table_of(contract: Contract) -> sql.Identifier:
    """The quoted name of the table that holds the rows of a contract."""
    return sql.Identifier("timeseries" if isinstance(contract, Measurement) else "energy", contract.name)


def write_rows(connection: psycopg.Connection, contract: Contract, estate: str, frame: pl.DataFrame) -> int:
    """Insert rows, or change those that are there and differ: see `TableWriter`; time series have no estate."""
    if isinstance(contract, Measurement):
        return 0 if frame.is_empty() else _upsert(connection, contract, frame.select(contract.column_names))
    return TableWriter(connection, contract, estate).write(frame)


class TableWriter:
    """Writes rows of one table. Writing the same again changes nothing.

    Many rows are copied straight into the table where it has none of theirs, and compared first where it has: only
    those that differ are sent.

    Args:
        connection: as energy_loader; all is written in its transaction.
        contract: of a table.
        estate: whose rows these are.
    """

    def __init__(self, connection: psycopg.Connection, contract: Contract, estate: str) -> None:
        self._connection = connection
        self._contract = contract
        self._estate = estate
        self._unchanged: pl.DataFrame | None = None
        self._looked_at: set[str] = set()

    def write(self, frame: pl.DataFrame) -> int:
        """Insert rows, or change those that are there and differ.

        Args:
            frame: canonical, at least the contract's columns; one row for each key, and no key in two calls.

        Returns:
            how many rows were inserted or changed.

        Raises:
            OwnershipError: a row with such a key belongs to another estate.
            StoreError: a text holds the NUL character.
            psycopg.Error: PostgreSQL refuses; references are checked at commit.
        """
        contract = self._contract
        frame = frame.select(contract.column_names)
        if frame.height >= _MANY_ROWS:
            self._look(frame.get_column("tenant_id").unique().to_list())
            frame = self._differing(frame)
        if frame.is_empty():
            return 0
        if frame.height >= _MANY_ROWS and not _any_there(self._connection, contract, frame) and self._copy(frame):
            return frame.height
        return _upsert(self._connection, contract, frame.with_columns(pl.lit(self._estate).alias("estate")))

    def _look(self, tenants: list[str]) -> None:
        """Find the hashes of the rows that this estate has of these tenants, once."""
        unknown = sorted(set(tenants) - self._looked_at)
        if not unknown:
            return
        self._looked_at.update(unknown)
        parts = [] if self._unchanged is None else [self._unchanged]
        held = stream_rows(self._connection, self._contract, unknown, of=self._estate)
        parts.extend(_hashes(rows, self._contract) for rows in held)
        self._unchanged = pl.concat(parts) if parts else None

    def _differing(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self._unchanged is None:
            return frame
        hashed = _hashes(frame, self._contract).with_row_index("@row")
        kept = hashed.join(self._unchanged, on=list(_SEEDS), how="anti").get_column("@row").sort()
        return frame[kept]

    def _copy(self, frame: pl.DataFrame) -> bool:
        """Whether all of the rows could be copied; nothing was, where one of them was there."""
        with contextlib.suppress(psycopg.errors.UniqueViolation), self._connection.transaction():
            copy_rows(self._connection, self._contract, self._estate, [in_key_order(frame, self._contract)])
            return True
        return False


def copy_rows(connection: psycopg.Connection, contract: Contract, estate: str, frames: Iterable[pl.DataFrame]) -> int:
    """Append rows to a table that holds none of them; the next are made ready while the server takes the ones before.

    Args:
        connection: as energy_loader.
        contract: of a table.
        estate: whose rows these are.
        frames: canonical, at least the contract's columns; best one behind the other in the order of the key.

    Returns:
        how many rows there were.

    Raises:
        psycopg.errors.UniqueViolation: one of them is there, or was written by somebody else at the same time.
        StoreError: a text holds the NUL character, or rows refer to some that are not there.
    """
    columns: dict[str, ColumnType] = {column.name: column.type for column in contract.columns}
    columns["estate"] = "text"
    table = table_of(contract)
    coming = iter(frames)
    first = next(coming, None)
    if first is None:
        return 0
    many = first.height >= _MANY_ROWS
    coming = itertools.chain([first], coming)
    del first  # it is not to be kept when it is written
    written = 0

    def checked(references: Sequence[Reference]) -> Iterator[pl.DataFrame]:
        nonlocal written
        for frame in coming:
            refuse_nul(frame)
            written += frame.height
            for reference in references:
                reference.see(frame)
            yield frame.select(*contract.column_names, pl.lit(estate).alias("estate"))

    with references_at_once(connection, table, columns) if many else contextlib.nullcontext(()) as references:
        append_rows(connection, table, list(columns.items()), checked(references))
    return written


def in_key_order(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Rows in the order of the primary key, in which COPY is fastest."""
    several = [name for name in contract.key if frame.height and frame.get_column(name).n_unique() > 1]
    if not several or (len(several) == 1 and frame.get_column(several[0]).is_sorted()):
        return frame
    return frame.sort(several)


def stream_rows(
    connection: psycopg.Connection,
    contract: Contract,
    tenants: Sequence[str],
    *,
    of: str | None = None,
    without: Sequence[str] = (),
    with_estate: bool = False,
) -> Iterator[pl.DataFrame]:
    """Rows of the tenants in pieces, in no order; memory does not grow with the table.

    Args:
        connection: as energy_loader.
        contract: of a table or time series.
        tenants: whose rows.
        of: rows of this estate alone.
        without: rows of these estates are left out.
        with_estate: give the column `estate`.

    Yields:
        frames with at least one row: the contract's columns, canonical. JSON comes as canonical text.
    """
    columns: dict[str, Kind] = {column.name: _KINDS.get(column.type, "text") for column in contract.columns}
    if with_estate:
        columns["estate"] = "text"
    conditions = [sql.SQL("tenant_id = ANY({})").format(sql.Literal(list(tenants)))]
    if of is not None:
        conditions.append(sql.SQL("estate = {}").format(sql.Literal(of)))
    if without:
        conditions.append(sql.SQL("estate <> ALL({})").format(sql.Literal(list(without))))
    table = ("timeseries" if isinstance(contract, Measurement) else "energy", contract.name)
    texts = [column.name for column in contract.columns if column.type == "json"]
    required = frozenset(contract.key)
    for rows in gather(connection, table, columns, sql.SQL(" AND ").join(conditions), required=required):
        yield rows.with_columns(
            pl.Series(name, [canonical_json(text) for text in rows.get_column(name)], dtype=pl.String)
            for name in texts
            if rows.get_column(name).null_count() < rows.height
        )


def read_rows(connection: psycopg.Connection, contract: Contract, tenants: Sequence[str]) -> pl.DataFrame:
    """All rows of the tenants, sorted by key: the contract's columns, canonical, and `estate` (time series: without).

    JSON comes as canonical text.
    """
    owned = not isinstance(contract, Measurement)
    schema: dict[str, pl.DataType] = {**contract.schema(), **({"estate": pl.String()} if owned else {})}
    parts = stream_rows(connection, contract, tenants, with_estate=owned)
    return pl.concat([pl.DataFrame(schema=schema), *parts]).sort(contract.key)


def holds_rows(connection: psycopg.Connection, contract: Contract, tenants: Sequence[str]) -> bool:
    """Whether a table holds rows of these tenants."""
    found = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE tenant_id = ANY(%s))").format(table_of(contract)), [list(tenants)]
    ).fetchone()
    return found == (True,)


def holds_others(connection: psycopg.Connection, contract: Contract, tenants: Sequence[str], estate: str) -> bool:
    """Whether a table holds rows of these tenants that belong to another estate."""
    found = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE tenant_id = ANY(%s) AND estate <> %s)").format(table_of(contract)),
        [list(tenants), estate],
    ).fetchone()
    return found == (True,)


def delete_rows(connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame) -> int:
    """Delete the rows with these keys; returns how many there were."""
    if keys.is_empty():
        return 0
    staged = _stage_keys(connection, contract, keys)
    return connection.execute(
        sql.SQL("DELETE FROM {} AS present USING {} AS staged WHERE ({}) = ({})").format(
            table_of(contract), staged, names_of(contract.key, "present"), names_of(contract.key, "staged")
        )
    ).rowcount


def owners(
    connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame, *, estate: str | None = None
) -> pl.DataFrame:
    """Which of these rows are there, and whose they are.

    Args:
        connection: as energy_loader.
        contract: of a table.
        keys: frame with at least the key columns.
        estate: rows of this estate are left out; all are given where it is None.

    Returns:
        frame of the key columns and `estate`, sorted by key.
    """
    columns: dict[str, ColumnType] = {name: contract.column(name).type for name in contract.key}
    columns["estate"] = "text"
    found = _rows_at(connection, contract, columns, keys, sql.SQL("estate IS DISTINCT FROM %s"), [estate])
    return found.sort(contract.key)


def rows_at(connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows with these keys, whosever they are: the contract's columns, canonical, sorted by key."""
    columns: dict[str, ColumnType] = {column.name: column.type for column in contract.columns}
    return _rows_at(connection, contract, columns, keys, sql.SQL("true"), []).sort(contract.key)


def unknown_rows(
    connection: psycopg.Connection,
    contract: Contract,
    known: Iterable[pl.DataFrame],
    tenants: Sequence[str],
    *,
    without: Sequence[str] = (),
) -> Iterator[pl.DataFrame]:
    """Keys of the rows of these tenants that are not among the known ones; the server compares them.

    Args:
        connection: as energy_loader.
        contract: of a table.
        known: frames with at least the key columns.
        tenants: whose rows.
        without: rows of these estates are left out.
    """
    columns: dict[str, ColumnType] = {name: contract.column(name).type for name in contract.key}
    staged = sql.Identifier("pg_temp", "known_keys")
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staged))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE known_keys ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
            names_of(contract.key), table_of(contract)
        )
    )
    copy_binary(connection, staged, list(columns.items()), known)
    # else the server takes it for a small one
    connection.execute(sql.SQL("ANALYZE {}").format(staged))
    source = sql.SQL(
        "{} AS present WHERE tenant_id = ANY(%s) AND estate <> ALL(%s)"
        " AND NOT EXISTS (SELECT FROM {} AS known WHERE ({}) = ({}))"
    ).format(table_of(contract), staged, names_of(contract.key, "known"), names_of(contract.key, "present"))
    yield from copy_out(connection, columns, source, [list(tenants), list(without)], batch_rows=_MESSAGE_ROWS)


def _rows_at(
    connection: psycopg.Connection,
    contract: Contract,
    columns: Mapping[str, ColumnType],
    keys: pl.DataFrame,
    condition: sql.Composable,
    parameters: Sequence[object],
) -> pl.DataFrame:
    if keys.is_empty():
        return read_frame(connection, columns, sql.SQL("{} WHERE false").format(table_of(contract)))
    staged = _stage_keys(connection, contract, keys)
    source = sql.SQL("{} AS present WHERE {}").format(_held_at(contract, staged), condition)
    return read_frame(connection, columns, source, parameters)


def _held_at(contract: Contract, staged: sql.Composable, further: sql.Composable | None = None) -> sql.Composed:
    """`present`: the rows of a table with the staged keys, each looked up by its key.

    Said so that the server has no other way: while another transaction fills a table it may take it for an empty one,
    and compare every row with every other.
    """
    return sql.SQL(
        "(SELECT held.*{further} FROM {staged} AS staged CROSS JOIN LATERAL"
        " (SELECT * FROM {table} AS one WHERE ({one}) = ({keys}) OFFSET 0) AS held)"
    ).format(
        further=further or sql.SQL(""),
        staged=staged,
        table=table_of(contract),
        one=names_of(contract.key, "one"),
        keys=names_of(contract.key, "staged"),
    )


def _stage_keys(connection: psycopg.Connection, contract: Contract, keys: pl.DataFrame) -> sql.Identifier:
    table = table_of(contract)
    frame = keys.select(contract.key).unique()
    if frame.width == 1:
        # one column alone cannot be copied
        table = sql.SQL("(SELECT *, 0::bigint AS ordinal FROM {}) AS numbered").format(table)
        return stage(connection, "staged_keys", table, frame.with_row_index("ordinal").cast({"ordinal": pl.Int64}))
    return stage(connection, "staged_keys", table, frame)


def _upsert(connection: psycopg.Connection, contract: Contract, frame: pl.DataFrame) -> int:
    table = table_of(contract)
    owned = not isinstance(contract, Measurement)
    staged = stage(connection, "staged_rows", table, frame)
    content = [name for name in contract.column_names if name not in contract.key]
    written = connection.execute(
        sql.SQL(
            "INSERT INTO {table} AS present ({names}) SELECT {names} FROM {staged} ORDER BY {key}"
            " ON CONFLICT ({key}) DO UPDATE SET {changes}"
            " WHERE ({present}) IS DISTINCT FROM ({new}){of_this_estate}"
        ).format(
            table=table,
            names=names_of(frame.columns),
            staged=staged,
            key=names_of(contract.key),
            changes=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("excluded", name)) for name in content
            ),
            present=names_of(content, "present"),
            new=names_of(content, "excluded"),
            of_this_estate=sql.SQL(" AND present.estate = excluded.estate" if owned else ""),
        )
    ).rowcount
    if owned:
        # after the insert, which waits for others that write the same key
        _refuse_others_rows(connection, contract, staged)
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
    return written


def _any_there(connection: psycopg.Connection, contract: Contract, frame: pl.DataFrame) -> bool:
    """Whether some of the rows are there already, by a sample."""
    sample = frame.select(contract.key).gather_every(max(1, frame.height // _PROBES))
    found = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM {held} AS present)").format(
            held=_held_at(
                contract,
                sql.SQL("(SELECT * FROM unnest({arrays}) AS listed ({names}))").format(
                    arrays=sql.SQL(", ").join(
                        # the other parts of a table's key are text
                        sql.SQL("%s::timestamptz[]" if contract.column(name).type == "time" else "%s::text[]")
                        for name in contract.key
                    ),
                    names=names_of(contract.key),
                ),
            )
        ),
        [sample.get_column(name).to_list() for name in contract.key],
    ).fetchone()
    return found == (True,)


def _hashes(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """What tells rows apart, keys and content alike: 128 bits each. It is no proof: what is written is proved."""
    rows = frame.select(contract.column_names)
    return pl.DataFrame({name: rows.hash_rows(seed) for name, seed in _SEEDS.items()})


def _refuse_others_rows(connection: psycopg.Connection, contract: Contract, staged: sql.Identifier) -> None:
    found = connection.execute(
        sql.SQL("SELECT count(*), min(estate) FROM {} AS present WHERE estate <> staged_estate").format(
            _held_at(contract, staged, sql.SQL(", staged.estate AS staged_estate"))
        )
    ).fetchone()
    if found and found[0]:
        raise OwnershipError(
            f"{found[0]} row(s) belong to the estate {found[1]} already.",
            where=contract.name,
            remedy="Give the tenants of this estate codes of their own, or load into stores of its own.",
        )
