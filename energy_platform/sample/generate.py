"""Makes a sample estate in a folder, day by day: memory does not grow with its days, and little with its buildings."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from energy_platform.domain.accounts import Account
from energy_platform.domain.errors import EnergyPlatformError, UsageError
from energy_platform.sample.buildings import SENSOR_TYPES, SENSORS_PER_BUILDING, Buildings, make_buildings
from energy_platform.sample.energy import BUILDINGS_PER_BLOCK, ENERGY_COLUMNS, energy_of_day
from energy_platform.sample.estate_file import estate_yaml
from energy_platform.sample.flaws import (
    ALERT_DUPLICATE,
    ALERT_FLAWS,
    ENERGY_FLAWS,
    FIRST_ALERT_DUPLICATE,
    FIRST_ALERT_FLAW,
    READING_FLAWS,
    Days,
    PlannedFlaw,
    plan_flaws,
    plant,
)
from energy_platform.sample.manifest import Manifest
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.randomness import random_of
from energy_platform.sample.readings import ALERT_COLUMNS, READING_COLUMNS, buildings_per_block, readings_of_day
from energy_platform.sample.registers import (
    months_of,
    write_model_scores,
    write_models,
    write_sensor_config,
    write_tables,
)
from energy_platform.sample.weather import Floats, Weather, make_weather

DATABASE = "sensor_readings.db"
READINGS, STATUS, ALERTS = (f"{DATABASE}/{table}" for table in ("sensor_readings", "sensor_status", "alerts"))
ENERGY = "building_data.csv"
REGISTER = "sensor_config.json"

_PARTIAL = ".sample-in-the-making"

#: As prototypes write it, with less discipline: what should be NOT NULL is not.
_SCHEMA = """
CREATE TABLE sensor_readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor_id TEXT,
    sensor_type TEXT,
    value REAL,
    unit TEXT,
    timestamp DATETIME,
    status TEXT,
    confidence REAL DEFAULT 1.0,
    building_id TEXT,
    floor INTEGER,
    room_type TEXT
);
CREATE TABLE sensor_status (
    sensor_id TEXT PRIMARY KEY,
    sensor_type TEXT NOT NULL,
    status TEXT NOT NULL,
    last_reading REAL,
    last_update DATETIME
);
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor_id TEXT,
    alert_type TEXT,
    message TEXT,
    severity TEXT,
    timestamp DATETIME,
    resolved INTEGER DEFAULT 0
);
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was made.

    Attributes:
        directory: where.
        accounts: by source name: what a migration must report.
        flaws: how many flaws were planted.
        size_bytes: of all its files.
        seconds: how long it took.
    """

    directory: Path
    accounts: dict[str, Account]
    flaws: int
    size_bytes: int
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of all sources."""
        return sum(account.read for account in self.accounts.values())


def make_sample(
    directory: Path,
    options: SampleOptions,
    *,
    force: bool = False,
    on_day: Callable[[int], None] | None = None,
) -> Sample:
    """Makes an estate in a folder.

    The files are written into a hidden folder inside it, and moved when all are whole: an interrupted run leaves
    what was there before. With `force`, files of an older sample are replaced; other files stay.

    Args:
        directory: made where missing; must be empty without `force`.
        options: what to make.
        force: write into a folder that is not empty.
        on_day: told the number of days made so far, after each.

    Raises:
        UsageError: options that make no sense, a folder that is not empty, a file in place of a folder.
        EnergyPlatformError: the disk is full, or the folder cannot be written.
    """
    options.check()
    began = time.monotonic()
    if directory.exists() and not directory.is_dir():
        raise UsageError("This is a file, not a folder.", where=str(directory), remedy="Name a folder.")
    if directory.is_dir() and not force and any(entry.name != _PARTIAL for entry in directory.iterdir()):
        raise UsageError(
            "The folder is not empty.",
            where=str(directory),
            remedy="Name another one, or replace the sample in it with --force.",
        )
    partial = directory / _PARTIAL
    with _readable_disk_errors(directory):
        fresh = not directory.exists()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            manifest = _Maker(partial, options, on_day or (lambda _: None)).make()
            size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
            _move_into(partial, directory)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            if fresh and directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()
            raise
    return Sample(directory, manifest.accounts, len(manifest.flaws), size, time.monotonic() - began)


@contextmanager
def _readable_disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)
        raise EnergyPlatformError(
            "The disk is full: nothing was made." if full else f"The folder cannot be written: {error}.",
            where=str(directory),
            remedy="Free some space, or ask for fewer buildings or days."
            if full
            else "Name a folder you may write to.",
        ) from error


