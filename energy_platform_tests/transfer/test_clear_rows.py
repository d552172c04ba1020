"""Rows that go the short way come to what the rules say of them, whatever stands beside them."""

from __future__ import annotations

import csv
import sqlite3
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import DayRange
from energy_platform.domain.points import SERIES
from energy_platform.sources.estate import Estate, read_estate
from energy_platform.transfer.reading.mapping import KEY, MappingRules, contract_of
from energy_platform.transfer.timeseries import clear_rows
from energy_platform.transfer.timeseries.clear_rows import ClearRows
from energy_platform.transfer.timeseries.judged import judge_all, points_of
from energy_platform.transfer.timeseries.staging import Staging

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ESTATE = """\
estate: clear
timezone: Europe/Berlin
first_day: 2025-05-01
last_day: open
ambiguous: {ambiguous}
readings:
  - {{{source}, time: at, building: {{column: building, map: {{b1: B1}}}}, sensor: {sensor}, type: kind,
     value: value, state: state, confidence: confidence, status: status, tenant: tenant,
     missing: ["-999", "n/a"]{further}}}
"""
COLUMNS = ["at", "building", "sensor", "kind", "value", "state", "confidence", "status", "tenant"]
PLAIN = {
    "at": "2025-06-01 12:00:00",
    "building": "b1",
    "sensor": "S1",
    "kind": "temperature",
    "value": "21.5",
    "state": "",
    "confidence": "0.5",
    "status": "normal",
    "tenant": "t",
}
NUMBERS = ["21.5", "-0.0", "0", "1e9", "nan", "inf", "", "n/a", "-999", "warm", "7"]
VALUES: dict[str, list[str]] = {
    "at": [
        PLAIN["at"],
        "2025-06-01T12:00:00Z",
        "2025-06-02",
        "2025-10-26 02:30:00",
        "2025-03-30 02:30",
        "2025-05-01 00:00:00",
        "2025-04-30 23:59:59",
        "2026-06-01 12:00:00",
        "1748772000",
        "never",
        "",
    ],
    "building": ["b1", "B1", "b2", "", "n/a", "b\\", "b\n3", "7"],
    "sensor": ["S1", "S2", "s,3 =", "", "-999"],
    "kind": ["temperature", "humidity", "state", "", "unheard-of"],
    "value": NUMBERS,
    "state": ["", "on", "n/a"],
    "confidence": [*NUMBERS, "0.25", "1.5"],
    "status": ["normal", "", "warnung: kalt", "n/a"],
    "tenant": ["t", "u", ""],
}
#: Mostly plain, so that some rows of a batch go the short way and others do not.
ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.one_of(st.just(PLAIN[name]), st.sampled_from(values)) for name, values in VALUES.items()}
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(autouse=True)
def few_rows_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clear_rows, "_LEAST_ROWS", 1)


