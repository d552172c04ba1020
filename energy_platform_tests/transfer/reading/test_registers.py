"""Sources of registers: power beside every row, whatever the file, and the way in which it is read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.domain.errors import SourceError
from energy_platform.sources.estate import Estate, read_estate
from energy_platform.sources.mended import MendedRows, contents_of, row_identity
from energy_platform.sources.opening import open_source
from energy_platform.sources.source import Source
from energy_platform.transfer.reading.mapping import MappingRules, fixed_contract, mapped_batches
from energy_platform.transfer.reading.opening import open_rows
from energy_platform.transfer.reading.registers import register_versions

NOW = datetime(2025, 1, 1, tzinfo=UTC)
HEAD = "estate: e\ntimezone: America/New_York\nfirst_day: 2024-01-01\n"


def estate_of(folder: Path, entry: str) -> Estate:
    (folder / "estate.yaml").write_text(f"{HEAD}energy:\n  - {{{entry}}}\n", encoding="utf-8")
    return read_estate(folder)


def opened(estate: Estate) -> Source:
    return open_rows(estate.sources[0], estate, NOW)


def mapped(estate: Estate, *columns: str) -> list[tuple[Any, ...]]:
    rules = MappingRules(estate, fixed_contract(estate.sources[0]), NOW)
    return pl.concat(list(mapped_batches(opened(estate), 0, rules, 2))).select(columns).rows()


def powers(source: Source, batch_rows: int = 2, **options: Any) -> dict[int, float | None]:
    batches = [batch for stream in source.streams(batch_rows, **options) for batch in stream]
    return dict(pl.concat(batches, how="vertical_relaxed").select("@order", "@power").rows())


def test_times_and_numbers_are_read_as_the_source_says(tmp_path: Path) -> None:
    # the clock goes back at two: an hour lies between the two readings of half past one
    rows = ["03.11.2024;00:30;B1;1.000,5 MWh", "03.11.2024;01:30;B1;1.000,75 MWh", "03.11.2024;02:30;B1;1.001,75 MWh"]
    (tmp_path / "a.csv").write_text("Datum;Uhr;Haus;Stand\n" + "\n".join(rows) + "\n", encoding="utf-8")
    estate = estate_of(
        tmp_path,
        "csv: a.csv, decimal: ',', thousands: '.', time: {date: Datum, time: Uhr, format: '%d.%m.%Y %H:%M'}, "
        "building: Haus, register: {column: Stand, unit: MWh, strip: MWh}",
    )
    assert mapped(estate, "meter_id", "power_kw", "register_kwh", "@reason") == [
        ("main", None, 1_000_500.0, None),
        ("main", 250.0, 1_000_750.0, None),
        ("main", 500.0, 1_001_750.0, None),
    ]


def test_refused_readings_are_passed_over(tmp_path: Path) -> None:
    rows = ["10:00,1,20", "11:00,abc,20", "12:00,1e400,20", "13:00,-,20", "14:00,9,999", "15:00,7,20", "x,9,20"]
    (tmp_path / "a.csv").write_text("t,c,temp\n" + "\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text().replace("\n1", "\n2024-05-01 1"), encoding="utf-8")
    estate = estate_of(
        tmp_path,
        "csv: a.csv, missing: ['-', '0'], time: t, building: {const: B1}, register: c, temperature_c: temp",
    )
    assert mapped(estate, "power_kw", "register_kwh", "@reason") == [
        (None, 1.0, None),
        (None, None, "not_a_number"),
        (None, float("inf"), "not_finite"),
        # no register, but a temperature
        (None, None, None),
        (None, 9.0, "out_of_range"),
        (1.2, 7.0, None),
        (None, 9.0, "unreadable_time"),
    ]


def database(folder: Path, count: int = 10) -> Path:
    path = folder / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, t TEXT, b TEXT, c REAL)")
        # the newest first
        values = [(n, f"2024-05-01 {23 - n:02}:00:00", "B1", float(23 - n) ** 2) for n in range(1, count + 1)]
        connection.executemany("INSERT INTO m VALUES (?, ?, ?, ?)", values)
    return path


def test_every_way_of_reading_gives_the_same(tmp_path: Path) -> None:
    database(tmp_path)
    estate = estate_of(tmp_path, "sqlite: a.db, table: m, key: id, time: t, building: b, register: c")
    source = opened(estate)
    whole = {n: 2.0 * (23 - n) - 1 for n in range(1, 10)} | {10: None}
    assert powers(source) == powers(source, 100) == powers(source, 3, count=3) == whole
    some = [(2, 3), (9, 10)]
    assert powers(source, 3, count=3, within=some) == {n: whole[n] for n in (2, 3, 9, 10)}
    assert source.parts() is None
    assert open_source(estate.sources[0]).parts() is not None
    assert source.version() == open_source(estate.sources[0]).version()
    assert source.columns() == ("id", "t", "b", "c")


def test_a_mended_reading_counts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("t,b,c\n2024-05-01,B1,1\n2024-05-02,B1,l3\n2024-05-03,B1,25\n", encoding="utf-8")
    estate = estate_of(tmp_path, "csv: a.csv, time: t, building: b, register: c")
    assert powers(opened(estate)) == {1: None, 2: None, 3: 0.5}
    raw = next(iter(open_source(estate.sources[0]).batches()))
    content = contents_of(raw)[1]
    mended = MendedRows({row_identity("2", content): {**content, "c": "13"}}, frozenset(["2"]))
    object.__setattr__(estate.sources[0], "mended", mended)
    assert powers(opened(estate)) == {1: None, 2: 0.5, 3: 0.5}


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = database(tmp_path)
    estate = estate_of(tmp_path, "sqlite: a.db, table: m, key: id, time: t, building: b, register: c")

    def meanwhile(statement: str) -> Iterator[pl.DataFrame]:
        source = opened(estate)
        inner = source._source  # pyright: ignore[reportAttributeAccessIssue]
        read, times = inner.batches, iter([False, True])

        def batches(batch_rows: int) -> Iterator[pl.DataFrame]:
            if next(times):
                with closing(sqlite3.connect(path)) as connection, connection:
                    connection.execute(statement)
            return read(batch_rows)

        inner.batches = batches
        return source.batches(4)

    # a row that has come since is known to the next load
    added = pl.concat(list(meanwhile("INSERT INTO m VALUES (11, '2024-05-01 23:30:00', 'B1', 600)")))
    assert added.height == 11
    assert added.get_column("@power")[-1] is None
    for statement in ("DELETE FROM m WHERE id = 3", "DELETE FROM m WHERE id = 11"):
        with pytest.raises(SourceError, match="written while it was read"):
            list(meanwhile(statement))


def test_corrections_follow_from_the_file_and_from_what_is_said_of_it(tmp_path: Path) -> None:
    database(tmp_path)
    entry = "sqlite: a.db, table: m, key: id, time: t, building: b, register: "
    plain = estate_of(tmp_path, entry + "c")
    rolling = estate_of(tmp_path, entry + "{column: c, rolls_over_at: 1000}")
    versions = {register_versions(estate, NOW)["a.db/m"] for estate in (plain, rolling)}
    assert len(versions) == 2
    status = (tmp_path / "a.db").stat()
    os.utime(tmp_path / "a.db", ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert register_versions(plain, NOW)["a.db/m"] not in versions