def _move_into(partial: Path, directory: Path) -> None:
    for leftover in ("-wal", "-shm", "-journal"):
        # they belong to the database that is about to be replaced, and would corrupt the new one
        (directory / f"{DATABASE}{leftover}").unlink(missing_ok=True)
    for path in sorted(partial.rglob("*")):
        target = directory / path.relative_to(partial)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            path.replace(target)
    shutil.rmtree(partial)


class _Maker:
    """The state of one making: open files, counters, and what later files need of earlier rows."""

    def __init__(self, folder: Path, options: SampleOptions, on_day: Callable[[int], None]) -> None:
        self.folder, self.options, self.on_day = folder, options, on_day
        self.manifest = Manifest(options)
        self.buildings: Buildings = make_buildings(options.buildings, options.seed)
        self.weather: Weather = make_weather(options.start, options.days, options.seed)
        self.thresholds: Floats = self.buildings.thresholds()
        self.days = Days(options.start, options.end, options.zone)
        count = options.buildings
        self.months = {first.replace(day=1): number for number, (first, _) in enumerate(months_of(options))}
        self.monthly_kwh = np.zeros((count, len(self.months)))
        self.weekly_kwh = np.zeros(168)
        self.weekly_hours = np.zeros(168)
        self.last_value = np.full((count, SENSORS_PER_BUILDING), np.nan)
        self.last_time = np.full((count, SENSORS_PER_BUILDING), np.datetime64("NaT"), dtype="datetime64[us]")
        self.reading_block = buildings_per_block(options)
        self.reading_blocks = -(-count // self.reading_block)
        self.energy_blocks = -(-count // BUILDINGS_PER_BLOCK)
        self.next_reading, self.next_alert, self.good_alerts = 1, 1, 0
        # the first line is the header
        self.next_line = 2
        self.reading_plan: dict[tuple[int, int], list[PlannedFlaw]] = {}
        self.energy_plan: dict[tuple[int, int], list[PlannedFlaw]] = {}
        if options.flaws:
            # fast sensors read every slot, slow ones every other
            readings = count * options.days * (24 * 60 // options.interval_minutes) * 3
            self.reading_plan = plan_flaws(
                READING_FLAWS, readings, options.days, self.reading_blocks, random_of(options.seed, "reading_flaws")
            )
            self.energy_plan = plan_flaws(
                ENERGY_FLAWS, count * options.days * 24, options.days, self.energy_blocks,
                random_of(options.seed, "energy_flaws"),
            )  # fmt: skip

    def make(self) -> Manifest:
        database = sqlite3.connect(self.folder / DATABASE, isolation_level=None)
        try:
            # a database in the making needs no safety net: an interrupted one is thrown away
            for pragma in ("page_size=4096", "journal_mode=OFF", "synchronous=OFF", "encoding='UTF-8'"):
                database.execute(f"PRAGMA {pragma}")
            database.executescript(_SCHEMA)
            with (self.folder / ENERGY).open("wb") as stream:
                stream.write((",".join(ENERGY_COLUMNS) + "\n").encode())
                for number in range(self.options.days):
                    self._make_day(database, stream, number)
                    self.on_day(number + 1)
            self._write_status(database)
        finally:
            database.close()
        self._write_registers()
        return self.manifest

    def _make_day(self, database: sqlite3.Connection, stream: IO[bytes], number: int) -> None:
        day = self.options.start + timedelta(days=number)
        liveliness = np.clip(
            random_of(self.options.seed, "day", number).normal(1.0, 0.07, self.options.buildings), 0.7, 1.3
        )
        database.execute("BEGIN")
        for block in range(self.reading_blocks):
            self._write_readings(database, number, day, block, liveliness)
        database.execute("COMMIT")
        for block in range(self.energy_blocks):
            self._write_energy(stream, number, day, block, liveliness)

    def _write_readings(
        self, database: sqlite3.Connection, number: int, day: date, block: int, liveliness: Floats
    ) -> None:
        made = readings_of_day(
            self.options, self.buildings, self.thresholds, self.weather, liveliness, number, day, block
        )
        place = slice(block * self.reading_block, block * self.reading_block + len(made.last_value))
        heard = ~np.isnan(made.last_value)
        self.last_value[place][heard] = made.last_value[heard]
        self.last_time[place][heard] = made.last_time[heard]
        rows, flaws = made.readings, []
        if planned := self.reading_plan.get((number, block)):
            rows, flaws = plant(rows, READING_COLUMNS, planned, self.days)
        self.manifest.enter(READINGS, len(rows), flaws, day=day, first=self.next_reading, by_key=True)
        database.executemany(
            f"INSERT INTO sensor_readings ({', '.join(READING_COLUMNS)}) VALUES ({_marks(READING_COLUMNS)})", rows
        )
        self.next_reading += len(rows)
        self._write_alerts(database, made.alerts, day)

    def _write_alerts(self, database: sqlite3.Connection, alerts: list[tuple[Any, ...]], day: date) -> None:
        rows, flaws = alerts, []
        planned = []
        for index in range(len(alerts)):
            self.good_alerts += 1
            place = (index + 0.5) / len(alerts)
            if _is_doubling(self.good_alerts, FIRST_ALERT_DUPLICATE):
                planned.append(PlannedFlaw(ALERT_DUPLICATE, place))
            if _is_doubling(self.good_alerts, FIRST_ALERT_FLAW):
                turn = (self.good_alerts // FIRST_ALERT_FLAW).bit_length() - 1
                planned.append(PlannedFlaw(ALERT_FLAWS[turn % len(ALERT_FLAWS)], place))
        if planned and self.options.flaws:
            rows, flaws = plant(alerts, ALERT_COLUMNS, planned, self.days)
        self.manifest.enter(ALERTS, len(rows), flaws, day=day, first=self.next_alert, by_key=True)
        database.executemany(f"INSERT INTO alerts ({', '.join(ALERT_COLUMNS)}) VALUES ({_marks(ALERT_COLUMNS)})", rows)
        self.next_alert += len(rows)

    def _write_energy(self, stream: IO[bytes], number: int, day: date, block: int, liveliness: Floats) -> None:
        made = energy_of_day(self.options, self.buildings, self.weather, liveliness, number, day, block)
        first = block * BUILDINGS_PER_BLOCK
        place = slice(first, first + made.power.shape[1])
        self.monthly_kwh[place, self.months[day.replace(day=1)]] += made.power.sum(axis=0)
        hours = day.weekday() * 24 + made.hours
        self.weekly_kwh[hours] += made.power.sum(axis=1)
        self.weekly_hours[hours] += made.power.shape[1]
        frame, flaws = made.frame, []
        if planned := self.energy_plan.get((number, block)):
            # a row with a flaw is text: all columns of its chunk are written as the text that they would have
            text = frame.select(pl.all().cast(pl.String))
            rows, flaws = plant(text.rows(), ENERGY_COLUMNS, planned, self.days)
            frame = pl.DataFrame(rows, schema=text.schema, orient="row")
        self.manifest.enter(ENERGY, frame.height, flaws, day=day, first=self.next_line, by_key=False)
        frame.write_csv(stream, include_header=False, line_terminator="\n")
        self.next_line += frame.height

    def _write_status(self, database: sqlite3.Connection) -> None:
        newest = np.datetime64(self.options.end + timedelta(days=1), "us")

        def rows() -> Iterator[tuple[Any, ...]]:
            for index in range(len(self.buildings)):
                for kind, sensor_type in enumerate(SENSOR_TYPES):
                    code, moment = self.buildings.sensor_codes[index, kind], self.last_time[index, kind]
                    if np.isnat(moment):
                        yield (code, sensor_type, "offline", None, None)
                        continue
                    status = "online" if newest - moment < np.timedelta64(3, "h") else "offline"
                    yield (code, sensor_type, status, float(self.last_value[index, kind]), str(moment))

        database.execute("BEGIN")
        database.executemany(f"INSERT INTO sensor_status VALUES ({_marks(range(5))})", rows())
        database.execute("COMMIT")
        self.manifest.count(STATUS, len(self.buildings) * SENSORS_PER_BUILDING)

    def _write_registers(self) -> None:
        count = self.manifest.count
        count(
            f"{REGISTER}/sensors",
            write_sensor_config(self.folder / REGISTER, self.options, self.buildings, self.thresholds),
        )
        for file, rows in write_tables(self.folder, self.options, self.buildings, self.monthly_kwh).items():
            count(file, rows)
        for file, rows in write_model_scores(self.folder, self.options).items():
            count(file, rows)
        write_models(self.folder / "models", self.options, self.weekly_kwh / np.maximum(self.weekly_hours, 1))
        (self.folder / "estate.yaml").write_text(estate_yaml(self.options), encoding="utf-8")
        self.manifest.write(self.folder / "manifest.json")


def _marks(columns: Any) -> str:
    return ", ".join("?" for _ in columns)


def _is_doubling(number: int, first: int) -> bool:
    """Whether `number` is `first` times a power of two."""
    quotient, rest = divmod(number, first)
    return rest == 0 and quotient.bit_count() == 1
