"""References of many new rows are looked at all at once, and hold as if the server had looked at each row."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import psycopg
import pytest

from energy_platform.domain.contracts import Contract
from energy_platform.domain.errors import StoreError
from energy_platform.domain.tables import BUILDINGS, SENSORS, TENANTS
from energy_platform.settings import Settings
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.rows import copy_rows

ROWS = 20_000


def table_rows(contract: Contract, **columns: pl.Expr) -> pl.DataFrame:
    number = pl.int_range(ROWS).cast(pl.String)
    given = {"tenant_id": pl.lit("t"), contract.key[-1]: number, **columns}
    wanted = [given.get(name, pl.lit(None, type_)).cast(type_).alias(name) for name, type_ in contract.schema().items()]
    return pl.select(pl.int_range(ROWS).alias("@row")).select(wanted)


@pytest.fixture
def parents(connection: psycopg.Connection) -> psycopg.Connection:
    """A tenant with the buildings 0 to 19999; committed."""
    tenant = pl.DataFrame([{"tenant_id": "t", "name": "t", "attributes": None}], schema=TENANTS.schema())
    copy_rows(connection, TENANTS, "e", [tenant])
    assert copy_rows(connection, BUILDINGS, "e", [table_rows(BUILDINGS)]) == ROWS
    connection.commit()
    return connection


@pytest.fixture
def administrator(clean_stores: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(clean_stores.postgres_admin_url.get_secret_value()) as connection:
        yield connection
        connection.rollback()


def sensors(building: pl.Expr) -> pl.DataFrame:
    return table_rows(SENSORS, building_id=building)


def held(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM energy.{table}").fetchone()  # type: ignore[arg-type]
    return row[0] if row else -1


def test_rows_whose_references_are_there_or_null_are_taken(parents: psycopg.Connection) -> None:
    some = pl.when(pl.int_range(ROWS) % 3 > 0).then((pl.int_range(ROWS) % 10).cast(pl.String))
    assert copy_rows(parents, SENSORS, "e", [sensors(some)]) == ROWS
    parents.commit()
    assert held(parents, "sensors") == ROWS


@pytest.mark.parametrize("missing", [1, 2_500])
def test_rows_that_refer_to_nothing_are_refused_as_a_whole(store: PostgresStore, missing: int) -> None:
    tenant = pl.DataFrame([{"tenant_id": "t", "name": "t", "attributes": None}], schema=TENANTS.schema())
    buildings = table_rows(BUILDINGS)
    with store.connection() as connection:
        copy_rows(connection, TENANTS, "e", [tenant])
        copy_rows(connection, BUILDINGS, "e", [buildings.head(ROWS - missing)])
    rows = sensors(pl.int_range(ROWS).cast(pl.String))
    with (
        pytest.raises(StoreError, match=rf"^.*{missing} of the rows of energy.buildings .*tenant_id, building_id"),
        store.connection() as connection,
    ):
        copy_rows(connection, SENSORS, "e", [rows.head(ROWS // 2), rows.tail(ROWS // 2)])
    with store.connection() as connection:
        assert held(connection, "sensors") == 0


def test_another_session_waits_for_what_is_referred_to(store: PostgresStore, parents: psycopg.Connection) -> None:
    copy_rows(parents, SENSORS, "e", [sensors(pl.lit("7"))])
    with store.connection() as other:
        other.execute("SET lock_timeout = '200ms'")
        other.execute("DELETE FROM energy.buildings WHERE building_id = '8'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("DELETE FROM energy.buildings WHERE building_id = '7'")
        other.rollback()


def test_what_is_written_afterwards_is_looked_at_row_by_row(parents: psycopg.Connection) -> None:
    copy_rows(parents, SENSORS, "e", [sensors(pl.lit("7"))])
    assert parents.execute("SHOW session_replication_role").fetchone() == ("origin",)
    parents.execute(
        "INSERT INTO energy.sensors (tenant_id, sensor_id, building_id, estate) VALUES ('t', 'x', 'none', 'e')"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        parents.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_trigger_that_somebody_has_added_fires(
    parents: psycopg.Connection, administrator: psycopg.Connection
) -> None:
    administrator.execute(
        """
        CREATE TABLE energy.seen (sensor_id text);
        GRANT INSERT ON energy.seen TO energy_loader;
        CREATE FUNCTION energy.see() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO energy.seen VALUES (NEW.sensor_id); RETURN NEW; END';
        CREATE TRIGGER see AFTER INSERT ON energy.sensors FOR EACH ROW EXECUTE FUNCTION energy.see();
        """
    )
    administrator.commit()
    try:
        copy_rows(parents, SENSORS, "e", [sensors(pl.lit("7"))])
        parents.commit()
        assert administrator.execute("SELECT count(*) FROM energy.seen").fetchone() == (ROWS,)
    finally:
        administrator.execute("DROP TRIGGER see ON energy.sensors; DROP FUNCTION energy.see; DROP TABLE energy.seen")
        administrator.commit()


def test_where_the_server_does_not_let_us_each_row_is_looked_at(
    parents: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy_platform.stores.postgres.references._MAY", "SELECT %(table)s::text IS NULL")
    copy_rows(parents, SENSORS, "e", [sensors(pl.lit("none"))])
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        parents.commit()
