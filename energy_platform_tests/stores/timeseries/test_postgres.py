"""What PostgreSQL alone can trip over: row-level security, its versions, points that are there already."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from energy_platform.domain.contracts import Column
from energy_platform.domain.errors import SettingError, StoreError
from energy_platform.domain.measurements import ENERGY_CONSUMPTION, SENSOR_DATA
from energy_platform.settings import NO_SECRET, Settings
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform_tests.stores.timeseries.samples import NOON, assert_holds, new_tenant, points, reading


def test_texts_that_look_like_the_end_of_a_copy(postgres_flavour: Settings) -> None:
    tenant = new_tenant()
    texts = ["\\.", "a\n\\.\nb", "\\.\n", "\n\\.", "\\N", "", '"', '""', ",", "\r\n\\.\r\n", "NULL", " "]
    written = points(
        SENSOR_DATA, [reading(tenant, NOON + timedelta(seconds=i), state=text) for i, text in enumerate(texts)]
    )
    with open_timeseries(postgres_flavour.model_copy(update={"influx_url": ""})) as store:
        for _ in range(2):
            store.write(SENSOR_DATA, written)
            assert_holds(store, SENSOR_DATA, written, tenant)


def test_a_single_point_that_is_there_already_among_many_new_ones(stores: Settings) -> None:
    tenant = new_tenant()
    many = points(SENSOR_DATA, [reading(tenant, NOON + timedelta(seconds=i), value=float(i)) for i in range(2_000)])
    with open_timeseries(stores) as store:
        # beside the sample that is looked at before
        store.write(SENSOR_DATA, points(SENSOR_DATA, [reading(tenant, NOON + timedelta(seconds=1_777), value=-1.0)]))
        store.write(SENSOR_DATA, many)
        assert_holds(store, SENSOR_DATA, many, tenant)


def test_a_replay_writes_no_row_anew(stores: Settings) -> None:
    tenant = new_tenant()
    written = points(SENSOR_DATA, [reading(tenant, NOON + timedelta(seconds=i), status="x") for i in range(10)])

    def versions() -> list[tuple[object, ...]]:
        with psycopg.connect(stores.postgres_url.get_secret_value()) as connection:
            query = "SELECT time, xmin::text, ctid::text FROM timeseries.sensor_data WHERE tenant_id = %s ORDER BY time"
            return connection.execute(query, [tenant]).fetchall()

    with open_timeseries(stores) as store:
        store.write(SENSOR_DATA, written)
        before = versions()
        store.write(SENSOR_DATA, written)
        store.write(SENSOR_DATA, written.drop("status"))
        assert versions() == before


def test_further_fields_need_the_owner(stores: Settings) -> None:
    wider = ENERGY_CONSUMPTION.with_fields((Column("owner_only", "float"),))
    with (
        open_timeseries(stores.model_copy(update={"postgres_admin_url": NO_SECRET})) as store,
        pytest.raises(SettingError, match="owner_only"),
    ):
        store.prepare(wider)


def test_a_measurement_without_a_table(stores: Settings) -> None:
    nowhere = type(SENSOR_DATA)("nowhere", SENSOR_DATA.columns, SENSOR_DATA.key)
    with (
        open_timeseries(stores) as store,
        pytest.raises(StoreError, match=r"timeseries\.nowhere: There is no"),
    ):
        store.prepare(nowhere)


def test_settings_that_name_no_store() -> None:
    with pytest.raises(SettingError, match="ENERGY_POSTGRES_URL"):
        open_timeseries(Settings())


def test_numbers_that_only_others_could_have_written_are_read(stores: Settings) -> None:
    tenant = new_tenant()
    with psycopg.connect(stores.postgres_url.get_secret_value()) as connection:
        connection.execute(
            "INSERT INTO timeseries.sensor_data (tenant_id, time, value, confidence)"
            " VALUES (%s, '2024-03-01T12:00:00Z', 'Infinity', '-Infinity')",
            [tenant],
        )
    with open_timeseries(stores) as store:
        [frame] = store.read(SENSOR_DATA, [tenant])
    assert frame.row(0)[4:] == (NOON, float("inf"), None, float("-inf"), None)


def test_reading_may_stop_midway(stores: Settings) -> None:
    tenant = new_tenant()
    many = points(SENSOR_DATA, [reading(tenant, NOON + timedelta(seconds=i), value=float(i)) for i in range(150_000)])
    with open_timeseries(stores) as store:
        store.write(SENSOR_DATA, many)
        frames = store.read(SENSOR_DATA, [tenant])
        assert 50_000 <= next(iter(frames)).height < 150_000
        frames.close()  # type: ignore[attr-defined]
        assert_holds(store, SENSOR_DATA, many, tenant)
