from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import TooManySeriesError
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.sources.estate import Estate, read_estate
from energy_platform.transfer.reading.mapping import DAY, MappingRules, contract_of
from energy_platform.transfer.timeseries.judged import judge_all
from energy_platform.transfer.timeseries.staging import Staging

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, SENSORS, PER_DAY = 5, 4, 6

ESTATE = """\
estate: staged
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {code: staged, name: Staged}
readings:
  - {sqlite: readings.db, table: readings, key: id, time: at, building: building, sensor: sensor, type: kind,
     value: value}
"""


@pytest.fixture(params=["by time", "by sensor", "shuffled"])
def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Estate:
    """An estate of 120 readings and three that are refused, in several orders."""
    first = datetime(2025, 5, 1)  # noqa: DTZ001  local times of the estate
    rows = [
        (str(first + timedelta(days=day, hours=4 * hour)), "B1", f"S{sensor}", "temperature", day + sensor / 8)
        for day in range(DAYS)
        for hour in range(PER_DAY)
        for sensor in range(SENSORS)
    ]
    rows += [("2025-05-02 01:00:00", "B1", "S0", "temperature", 1e9), ("never", "B1", "S0", "temperature", 1.0)]
    if request.param == "by sensor":
        rows.sort(key=lambda row: row[2])
    if request.param == "shuffled":
        random.Random(7).shuffle(rows)
    with sqlite3.connect(tmp_path / "readings.db") as connection:
        connection.execute(
            "CREATE TABLE readings (id INTEGER PRIMARY KEY, at TEXT, building TEXT, sensor TEXT, kind TEXT, value REAL)"
        )
        connection.executemany("INSERT INTO readings (at, building, sensor, kind, value) VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    (tmp_path / "estate.yaml").write_text(ESTATE, encoding="utf-8")
    return read_estate(tmp_path)


def staging_of(estate: Estate, *, chunk_rows: int, days: DayRange | None = None, most: int = 100) -> Staging:
    # pieces of files have a quarter of the rows that are held before there are files
    return Staging(MappingRules(estate, contract_of("sensor_data"), NOW), days, 4 * chunk_rows, most)


def read(staging: Staging, estate: Estate, batch_rows: int = 16) -> Staging:
    staging.read(estate.sources[0], 0, batch_rows)
    return staging


@pytest.mark.parametrize("by_series", [False, True])
@pytest.mark.parametrize("chunk_rows", [1, 5, 24, 50, 10_000])
def test_nothing_is_lost_whatever_fits_into_memory(estate: Estate, chunk_rows: int, by_series: bool) -> None:
    with read(staging_of(estate, chunk_rows=chunk_rows), estate) as staging:
        judged = judge_all(staging)
        pieces = list(judged.chunks(by_series=by_series))
        held = {day: digest.rows for day, digest in staging.contents["readings.db/readings"].digests().items()}
        assert held == {None: 1, **{date(2025, 5, 1 + day): 24 + (day == 1) for day in range(DAYS)}}
        assert sorted(staging.refused["@reason"]) == ["out_of_range", "unreadable_time"]
        assert staging.refused.filter(pl.col("@reason") == "unreadable_time")[DAY].to_list() == [None]
    points = pl.concat(SeriesPoints(judged.series, rows.select(SERIES, "time", "value")).frame() for rows, _ in pieces)
    assert points.height == judged.height == DAYS * PER_DAY * SENSORS
    found = {(row["sensor_id"], row["time"], row["value"]) for row in points.iter_rows(named=True)}
    first = datetime(2025, 4, 30, 15, tzinfo=UTC)
    assert found == {
        (f"S{sensor}", first + timedelta(days=day, hours=4 * hour), day + sensor / 8)
        for day in range(DAYS)
        for hour in range(PER_DAY)
        for sensor in range(SENSORS)
    }
    # a day is complete where its last piece says so, and only there
    closed: set[date] = set()
    open_days: set[date] = set()
    for rows, is_last in pieces:
        days = set(rows[DAY])
        assert not days & closed
        identities = rows.select(SERIES, "time").rows()
        assert identities == sorted(identities)
        open_days |= days
        if is_last:
            closed |= open_days
            open_days = set()
    assert len(closed) == DAYS
    assert open_days == set()


def test_pieces_by_series_stand_in_the_order_of_the_key(estate: Estate) -> None:
    with read(staging_of(estate, chunk_rows=24), estate) as staging:
        judged = judge_all(staging)
        assert len(judged.pieces) == DAYS
        pieces = list(judged.chunks(by_series=True))
    assert [is_last for _, is_last in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len(pieces) == SENSORS
    identities = [identity for rows, _ in pieces for identity in rows.select(SERIES, "time").rows()]
    assert identities == sorted(identities)
    assert len(set(identities)) == DAYS * PER_DAY * SENSORS


def test_only_the_chosen_days_are_staged_but_all_are_known(estate: Estate) -> None:
    days = DayRange(date(2025, 5, 3), date(2025, 5, 4))
    with read(staging_of(estate, chunk_rows=10, days=days), estate) as staging:
        judged = judge_all(staging)
        assert judged.height == 2 * PER_DAY * SENSORS
        assert len(staging.contents["readings.db/readings"].digests()) == DAYS + 1
        assert staging.refused["@reason"].to_list() == ["unreadable_time"]


def test_the_digest_of_a_day_is_that_of_its_rows_in_any_order_and_batch(estate: Estate) -> None:
    small, large = staging_of(estate, chunk_rows=10), staging_of(estate, chunk_rows=1000)
    with read(small, estate, batch_rows=7) as one, read(large, estate, batch_rows=1000) as other:
        digests = [staging.contents["readings.db/readings"].digests() for staging in (one, other)]
        assert digests[0] == digests[1]
        assert set(digests[0]) == {None, *(date(2025, 5, day) for day in range(1, 6))}


def test_a_load_of_too_many_series_stops_while_it_reads(estate: Estate) -> None:
    with staging_of(estate, chunk_rows=10, most=3) as staging, pytest.raises(TooManySeriesError) as raised:
        read(staging, estate)
    assert "sensor_id alone has 4 values" in str(raised.value)
    assert "--max-series" in str(raised.value)


def test_temporary_files_go_with_the_staging_and_with_killed_processes(estate: Estate) -> None:
    base = Path(tempfile.gettempdir())
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = base / f"energy-platform-staging-{int(ended.stdout)}-left"
    left.mkdir()
    (left / "staged-000000.arrow").write_bytes(b"x")
    with read(staging_of(estate, chunk_rows=10), estate) as staging:
        assert not left.exists()
        folder = staging._folder
        assert folder is not None
        assert any(folder.iterdir())
    assert not folder.exists()
