import sqlite3
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from benchmarks import estates
from benchmarks.estates import Order, Readings
from energy_platform.domain.contracts import Measurement
from energy_platform.domain.measurements import SENSOR_DATA
from energy_platform.sources.estate import check_estate, read_estate
from energy_platform.sources.opening import open_source

ROWS = 1_234
READINGS = Readings(ROWS, sensors=20, days=10)


def rows_of(folder: Path) -> pl.DataFrame:
    estate = read_estate(folder)
    check_estate(estate)
    (source,) = estate.sources
    return pl.concat(list(open_source(source).batches()), how="vertical_relaxed")


@pytest.mark.parametrize("order", ["time", "building", "shuffled"])
@pytest.mark.parametrize("kind", ["sqlite", "csv"])
def test_every_order_holds_the_same_rows(tmp_path: Path, order: Order, kind: Literal["sqlite", "csv"]) -> None:
    found = rows_of(estates.make_readings(tmp_path / "estate", READINGS, order, kind=kind))
    columns = ["timestamp", "sensor_id", "value", "confidence", "status"]
    wanted = READINGS.frame(np.arange(ROWS))
    texts = [pl.col("value", "confidence").cast(pl.Float64)]
    assert found.select(columns).with_columns(texts).sort(columns).equals(wanted.select(columns).sort(columns))


def test_orders_are_what_they_are_called(tmp_path: Path) -> None:
    by_time = rows_of(estates.make_readings(tmp_path / "a", READINGS, "time"))
    by_building = rows_of(estates.make_readings(tmp_path / "b", READINGS, "building"))
    shuffled = rows_of(estates.make_readings(tmp_path / "c", READINGS, "shuffled"))
    assert by_time["timestamp"].is_sorted()
    assert by_building["building_id"].is_sorted()
    assert by_building["sensor_id"].is_sorted()
    assert not shuffled["timestamp"].is_sorted()
    assert not shuffled["building_id"].is_sorted()


@pytest.mark.parametrize("rows", [1, 199, 200, 201, 5_000])
def test_points_are_unique_and_on_the_days_of_the_estate(rows: int) -> None:
    readings = Readings(rows)
    points = pl.concat([readings.points(numbers) for numbers in readings.numbers("shuffled")])
    assert points.height == rows
    assert points.select(SENSOR_DATA.key).n_unique() == rows
    days = points.select((pl.col("time") + estates.OFFSET).dt.date().alias("day"))["day"]
    assert days.is_between(estates.FIRST_DAY, estates.FIRST_DAY + timedelta(days=estates.DAYS - 1)).all()


def test_a_million_series_stay_within_their_year() -> None:
    readings = Readings(1_000_000, 1_000_000, 365, estates.YEAR_FIRST)
    first, last = readings.local_times(np.array([0, 999_999])).view("datetime64[us]")
    assert (str(first)[:10], str(last)[:10]) == ("2024-01-01", "2024-12-30")


def test_points_have_the_columns_and_limits_of_the_measurement() -> None:
    measurement: Measurement = SENSOR_DATA
    points = Readings(10_000).points(np.arange(10_000))
    assert set(points.columns) == set(measurement.column_names)
    assert points["confidence"].is_between(0.8, 1.0).all()
    assert points.filter(pl.col("sensor_type") == "humidity")["value"].is_between(0, 100).all()


def test_points_by_building_are_in_the_order_of_the_key() -> None:
    readings = Readings(3_000)
    points = pl.concat([readings.points(numbers) for numbers in readings.numbers("building")])
    assert points.equals(points.sort(SENSOR_DATA.key))


def test_points_by_week_are_in_the_order_in_which_shards_are_written() -> None:
    readings = Readings(3_000)
    points = pl.concat([readings.points(numbers) for numbers in readings.numbers("week")])
    week = pl.col("time").dt.truncate("1w")
    assert points.equals(points.sort(week, *SENSOR_DATA.key))
    assert points.sort(SENSOR_DATA.key).equals(
        pl.concat([readings.points(numbers) for numbers in readings.numbers("building")])
    )


def test_noise_depends_on_the_row_alone() -> None:
    assert np.array_equal(estates.noise(np.arange(10), 1)[[7, 2]], estates.noise(np.array([7, 2]), 1))
    assert not np.array_equal(estates.noise(np.arange(10), 1), estates.noise(np.arange(10), 2))
    assert abs(estates.noise(np.arange(100_000), 1).mean() - 0.5) < 0.01


def test_the_table_has_a_key(tmp_path: Path) -> None:
    found = rows_of(estates.make_billing(tmp_path / "estate", ROWS))
    assert found.height == ROWS
    assert found["invoice_id"].n_unique() == ROWS
    assert found["invoice_id"].is_sorted()


def test_one_day_of_a_csv_is_changed(tmp_path: Path) -> None:
    folder = estates.make_energy(tmp_path / "estate", READINGS)
    path, day = folder / estates.ENERGY_CSV, estates.FIRST_DAY + timedelta(days=5)
    before = pl.read_csv(path)
    changed = estates.change_day_in_csv(path, day, column=2)
    after = pl.read_csv(path)
    differs = before["power_consumption"] != after["power_consumption"]
    assert differs.equals(before["timestamp"].str.starts_with(day.isoformat()))
    assert changed == differs.sum() > 0
    assert before.drop("power_consumption").equals(after.drop("power_consumption"))


def test_one_day_of_a_database_is_changed(tmp_path: Path) -> None:
    folder = estates.make_readings(tmp_path / "estate", READINGS, "shuffled", time_index=True)
    day = estates.FIRST_DAY + timedelta(days=5)
    before = rows_of(folder)
    changed = estates.change_day_in_sqlite(folder / estates.DATABASE, day)
    after = rows_of(folder)
    differs = before["confidence"] != after["confidence"]
    assert differs.sum() > 0
    assert before.filter(differs)["timestamp"].str.starts_with(day.isoformat()).all()
    assert changed == before["timestamp"].str.starts_with(day.isoformat()).sum()


def test_an_appended_day_has_growing_keys(tmp_path: Path) -> None:
    folder = estates.make_readings(tmp_path / "estate", READINGS, "time")
    more = estates.append_day_to_sqlite(folder / estates.DATABASE, READINGS)
    found = rows_of(folder)
    assert found.height == ROWS + more
    assert found["timestamp"].is_sorted()
    assert found.tail(more)["timestamp"].str.starts_with("2025-03-11").all()


def test_many_series_are_so_many(tmp_path: Path) -> None:
    folder, rows = estates.make_many_series(tmp_path / "estate", 500)
    with sqlite3.connect(folder / estates.DATABASE) as database:
        series = "SELECT count(*) FROM (SELECT DISTINCT building_id, sensor_id, sensor_type FROM sensor_readings)"
        assert database.execute(series).fetchone() == (500,)
        assert database.execute("SELECT count(*) FROM sensor_readings").fetchone() == (rows,)
        hours = "SELECT count(*), count(DISTINCT substr(timestamp, 1, 13)) FROM sensor_readings"
        hours += " WHERE building_id = 'B000000'"
        assert database.execute(hours).fetchone() == (10 * 365 * 24, 365 * 24)
    assert read_estate(folder).first_day == date(2024, 1, 1)
