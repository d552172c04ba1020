"""A scan of what has changed says what a scan of everything says; and what was scanned is not scanned again."""

import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.sources.estate import Estate, read_estate
from energy_platform.sources.sqlite.reader import SqliteSource
from energy_platform.transfer.scanning import scanner
from energy_platform.transfer.scanning.scans import Scan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENSORS, PER_DAY, DAYS = 3, 96, 12

ESTATE = """\
estate: scanned
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {code: scanned, name: Scanned}
readings:
  - {sqlite: readings.db, table: readings, key: id, time: at, building: building, sensor: sensor, type: kind,
     value: value}
"""


def make(folder: Path) -> Estate:
    first = datetime(2025, 5, 1)  # noqa: DTZ001  local times of the estate
    rows = [
        (str(first + timedelta(days=day, minutes=15 * step)), "B1", f"S{sensor}", "temperature", day + step / 8)
        for day in range(DAYS)
        for step in range(PER_DAY)
        for sensor in range(SENSORS)
    ]
    with closing(sqlite3.connect(folder / "readings.db")) as connection:
        connection.execute(
            "CREATE TABLE readings (id INTEGER PRIMARY KEY, at TEXT, building TEXT, sensor TEXT, kind TEXT, value REAL)"
        )
        connection.executemany("INSERT INTO readings (at, building, sensor, kind, value) VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    (folder / "estate.yaml").write_text(ESTATE, encoding="utf-8")
    return read_estate(folder)


def change(estate: Estate, *statements: str) -> None:
    with closing(sqlite3.connect(estate.folder / "readings.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def scan(estate: Estate, *, now: datetime = NOW, entities: bool = True) -> Scan:
    """A scan by a process of its own."""
    scanner._SCANS.clear()
    return scanner.scan_source(
        estate, estate.sources[0], now, 500, estate.folder / ".energy" / "scans", with_entities=entities
    )


def forget(estate: Estate) -> None:
    for kept in (estate.folder / ".energy" / "scans").iterdir():
        kept.unlink()


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return make(tmp_path)


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows were read, a number for each record batch."""
    read: list[int] = []
    columnar = SqliteSource._columnar

    def counted(self, *arguments):
        for frame in columnar(self, *arguments):
            read.append(frame.height)
            yield frame

    monkeypatch.setattr(SqliteSource, "_columnar", counted)
    return read


IDS = st.integers(1, SENSORS * PER_DAY * DAYS + 500)
CHANGES = st.one_of(
    IDS.map(lambda i: f"UPDATE readings SET value = value + 1 WHERE id = {i}"),
    IDS.map(lambda i: f"UPDATE readings SET at = '2025-05-20 08:00:00' WHERE id BETWEEN {i} AND {i + 5}"),
    IDS.map(lambda i: f"UPDATE readings SET sensor = 'S' || (id % 5) WHERE id BETWEEN {i} AND {i + 3}"),
    IDS.map(lambda i: f"DELETE FROM readings WHERE id BETWEEN {i} AND {i + 200}"),
    IDS.map(lambda i: f"INSERT OR REPLACE INTO readings VALUES ({i}, 'never', 'B1', 'S1', 'temperature', 1)"),
    IDS.map(lambda i: f"INSERT OR REPLACE INTO readings VALUES ({i}, '2030-01-01', 'B1', 'S1', 'temperature', 1)"),
    st.just("INSERT INTO readings (at, building, sensor, kind, value) VALUES ('2025-06-01', 'B2', 'S9', 'power', 2)"),
    st.just("UPDATE readings SET building = 'B7' WHERE id < 40"),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(CHANGES, min_size=1, max_size=3), min_size=1, max_size=3), st.booleans())
def test_changes_are_told_as_a_scan_of_everything_tells_them(rounds: list[list[str]], entities: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        estate = make(Path(folder))
        some = scan(estate, entities=entities)
        for statements in rounds:
            change(estate, *statements)
            some = scan(estate, entities=entities)
        forget(estate)
        everything = scan(estate, entities=entities)
    assert some.digests == everything.digests
    # a row of the future that is gone may still be waited for, but none is forgotten
    never = datetime.max.replace(tzinfo=UTC)
    assert (some.next_future or never) <= (everything.next_future or never)
    for day in everything.digests:
        within = some.contents.stretches({day})
        for first, last in everything.contents.stretches({day}):
            assert any(begin <= first and last <= end for begin, end in within)
    if entities:
        assert some.entities is not None
        assert everything.entities is not None
        assert_frame_equal(some.entities, everything.entities)


def test_digests_do_not_go_by_which_rows_are_read_together(tmp_path: Path) -> None:
    estate = make(tmp_path)
    # whole numbers and others in a column that keeps both as they are
    change(estate, "ALTER TABLE readings RENAME TO old")
    change(estate, "CREATE TABLE readings (id INTEGER PRIMARY KEY, at TEXT, building, sensor, kind, value)")
    change(estate, "INSERT INTO readings SELECT id, at, building, sensor, kind, value + 0.25 FROM old")
    change(estate, "UPDATE readings SET value = id WHERE id % 7 < 4", "DROP TABLE old")
    folder = estate.folder / "scans"
    found = []
    for batch_rows in (3, 100, 5000):
        scanner._SCANS.clear()
        found.append(scanner.scan_source(estate, estate.sources[0], NOW, batch_rows, folder).digests)
        for kept in folder.iterdir():
            kept.unlink()
    assert found[0] == found[1] == found[2]


def test_only_pieces_with_a_changed_row_are_read_again(estate: Estate, rows_read: list[int]) -> None:
    first = scan(estate)
    assert sum(rows_read) == SENSORS * PER_DAY * DAYS
    rows_read.clear()
    change(estate, "UPDATE readings SET value = 0.5 WHERE id = 1000")
    second = scan(estate)
    assert 0 < sum(rows_read) <= 2 * 256
    differing = {day for day in second.digests if second.digests[day] != first.digests[day]}
    assert differing == {date(2025, 5, 4)}


def test_what_was_scanned_is_not_scanned_again(estate: Estate, rows_read: list[int]) -> None:
    first = scan(estate)
    rows_read.clear()
    assert scan(estate, now=NOW + timedelta(days=30)).digests == first.digests
    assert scan(estate, entities=False).digests == first.digests
    assert rows_read == []


def test_entities_are_looked_for_where_a_scan_had_none(estate: Estate) -> None:
    assert scan(estate, entities=False).entities is None
    found = scan(estate).entities
    assert found is not None
    assert found["sensor_id"].to_list() == ["S0", "S1", "S2"]


def test_rows_of_the_future_are_dated_when_their_time_has_come(estate: Estate) -> None:
    change(estate, "INSERT INTO readings VALUES (9000, '2026-01-02 12:00:00', 'B1', 'S1', 'temperature', 1)")
    early = scan(estate)
    assert early.next_future == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert early.digests[None].rows == 1
    assert scan(estate, now=datetime(2026, 1, 2, tzinfo=UTC)).digests[None].rows == 1
    late = scan(estate, now=datetime(2026, 1, 2, 4, tzinfo=UTC))
    assert None not in late.digests
    assert late.digests[date(2026, 1, 2)].rows == 1


def test_a_kept_scan_that_is_broken_or_of_another_meaning_is_not_used(estate: Estate, rows_read: list[int]) -> None:
    whole = scan(estate)
    (kept,) = (estate.folder / ".energy" / "scans").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40])
    rows_read.clear()
    assert scan(estate).digests == whole.digests
    assert sum(rows_read) == SENSORS * PER_DAY * DAYS
    (estate.folder / "estate.yaml").write_text(ESTATE.replace("Asia/Seoul", "UTC"), encoding="utf-8")
    moved = scan(read_estate(estate.folder))
    assert sum(rows_read) == 2 * SENSORS * PER_DAY * DAYS
    assert moved.meaning != whole.meaning


def test_what_was_touched_while_it_was_read_is_read_again(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = SqliteSource.parts
    monkeypatch.setattr(
        SqliteSource,
        "parts",
        lambda self: (change(estate, "UPDATE readings SET value = 0.5 WHERE id = 1000"), parts(self))[1],
    )
    scan(estate)
    monkeypatch.undo()
    assert not (estate.folder / ".energy").exists()


def test_a_folder_that_cannot_be_written_to_keeps_none(estate: Estate) -> None:
    (estate.folder / ".energy").write_text("a file where a folder should be", encoding="utf-8")
    assert len(scan(estate).digests) == DAYS
    assert len(scan(estate).digests) == DAYS
