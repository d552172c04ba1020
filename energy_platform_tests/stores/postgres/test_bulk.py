"""Many rows at once: they are copied, compared and gathered as they are, whoever else writes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from energy_platform.domain.errors import OwnershipError
from energy_platform.domain.measurements import SENSOR_DATA
from energy_platform.domain.points import SeriesPoints
from energy_platform.domain.tables import TENANTS, USERS
from energy_platform.settings import Settings
from energy_platform.stores.postgres import binary, gathering
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.rows import read_rows, write_rows
from energy_platform.stores.timeseries.opening import open_timeseries

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
TEXTS = ["", " ", "\\.", 'a"\n,b', "é\U0001f600", "NULL", None, "\\N", "\r\n"]


def users(rows: int, tenant: str = "t") -> pl.DataFrame:
    """Rows with every type and every hole, in no order of their keys."""
    number = pl.int_range(rows).reverse()
    return pl.DataFrame({"tenant_id": [tenant] * rows}).select(
        "tenant_id",
        number.cast(pl.String).alias("user_id"),
        pl.Series("email", [TEXTS[i % len(TEXTS)] for i in range(rows)], pl.String),
        pl.lit(None, pl.String).alias("name"),
        pl.Series("role", [TEXTS[i // 3 % len(TEXTS)] for i in range(rows)], pl.String),
        pl.lit("x").alias("password_hash"),
        pl.Series("active", [(True, False, None)[i % 3] for i in range(rows)]),
        pl.Series("created_at", [None if i % 7 == 0 else NOON + timedelta(microseconds=i) for i in range(rows)]).cast(
            pl.Datetime("us", "UTC")
        ),
        pl.Series("attributes", [None if i % 5 else f'{{"n":{i}}}' for i in range(rows)], pl.String),
    )


def points(tenant: str, rows: int = 6_000) -> pl.DataFrame:
    return pl.DataFrame({"tenant_id": [tenant] * rows}).select(
        "tenant_id",
        pl.lit("B1").alias("building_id"),
        pl.format("S{}", pl.int_range(rows) % 7).alias("sensor_id"),
        pl.lit("").alias("sensor_type"),
        # every month of two years
        (pl.lit(NOON) + pl.duration(hours=pl.int_range(rows) * 3)).cast(pl.Datetime("us", "UTC")).alias("time"),
        pl.when(pl.int_range(rows) % 4 > 0).then(pl.int_range(rows) / 7).alias("value"),
        pl.Series("state", [TEXTS[i % len(TEXTS)] or "-" for i in range(rows)], pl.String),
        pl.lit(None, pl.Float64).alias("confidence"),
        pl.Series("status", [TEXTS[i % len(TEXTS)] for i in range(rows)], pl.String),
    )


def test_many_rows_are_copied_then_only_what_differs_is_written(store: PostgresStore) -> None:
    first = users(12_000)
    with store.connection() as connection:
        write_rows(connection, TENANTS, "a", TENANTS.empty().vstack(_tenant("t")))
        assert write_rows(connection, USERS, "a", first) == 12_000
        assert_frame_equal(read_rows(connection, USERS, ["t"]).drop("estate"), first.sort(USERS.key))
        assert write_rows(connection, USERS, "a", first) == 0
    more = users(30_000).with_columns(
        pl.when(pl.col("user_id") == "77").then(pl.lit("new")).otherwise("email").alias("email"),
    )
    changed = {row["user_id"] for row in _different(first, more)}
    with store.connection() as connection:
        assert write_rows(connection, USERS, "a", more) == 18_000 + len(changed)
        assert_frame_equal(read_rows(connection, USERS, ["t"]).drop("estate"), more.sort(USERS.key))
    with pytest.raises(OwnershipError), store.connection() as connection:
        write_rows(connection, USERS, "b", more.with_columns(pl.lit("theirs").alias("name")))
    with store.connection() as connection:
        assert read_rows(connection, USERS, ["t"])["name"].null_count() == 30_000


def _tenant(code: str) -> pl.DataFrame:
    return pl.DataFrame([{"tenant_id": code, "name": code, "attributes": None}], schema=TENANTS.schema())


def _different(first: pl.DataFrame, second: pl.DataFrame) -> list[dict[str, object]]:
    joined = second.join(first, on=USERS.column_names, how="anti", nulls_equal=True)
    return joined.join(first.select(USERS.key), on=list(USERS.key), how="semi").to_dicts()


@pytest.mark.parametrize("small_pages", [0, 4_096])
def test_points_are_gathered_whatever_the_way(
    clean_stores: Settings, monkeypatch: pytest.MonkeyPatch, small_pages: int
) -> None:
    monkeypatch.setattr(gathering, "_SMALL_PAGES", small_pages)
    written = points("ways")
    with open_timeseries(clean_stores) as store:
        store.write(SENSOR_DATA, written)
        for start, stop in ((None, None), (NOON, NOON + timedelta(days=9)), (NOON + timedelta(days=200), None)):
            parts = [part.frame() for part in store.read_points(SENSOR_DATA, ["ways"], start, stop)]
            wanted = written.filter(
                (pl.col("time") >= (start or NOON)) & (pl.col("time") < (stop or datetime(2100, 1, 1, tzinfo=UTC)))
            )
            assert_frame_equal(pl.concat(parts).sort(SENSOR_DATA.key), wanted.sort(SENSOR_DATA.key), check_exact=True)


@pytest.mark.parametrize("rows", [6_000, 40_000])
def test_several_writers_of_the_same_points_all_succeed(clean_stores: Settings, rows: int) -> None:
    """Few points by one connection each, many by several."""
    written = SeriesPoints.of(points("twice", rows), SENSOR_DATA)
    with open_timeseries(clean_stores) as store:
        with ThreadPoolExecutor(3) as pool:
            answers = [pool.submit(store.write_points, SENSOR_DATA, written) for _ in range(3)]
            assert [answer.result().height for answer in answers] == [0, 0, 0]
        held = pl.concat(part.frame() for part in store.read_points(SENSOR_DATA, ["twice"]))
    assert_frame_equal(held.sort(SENSOR_DATA.key), written.frame().sort(SENSOR_DATA.key), check_column_order=False)


def test_a_share_that_breaks_off_is_said_and_a_second_write_completes_it(
    clean_stores: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = points("shares", 12_000)
    made = binary._rows

    def breaking(frame: pl.DataFrame, *arguments: object) -> object:
        if frame.get_column("time").max() == written.get_column("time").max():
            raise MemoryError
        return made(frame, *arguments)  # type: ignore[arg-type]

    with open_timeseries(clean_stores) as store:
        with monkeypatch.context() as patched:
            patched.setattr(binary, "_rows", breaking)
            with pytest.raises(MemoryError):
                store.write(SENSOR_DATA, written)
        store.write(SENSOR_DATA, written)
        held = pl.concat(part.frame() for part in store.read_points(SENSOR_DATA, ["shares"]))
    assert_frame_equal(held.sort(SENSOR_DATA.key), written.sort(SENSOR_DATA.key), check_column_order=False)


def test_a_write_that_breaks_off_leaves_nothing(clean_stores: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_PIECE_ROWS", 500)
    made = binary._rows
    calls: Iterator[int] = iter(range(100))

    def breaking(*arguments: object) -> object:
        if next(calls) == 5:
            raise MemoryError
        return made(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(binary, "_rows", breaking)
    with open_timeseries(clean_stores) as store, pytest.raises(MemoryError):
        store.write(SENSOR_DATA, points("broken"))
    with psycopg.connect(clean_stores.postgres_url.get_secret_value()) as connection:
        assert connection.execute("SELECT count(*) FROM timeseries.sensor_data").fetchone() == (0,)
