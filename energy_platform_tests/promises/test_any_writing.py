"""Files as people have them, all the way into both stores: every row accounted for, every day proven."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from energy_platform.settings import Settings
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, verify

NEW_YORK = ZoneInfo("America/New_York")
FOLD, GAP = datetime(2024, 11, 3), datetime(2024, 3, 10)  # noqa: DTZ001  local days of 25 and 23 hours
NAME = 'B 1,=\\"x" 강남'

ESTATE = """estate: {name}
timezone: America/New_York
first_day: 2024-01-01
last_day: 2024-12-31
tenant: {{code: {name}, name: Anything}}
energy:
  - csv: german.csv
    encoding: cp1252
    skip_rows: 1
    comment: "#"
    units_row: true
    decimal: ","
    thousands: "."
    missing: "-"
    ambiguous: quarantine
    time: {{date: Datum, time: Uhrzeit, format: "%d.%m.%Y %H:%M"}}
    building: Zähler
    power_kw: {{column: Leistung, unit: W}}
    temperature_c: {{column: Temperatur, strip: °C}}
  - csv: "meters/*.gz"
    header: false
    columns: [when, kw]
    ambiguous: latest
    time: {{column: when, order: month_first}}
    building: {{from: name, pattern: "meters/(.+)\\\\.gz"}}
    meter: {{const: sub}}
    power_kw: kw
readings:
  - sqlite: log.db
    table: select
    time: {{column: order, unit: us}}
    building: 건물
    sensor: group
    type: {{const: temperature}}
    value: {{column: value, unit: F}}
    missing: -999
  - {{sqlite: log.db, table: keyed, key: id, time: at, building: b, sensor: s, value: v}}
ignore:
  log.db/recent: a view of the table beside it
