"""Rows that are copied straight into a table, and rows that are inserted or changed one by one, are the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.domain.contracts import Column, Contract
from energy_platform.domain.tables import BILLING, BUILDINGS, TENANTS, USERS
from energy_platform.settings import Settings
from energy_platform.stores.postgres import gathering
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.copying import canonical_json
from energy_platform.stores.postgres.rows import (
    copy_rows,
    owners,
    read_rows,
    rows_at,
    table_of,
    unknown_rows,
    write_rows,
)

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "time": st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "date": st.dates(date(1800, 1, 1), date(2300, 1, 1)),
    "json": st.dictionaries(st.sampled_from("abc"), st.integers() | st.none(), max_size=3).map(
        lambda value: canonical_json(str(value).replace("'", '"').replace("None", "null"))
    ),
}
tenants = count()


@pytest.fixture(scope="module")
def loader(stores: Settings) -> Iterator[psycopg.Connection]:
    """One connection for many examples, each rolled back."""
    with PostgresStore(stores.postgres_url).connection() as connection:
        yield connection
        connection.rollback()


def values(column: Column) -> st.SearchStrategy[Any]:
    if column.type == "float":
        return st.floats(column.minimum, column.maximum, allow_nan=False)
    return VALUES[column.type]


def frames(contract: Contract) -> st.SearchStrategy[pl.DataFrame]:
    free = [column for column in contract.columns if column.name != "tenant_id"]
    row = st.fixed_dictionaries(
        {
            column.name: texts.filter(bool) if column.name in contract.key else st.none() | values(column)
            for column in free
        }
    )
    identity = contract.key[1:]
    lists = st.lists(row, max_size=8, unique_by=lambda one: tuple(one[name] for name in identity))
    return lists.map(lambda rows: pl.DataFrame([{"tenant_id": ""} | one for one in rows], schema=contract.schema()))


@pytest.mark.parametrize("contract", [BILLING, USERS, BUILDINGS], ids=lambda contract: contract.name)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_ways_of_writing_give_the_same_rows(
    loader: psycopg.Connection, contract: Contract, data: st.DataObject
) -> None:
    frame = data.draw(frames(contract))
    one, other = f"copied{next(tenants)}", f"upserted{next(tenants)}"
    copied, upserted = (frame.with_columns(tenant_id=pl.lit(code, pl.String)) for code in (one, other))
    try:
        cut = frame.height // 2
        assert copy_rows(loader, contract, "here", [copied[:cut], copied[cut:]]) == frame.height
        assert write_rows(loader, contract, "here", upserted) == frame.height
        found, same = read_rows(loader, contract, [one]), read_rows(loader, contract, [other])
        assert_frame_equal(found.drop("tenant_id"), same.drop("tenant_id"), check_exact=True)
        assert_frame_equal(found.drop("estate"), copied.sort(contract.key), check_exact=True)
        # what one way has written, the other finds unchanged
        assert write_rows(loader, contract, "here", copied) == 0
        assert_frame_equal(rows_at(loader, contract, upserted), upserted.sort(contract.key), check_exact=True)
        unknown = [*unknown_rows(loader, contract, [copied[:cut], copied[cut + 1 :]], [one])]
        assert sum(part.height for part in unknown) == (1 if frame.height > cut else 0)
    finally:
        loader.rollback()


def test_a_table_that_the_server_takes_for_an_empty_one_is_still_looked_up_by_key(
    clean_stores: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted while a load is under way, a table looks empty to the planner, however many rows it gets."""
    # pieces of a page or two
    monkeypatch.setattr(gathering, "_MESSAGE_BYTES", 16_384)
    url, admin = clean_stores.postgres_url, clean_stores.postgres_admin_url.get_secret_value()
    written = pl.DataFrame({"tenant_id": ["t"] * 20_000}).select(
        "tenant_id",
        pl.format("I{}", pl.int_range(20_000) + 10_000).alias("invoice_id"),
        *(pl.lit(None, column.polars_type).alias(column.name) for column in BILLING.columns[2:]),
    )
    with PostgresStore(url).connection() as connection:
        write_rows(
            connection,
            TENANTS,
            "here",
            pl.DataFrame([{"tenant_id": "t", "name": "t", "attributes": None}], schema=TENANTS.schema()),
        )
        copy_rows(connection, BILLING, "here", [written])
        with psycopg.connect(admin, autocommit=True) as other:
            other.execute(b"ANALYZE energy.billing")
        before = scanned(connection)
        assert owners(connection, BILLING, written, estate="there").height == 20_000
        assert read_rows(connection, BILLING, ["t"]).height == 20_000
        # a scan for each key, or for each piece, would count millions
        assert scanned(connection) - before < 100_000


def scanned(connection: psycopg.Connection) -> int:
    """Rows and entries of the index that this transaction has looked at."""
    row = connection.execute(
        "SELECT pg_stat_get_xact_tuples_returned(%s::regclass) + pg_stat_get_xact_tuples_returned(%s::regclass)",
        [table_of(BILLING).as_string(connection), "energy.billing_pkey"],
    ).fetchone()
    return row[0] if row else 0
