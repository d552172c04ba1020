"""Stores and an estate of a killing ground: what is loaded, killed, started again, finished and compared."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from energy_platform.local.stores import start_stores, store_status
from energy_platform.settings import Settings
from energy_platform_tests.emptying import empty_influx, empty_postgres, empty_redis
from energy_platform_tests.promises.pipeline import kind_of, load, small_estate
from energy_platform_tests.soak.state import State, differences, state_of

#: Many pieces of everything, so that there is a middle; and nobody waits long for a store that is killed.
MANY_PIECES: Final = {
    "ENERGY_BATCH_ROWS": "150",
    "ENERGY_SPILL_ROWS": "400",
    "ENERGY_INFLUX_BODY_LINES": "60",
    "ENERGY_INFLUX_PATIENCE_SECONDS": "1",
    "ENERGY_INFLUX_FIRST_PAUSE_SECONDS": "0.05",
}


@dataclass
class Ground:
    """One estate in stores of its own, as it was first and as it has grown, and the states that loads leave.

    Attributes:
        settings: of the stores; time series in InfluxDB or in PostgreSQL.
        servers: the settings that start all servers.
        folders: the estate as it was, and after somebody has changed and added rows; loaded one after the other.
        expected: by folder, the state after loads that nobody killed.
    """

    settings: Settings
    servers: Settings
    folders: tuple[Path, Path]
    expected: dict[Path, State] = field(default_factory=dict)

    @classmethod
    def prepared(cls, settings: Settings, servers: Settings, base: Path) -> Ground:
        """Make both estates, load one after the other, and keep what they leave."""
        name = f"soak_{kind_of(settings)}"
        first = small_estate(base, name)
        second = base / f"{name}_grown"
        shutil.copytree(first, second)
        grow(second)
        ground = cls(settings, servers, (first, second))
        ground.empty()
        for folder in ground.folders:
            load(settings, folder)
            ground.expected[folder] = state_of(settings)
        return ground

    def empty(self) -> None:
        """Back to the beginning: nothing in any store."""
        empty_postgres(self.settings)
        empty_redis(self.settings)
        if self.settings.influx_url:
            empty_influx(self.settings)
        for objects in Path(self.settings.home).rglob("sha256"):
            shutil.rmtree(objects)

    def start_again(self) -> None:
        """Start the servers that do not run."""
        start_stores(self.servers)

    def pid_of(self, server: str) -> int:
        """The process number of a running server."""
        (pid,) = [status.pid for status in store_status(self.servers) if status.name == server]
        assert pid is not None, f"{server} does not run"
        return pid

    def finish(self, folder: Path) -> list[str]:
        """Load what is left, with nobody in the way; gives what differs from the state of a load never killed."""
        self.start_again()
        load(self.settings, folder)
        return differences(self.expected[folder], state_of(self.settings))


def grow(folder: Path) -> None:
    """Change an estate as people do: values corrected, a late row, a new sensor, other texts and numbers in tables."""
    with sqlite3.connect(folder / "sensor_readings.db") as connection:
        connection.execute(
            "UPDATE sensor_readings SET value = value + 0.25 WHERE id % 7 = 0 AND sensor_type = 'temperature'"
            " AND value BETWEEN 5 AND 30"
        )
        connection.execute(
            "INSERT INTO sensor_readings (sensor_id, sensor_type, value, unit, timestamp, status, confidence,"
            " building_id) SELECT 'late', sensor_type, 20.5, unit, replace(timestamp, ':00', ':01'), status, 1.0,"
            " building_id FROM sensor_readings WHERE id % 50 = 3 AND sensor_type = 'temperature'"
        )
    connection.close()
    for name, column, change in (
        ("billing.csv", "amount", lambda text: f"{float(text) + 1}"),
        ("users.csv", "name", lambda text: f"{text} *"),
        ("building_data.csv", "occupancy", lambda text: f"{float(text) + 1}" if text else text),
    ):
        path = folder / name
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        place = rows[0].index(column)
        for row in rows[1::3]:
            if len(row) == len(rows[0]) and _is_plain(name, row[place]):
                row[place] = change(row[place])
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def _is_plain(name: str, text: str) -> bool:
    return name == "users.csv" or text.replace(".", "", 1).isdigit()