def estate_of(
    folder: Path, rows: list[dict[str, str]], *, kind: str, ambiguous: str = "earliest", keyed: bool = False
) -> Estate:
    # SQLite keeps numbers as numbers: a column may hold several kinds
    if kind == "sqlite":
        with sqlite3.connect(folder / "readings.db") as connection:
            columns = ", ".join(f"{name} NUMERIC" if name in VALUES else name for name in COLUMNS)
            connection.execute(f"CREATE TABLE readings (id INTEGER PRIMARY KEY, {columns})")
            connection.executemany(
                f"INSERT INTO readings ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",
                [[row[name] or None for name in COLUMNS] for row in rows],
            )
        connection.close()
    else:
        with (folder / "readings.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    source = "sqlite: readings.db, table: readings" if kind == "sqlite" else "csv: readings.csv"
    text = ESTATE.format(ambiguous=ambiguous, source=source, sensor="sensor", further=", key: sensor" if keyed else "")
    (folder / "estate.yaml").write_text(text, encoding="utf-8")
    return read_estate(folder)


def outcome(estate: Estate, *, days: DayRange | None = None, batch_rows: int = 4) -> dict[str, Any]:
    """All that a load knows of an estate's readings before its first write."""
    contract = cast(Measurement, contract_of("sensor_data"))
    rules = MappingRules(estate, contract, NOW)
    with Staging(rules, days, 100, 100) as staging:
        staging.read(estate.sources[0], 0, batch_rows)
        judged = judge_all(staging)
        points = [points_of(rows, judged.series, contract).frame() for rows, _ in judged.chunks()]
        kept = [rows.select("time", "@order", "@day", pl.col(KEY).cast(pl.String)) for rows, _ in judged.chunks()]
        everything = pl.concat([contract.empty(), *points], how="diagonal")
        conflicts = judged.conflicts.drop(SERIES, strict=False)
        return {
            "points": everything.select(contract.column_names).sort(pl.all()).rows(),
            "kept": sorted(pl.concat(kept).rows(), key=repr) if kept else [],
            "refused": sorted(staging.refused.rows(), key=repr),
            "conflicts": sorted((str(row) for row in conflicts.rows()), key=repr),
            "accounts": judged.accounts,
            "digests": {name: held.digests() for name, held in staging.contents.items()},
            "future": staging.next_future,
            "clock changes": rules.clock_changes.notes(),
        }


@given(ROWS, st.sampled_from(["sqlite", "csv"]), st.sampled_from(["earliest", "latest", "quarantine"]), st.booleans())
@example([PLAIN, {**PLAIN, "value": "22"}, PLAIN, {**PLAIN, "value": "warm", "sensor": "S2"}], "csv", "earliest", True)
@settings(max_examples=60, deadline=None)
def test_both_ways_come_to_the_same(rows: list[dict[str, str]], kind: str, ambiguous: str, keyed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        keyed = keyed and kind == "csv"
        estate = estate_of(Path(folder), rows, kind=kind, ambiguous=ambiguous, keyed=keyed)
        days = DayRange(date(2025, 6, 1), date(2025, 6, 1))
        short = outcome(estate), outcome(estate, days=days, batch_rows=1)
        patch.setattr(ClearRows, "divided", lambda self, raw: None)
        assert short == (outcome(estate), outcome(estate, days=days, batch_rows=1))


def divided(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Of each batch how many rows went the short way, and how many did not."""
    found: list[tuple[int, int]] = []
    whole = ClearRows.divided

    def noted(self: ClearRows, raw: pl.DataFrame) -> clear_rows.DividedRows | None:
        parts = whole(self, raw)
        clear = parts.clear.height if parts is not None else 0
        found.append((clear, raw.height - clear))
        return parts

    monkeypatch.setattr(ClearRows, "divided", noted)
    outcome(estate)
    return found


def test_what_is_wrong_with_one_row_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [{**PLAIN, "at": f"2025-06-01 12:0{minute}:00"} for minute in range(8)]
    wrong = {**PLAIN, "value": "1e9"}
    estate = estate_of(tmp_path, [*plain[:3], wrong, *plain[4:]], kind="csv", keyed=True)
    assert divided(estate, monkeypatch) == [(3, 1), (4, 0)]


def test_a_series_whose_first_row_is_refused_is_learned_from_a_later_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**PLAIN, "value": "1e9"}
    rows = [wrong, *({**PLAIN, "at": f"2025-06-01 12:{minute}:00"} for minute in range(10, 17))]
    assert divided(estate_of(tmp_path, rows, kind="csv", keyed=True), monkeypatch) == [(0, 4), (4, 0)]


def test_no_more_is_looked_up_than_fits_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{**PLAIN, "sensor": f"S{number}"} for number in (1, 2, 1, 2, 1, 3, 3, 2)]
    estate = estate_of(tmp_path, rows, kind="csv", keyed=True)
    monkeypatch.setattr(clear_rows, "_MOST_KNOWN", 2)
    assert divided(estate, monkeypatch) == [(4, 0), (2, 2)]
    short = outcome(estate)
    monkeypatch.setattr(clear_rows, "_MOST_EXAMPLES", 0)
    assert divided(estate, monkeypatch) == [(0, 4), (0, 4)]
    assert outcome(estate) == short


def test_a_series_without_tags_of_its_own_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "meter.csv").write_text("t,p\n2025-06-01 12:00,1\n2025-06-01 13:00,2\n", encoding="utf-8")
    text = "estate: one\ntimezone: UTC\nfirst_day: 2025-05-01\nlast_day: open\nenergy:\n"
    text += "  - {csv: meter.csv, time: t, building: {const: B1}, power_kw: p}\n"
    (tmp_path / "estate.yaml").write_text(text, encoding="utf-8")
    estate = read_estate(tmp_path)
    rules = MappingRules(estate, contract_of("energy_consumption"), NOW)
    with Staging(rules, None, 100, 100) as staging:
        staging.read(estate.sources[0], 0, 4)
        judged = judge_all(staging)
        ((rows, _),) = judged.chunks()
    assert judged.series.rows() == [("default", "B1", "main")]
    assert rows["power_kw"].to_list() == [1.0, 2.0]
    assert rows.schema["occupancy"] == pl.Null