"""


def written(folder: Path, name: str) -> Path:
    """The files of an estate with a day of 25 hours, and one of 23."""
    (folder / "meters").mkdir(parents=True)
    (folder / "estate.yaml").write_text(ESTATE.format(name=name), encoding="utf-8")
    lines = ["Zählerexport", "Datum;Uhrzeit;Zähler;Leistung;Temperatur;", ";;;W;°C;"]
    for day in (FOLD, GAP):
        for hour in range(24):
            stamp = day + timedelta(hours=hour)
            temperature = "-" if hour == 5 else f"{hour},5 °C"
            lines.append(f"{stamp:%d.%m.%Y;%H:%M};B1;1.{hour:03},5;{temperature};")
        lines.append("# end of the day")
    (folder / "german.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    for building, end in (("A,1", "\n"), ("강남", "\r")):
        rows = [f"{FOLD + timedelta(minutes=30 * n):%m/%d/%Y %I:%M %p}|{n}" for n in range(48)]
        (folder / "meters" / f"{building}.gz").write_bytes(gzip.compress(end.join(rows).encode("utf-16")))
    # a log that was never merged: its writer is gone, and the file beside it too
    with closing(sqlite3.connect(folder / "open.db")) as database:
        database.executescript(
            """PRAGMA journal_mode = wal;
            CREATE TABLE "select" ("order" INTEGER, "건물" TEXT, "group" TEXT, value);
            CREATE TABLE keyed (id TEXT PRIMARY KEY, at TEXT, b TEXT, s TEXT, v) WITHOUT ROWID;
            CREATE VIEW recent AS SELECT * FROM "select";"""
        )
        start = int(FOLD.replace(tzinfo=UTC).timestamp()) * 1_000_000 + 43_200_000_000
        values = [(start + n, NAME, "time,a=b", 212 if n % 3 else "32") for n in range(10)]
        database.executemany('INSERT INTO "select" VALUES (?, ?, ?, ?)', [*values, (start + 10, NAME, "x", -999)])
        database.executemany(
            "INSERT INTO keyed VALUES (?, ?, 'B2', 's', ?)",
            [("b", "2024-11-03 12:00:00.000001", 1.5), ("a", "2024-11-03T12:00:00.000002-05:00", "2")],
        )
        database.commit()
        for ending in ("", "-wal"):
            shutil.copy(folder / f"open.db{ending}", folder / f"log.db{ending}")
    for ending in ("", "-wal", "-shm"):
        (folder / f"open.db{ending}").unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="module")
def anything(target: Settings, estates: Path) -> tuple[Settings, Path]:
    name = f"anything_{kind_of(target)}"
    return target, written(estates / name, name)


def test_everything_is_read_loaded_and_proven(anything: tuple[Settings, Path]) -> None:
    settings, folder = anything
    reports = load(settings, folder, max_error_ratio=0.2)
    energy, readings = reports["timeseries/energy_consumption"], reports["timeseries/sensor_data"]
    found = {
        name: (account.read, account.loaded, dict(account.reasons))
        for report in (energy, readings)
        for name, account in report.accounts.items()
    }
    assert found == {
        # one of the hours of the fold exists twice, and one of the gap does not
        "german.csv": (48, 46, {"ambiguous_time": 1, "conflict": 1}),
        "meters/A,1.gz": (48, 48, {}),
        "meters/강남.gz": (48, 48, {}),
        "log.db/select": (11, 10, {"missing_value": 1}),
        "log.db/keyed": (2, 2, {}),
    }
    notes = [
        "german.csv: 1 local time exists twice where clocks go back; such rows are quarantined.",
        "meters/A,1.gz: 2 local times exist twice where clocks go back; the later instant was taken.",
        "meters/강남.gz: 2 local times exist twice where clocks go back; the later instant was taken.",
        "german.csv: 1 local time does not exist where clocks go forward; the offset before the change was taken.",
    ]
    assert [note for note in energy.warnings if "local time" in note] == notes
    points = store.points_in(settings, folder.name)
    energy_points = points["energy_consumption"]
    noon = FOLD.replace(hour=12, tzinfo=NEW_YORK)
    assert at(energy_points, noon, "B1", "main") == {"power_kw": 1.0125, "temperature_c": 12.5}
    assert at(energy_points, noon.replace(hour=5), "B1", "main") == {"power_kw": 1.0055}
    assert at(energy_points, noon, "강남", "sub") == {"power_kw": 24.0}
    assert at(energy_points, FOLD.replace(hour=1, fold=1, tzinfo=NEW_YORK), "A,1", "sub") == {"power_kw": 2.0}
    assert at(energy_points, FOLD.replace(hour=1, tzinfo=NEW_YORK), "A,1", "sub") is None
    start = FOLD.replace(hour=12, tzinfo=UTC)
    tags = (NAME, "time,a=b", "temperature")
    assert at(points["sensor_data"], start + timedelta(microseconds=9), *tags) == {"value": 0.0}
    assert at(points["sensor_data"], start + timedelta(microseconds=8), *tags) == {"value": 100.0}
    assert at(points["sensor_data"], noon.replace(microsecond=2), "B2", "s", "") == {"value": 2.0}
    report = verify(settings, folder)
    assert report.proved


def at(points: store.Points, time: datetime, *tags: str) -> dict[str, object] | None:
    """The fields of the point of these tags at a time."""
    wanted = store.microseconds(time)
    return next((dict(fields) for key, fields in points.items() if key[1:-1] == tags and key[-1] == wanted), None)


def test_a_new_file_that_fits_is_a_new_source(anything: tuple[Settings, Path]) -> None:
    settings, folder = anything
    (folder / "meters" / "B9.gz").write_bytes(gzip.compress(b"11/4/2024 9:00 AM|7\n11/4/2024 9:15 AM|8\n"))
    report = load(settings, folder, max_error_ratio=0.2)["timeseries/energy_consumption"]
    assert report.accounts["meters/B9.gz"].loaded == 2
    assert verify(settings, folder).proved


def test_a_file_that_is_gone_is_retired(anything: tuple[Settings, Path]) -> None:
    settings, folder = anything
    (folder / "meters" / "B1.gz").write_bytes(gzip.compress(b"11/4/2024 9:00 AM|7\n"))
    before = load(settings, folder, max_error_ratio=0.2)["timeseries/energy_consumption"]
    assert before.accounts["meters/B1.gz"].loaded == 1
    (folder / "meters" / "B1.gz").unlink()
    after = load(settings, folder, max_error_ratio=0.2)["timeseries/energy_consumption"]
    assert "meters/B1.gz is retired: the file is gone, its last proven figures stand." in after.warnings
    assert after.accounts["meters/B1.gz"].loaded == 1
    assert list(after.accounts) == list(before.accounts)
    assert verify(settings, folder).findings == []
    # taken out by name it is no source any more: nobody accounts for its point
    text = (folder / "estate.yaml").read_text(encoding="utf-8")
    (folder / "estate.yaml").write_text(f"{text}  meters/B1.gz: taken out\n", encoding="utf-8")
    assert not verify(settings, folder).proved
