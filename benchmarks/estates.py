"""Estates of any size, made fast: every value follows from its row number, so that any order gives the same rows."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Order = Literal["time", "building", "shuffled", "week"]
Integers = npt.NDArray[np.int64]

#: The estate's code, and its tenant.
CODE: Final = "bench"
#: Times without an offset are local there: nine hours ahead of UTC, the whole year.
ZONE: Final = "Asia/Seoul"
OFFSET: Final = timedelta(hours=9)

SENSORS: Final = 200
SENSOR_TYPES: Final = ("temperature", "humidity", "occupancy", "power")
DAYS: Final = 100
FIRST_DAY: Final = date(2025, 3, 1)
DATABASE: Final = "sensor_readings.db"
READINGS_CSV: Final = "sensor_readings.csv"
ENERGY_CSV: Final = "building_data.csv"
BILLING_CSV: Final = "billing.csv"

_CHUNK: Final = 250_000
#: Microseconds: a Monday since 1970, and seven days.
_MONDAY: Final = 4 * 86_400_000_000
_WEEK: Final = 7 * 86_400_000_000
_READINGS_ROLES: Final = """time: timestamp
    building: building_id
    sensor: sensor_id
    type: sensor_type
    value: value
    confidence: confidence
    status: status
"""
_TABLE: Final = """
CREATE TABLE sensor_readings (
    id INTEGER PRIMARY KEY, timestamp TEXT, building_id TEXT, sensor_id TEXT, sensor_type TEXT,
    value REAL, confidence REAL, status TEXT
)"""


def noise(rows: Integers, salt: int) -> npt.NDArray[np.float64]:
    """A number from 0 to 1 for each row number, the same in every run and order."""
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of sensors: value, confidence and status, at even steps over whole days.

    Attributes:
        rows: how many.
        sensors: how many; four of them stand in a building.
        days: over which they are spread.
        first_day: the local day of the first one.
    """

    rows: int
    sensors: int = SENSORS
    days: int = DAYS
    first_day: date = FIRST_DAY

    @property
    def step(self) -> int:
        """Microseconds from one reading of a sensor to the next."""
        return self.days * 86_400_000_000 // max(1, -(-self.rows // self.sensors))

    def numbers(self, order: Order) -> Iterator[Integers]:
        """All row numbers in this order, in chunks. Row n is the reading of sensor n modulo `sensors`.

        By week is by week of UTC, then by sensor, then by time.
        """
        if order == "time":
            for start in range(0, self.rows, _CHUNK):
                yield np.arange(start, min(start + _CHUNK, self.rows), dtype=np.int64)
            return
        if order == "building":
            every = np.concatenate(
                [np.arange(sensor, self.rows, self.sensors, dtype=np.int64) for sensor in range(self.sensors)]
            )
        elif order == "week":
            every = np.arange(self.rows, dtype=np.int64)
            weeks = (self.local_times(every) - OFFSET // timedelta(microseconds=1) - _MONDAY) // _WEEK
            every = every[np.lexsort((every, every % self.sensors, weeks))]
        else:
            every = np.random.default_rng(20250301).permutation(self.rows)
        for start in range(0, self.rows, _CHUNK):
            yield every[start : start + _CHUNK]

    def local_times(self, numbers: Integers) -> Integers:
        """Local times as microseconds since 1970; they grow with the row number."""
        first = (self.first_day - date(1970, 1, 1)).days * 86_400_000_000
        slots, sensors = np.divmod(numbers, self.sensors)
        return first + slots * self.step + sensors * (self.step // self.sensors)

    def frame(self, numbers: Integers) -> pl.DataFrame:
        """These rows: local times as the source writes them, codes, values."""
        sensors = numbers % self.sensors
        kinds = (sensors % len(SENSOR_TYPES)).astype(np.int64)
        low = np.array([16.0, 30.0, 0.0, 2.0])[kinds]
        span = np.array([10.0, 40.0, 60.0, 55.0])[kinds]
        values = np.round(low + span * noise(numbers, 1), 2)
        local = pl.Series(self.local_times(numbers)).cast(pl.Datetime("us"))
        return pl.DataFrame(
            {
                "timestamp": local.dt.to_string("%Y-%m-%d %H:%M:%S%.6f"),
                "building_id": _codes("B", self.sensors // len(SENSOR_TYPES) + 1)[sensors // len(SENSOR_TYPES)],
                "sensor_id": _codes("S", self.sensors)[sensors],
                "sensor_type": pl.Series(SENSOR_TYPES)[kinds],
                "value": np.where(kinds == SENSOR_TYPES.index("occupancy"), np.floor(values), values),
                "confidence": np.round(0.8 + 0.2 * noise(numbers, 2), 3),
                "status": pl.Series(["normal", "warning"])[(noise(numbers, 3) < 0.02).astype(np.int64)],
            }
        )

    def points(self, numbers: Integers) -> pl.DataFrame:
        """The same rows as a target holds them: the tenant, and the time in UTC."""
        utc = pl.Series("time", self.local_times(numbers)).cast(pl.Datetime("us")) - OFFSET
        return self.frame(numbers).select(
            pl.lit(CODE).alias("tenant_id"),
            "building_id",
            "sensor_id",
            "sensor_type",
            utc.dt.replace_time_zone("UTC"),
            "value",
            pl.lit(None, dtype=pl.String).alias("state"),
            "confidence",
            "status",
        )


def make_readings(
    folder: Path,
    readings: Readings,
    order: Order,
    *,
    kind: Literal["sqlite", "csv"] = "sqlite",
    time_index: bool = False,
) -> Path:
    """An estate of one source of readings, its rows in this order; returns its folder."""
    _fresh(folder)
    if kind == "sqlite":
        with _database(folder / DATABASE) as database:
            database.execute(_TABLE)
            for numbers in readings.numbers(order):
                insert_readings(database, readings.frame(numbers))
            if time_index:
                database.execute("CREATE INDEX readings_time ON sensor_readings (timestamp)")
        source = f"sqlite: {DATABASE}\n    table: sensor_readings\n    key: id\n"
    else:
        with (folder / READINGS_CSV).open("wb") as file:
            for chunk, numbers in enumerate(readings.numbers(order)):
                readings.frame(numbers).write_csv(file, include_header=chunk == 0)
        source = f"csv: {READINGS_CSV}\n"
    _write_estate(folder, readings, f"readings:\n  - {source}    {_READINGS_ROLES}")
    return folder


def insert_readings(database: sqlite3.Connection, frame: pl.DataFrame) -> None:
    """Append rows; their keys go on from the last one."""
    with database:
        database.executemany(
            "INSERT INTO sensor_readings (timestamp, building_id, sensor_id, sensor_type, value, confidence, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            frame.iter_rows(),
        )


def make_energy(folder: Path, readings: Readings) -> Path:
    """An estate of one CSV file of energy series, sorted by time: as many meters as there are sensors."""
    _fresh(folder)
    with (folder / ENERGY_CSV).open("wb") as file:
        for chunk, numbers in enumerate(readings.numbers("time")):
            energy_frame(readings, numbers).write_csv(file, include_header=chunk == 0)
    _write_estate(
        folder,
        readings,
        f"energy:\n  - csv: {ENERGY_CSV}\n    time: timestamp\n    building: building_id\n"
        "    power_kw: power_consumption\n    temperature_c: temperature\n    humidity_pct: humidity\n"
        "    occupancy: occupancy\n",
    )
    return folder


def energy_frame(readings: Readings, numbers: Integers) -> pl.DataFrame:
    """Rows of the energy file."""
    local = pl.Series(readings.local_times(numbers)).cast(pl.Datetime("us"))
    return pl.DataFrame(
        {
            "timestamp": local.dt.to_string("%Y-%m-%d %H:%M:%S%.6f"),
            "building_id": _codes("B", readings.sensors)[numbers % readings.sensors],
            "power_consumption": np.round(5 + 180 * noise(numbers, 1), 2),
            "temperature": np.round(-5 + 35 * noise(numbers, 2), 1),
            "humidity": np.round(30 + 50 * noise(numbers, 3), 1),
            "occupancy": np.floor(120 * noise(numbers, 4)),
        }
    )


def make_billing(folder: Path, rows: int) -> Path:
    """An estate of one CSV file that is a table with a primary key; the file is in the key's order."""
    _fresh(folder)
    with (folder / BILLING_CSV).open("wb") as file:
        for chunk, start in enumerate(range(0, rows, _CHUNK)):
            numbers = np.arange(start, min(start + _CHUNK, rows), dtype=np.int64)
            billing_frame(numbers).write_csv(file, include_header=chunk == 0)
    columns = (
        "invoice_id",
        "building_id",
        "period_start",
        "period_end",
        "energy_kwh",
        "amount",
        "currency",
        "status",
        "issued_on",
    )
    roles = "\n".join(f"    {name}: {name}" for name in columns)
    _write_estate(folder, Readings(rows), f"tables:\n  billing:\n    csv: {BILLING_CSV}\n{roles}\n")
    return folder


def billing_frame(numbers: Integers) -> pl.DataFrame:
    """Rows of the table."""
    months = pl.Series([date(2020 + month // 12, month % 12 + 1, 1) for month in range(60)])
    starts = months[numbers % len(months)]
    kwh = np.round(500 + 20_000 * noise(numbers, 1), 2)
    return pl.DataFrame({"starts": starts, "number": numbers}).select(
        pl.format("INV{}", pl.col("number").cast(pl.String).str.zfill(9)).alias("invoice_id"),
        pl.format("B{}", (pl.col("number") // 60 % 20_000).cast(pl.String).str.zfill(5)).alias("building_id"),
        pl.col("starts").alias("period_start"),
        pl.col("starts").dt.month_end().alias("period_end"),
        pl.Series("energy_kwh", kwh),
        pl.Series("amount", np.round(kwh * 131.4)),
        pl.lit("KRW").alias("currency"),
        pl.Series("status", pl.Series(["paid", "open"])[(noise(numbers, 2) < 0.05).astype(np.int64)]),
        (pl.col("starts").dt.month_end() + timedelta(days=5)).alias("issued_on"),
    )


#: Of the estate with many series: one building is read every hour by so many sensors for a year.
QUERIED_SENSORS: Final = 10
QUERIED_BUILDING: Final = "B000000"
YEAR_FIRST: Final = date(2024, 1, 1)
YEAR_DAYS: Final = 365


def make_many_series(folder: Path, series: int) -> tuple[Path, int]:
    """An estate of so many series: one building with a year by the hour, a single reading of every other sensor.

    Returns:
        its folder, and how many rows there are.
    """
    _fresh(folder)
    hours = Readings(QUERIED_SENSORS * YEAR_DAYS * 24, QUERIED_SENSORS, YEAR_DAYS, YEAR_FIRST)
    rows = 0
    with _database(folder / DATABASE) as database:
        database.execute(_TABLE)
        for numbers in hours.numbers("time"):
            frame = hours.frame(numbers).with_columns(
                pl.lit(QUERIED_BUILDING).alias("building_id"),
                pl.format("S0000000-{}", pl.col("sensor_id")).alias("sensor_id"),
            )
            insert_readings(database, frame)
            rows += frame.height
        others = series - QUERIED_SENSORS
        lone = Readings(max(others, 1), max(others, 1), YEAR_DAYS, YEAR_FIRST)
        for start in range(0, others, _CHUNK):
            numbers = np.arange(start, min(start + _CHUNK, others), dtype=np.int64)
            frame = lone.frame(numbers).with_columns(
                _numbered("building_id", "B", 6, numbers // QUERIED_SENSORS + 1),
                _numbered("sensor_id", "S", 7, numbers + 1),
            )
            insert_readings(database, frame)
            rows += frame.height
    _write_estate(
        folder,
        hours,
        f"readings:\n  - sqlite: {DATABASE}\n    table: sensor_readings\n    key: id\n    {_READINGS_ROLES}",
    )
    return folder, rows


def change_day_in_csv(path: Path, day: date, column: int) -> int:
    """Write one day of a CSV file again, a digit of a column's values changed; returns how many rows that are."""
    changed = 0
    prefix = day.isoformat().encode()
    fresh = path.with_suffix(".new")
    with path.open("rb") as old, fresh.open("wb") as new:
        for line in old:
            if line.startswith(prefix):
                cells = line.split(b",")
                cells[column] += b"1" if b"." in cells[column] else b".1"
                new.write(b",".join(cells))
                changed += 1
            else:
                new.write(line)
    fresh.replace(path)
    return changed


def change_day_in_sqlite(path: Path, day: date) -> int:
    """Change the confidence of one day's readings; returns how many rows that are."""
    with _database(path, fast=False) as database:
        cursor = database.execute(
            "UPDATE sensor_readings SET confidence = 0.5 WHERE timestamp >= ? AND timestamp < ?",
            (day.isoformat(), (day + timedelta(days=1)).isoformat()),
        )
        return cursor.rowcount


def append_day_to_sqlite(path: Path, readings: Readings) -> int:
    """Append the day that follows the last one; returns how many rows that are."""
    more = max(1, readings.rows // readings.days // readings.sensors) * readings.sensors
    following = Readings(more, readings.sensors, 1, readings.first_day + timedelta(days=readings.days))
    with _database(path, fast=False) as database:
        for numbers in following.numbers("time"):
            insert_readings(database, following.frame(numbers))
    return more


@contextmanager
def _database(path: Path, *, fast: bool = True) -> Iterator[sqlite3.Connection]:
    """A SQLite file for a block: committed and closed at its end."""
    with closing(sqlite3.connect(path)) as connection:
        if fast:
            # one in the making needs no safety net
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
        yield connection
        connection.commit()


def last_day(readings: Readings) -> date:
    """The last local day that may hold a row; one more than the readings have, for a day that is appended."""
    return readings.first_day + timedelta(days=readings.days)


def _write_estate(folder: Path, readings: Readings, sources: str) -> None:
    folder.joinpath("estate.yaml").write_text(
        f"estate: {CODE}\ntimezone: {ZONE}\nfirst_day: {readings.first_day}\nlast_day: {last_day(readings)}\n"
        f"tenant: {{code: {CODE}, name: Benchmark}}\n\n{sources}",
        encoding="utf-8",
    )


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _codes(letter: str, count: int) -> pl.Series:
    return pl.Series([f"{letter}{number:04d}" for number in range(count)])


def _numbered(name: str, letter: str, digits: int, numbers: Integers) -> pl.Series:
    return (letter + pl.Series(numbers).cast(pl.String).str.zfill(digits)).alias(name)
