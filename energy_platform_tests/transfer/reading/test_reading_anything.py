"""Estates as people have them, from their files to canonical rows: each way of writing, with what becomes of it."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.sources.estate import Estate, check_estate, read_estate
from energy_platform.sources.opening import open_source
from energy_platform.transfer.reading.mapping import ClockChanges, MappingRules, contract_of, dated, mapped_batches
from energy_platform.transfer.reading.raw_columns import inferred_type, present
from energy_platform.transfer.scanning.digests import meaning_of

HEAD = "estate: e\ntimezone: {zone}\nfirst_day: 2023-01-01\n"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def estate_of(folder: Path, text: str, zone: str = "Asia/Seoul") -> Estate:
    (folder / "estate.yaml").write_text(HEAD.format(zone=zone) + text, encoding="utf-8")
    estate = read_estate(folder)
    check_estate(estate)
    return estate


def rules_of(estate: Estate, position: int = 0, **options: Any) -> MappingRules:
    return MappingRules(estate, contract_of(estate.sources[position].target), NOW, **options)


def mapped(estate: Estate, rules: MappingRules | None = None, position: int = 0) -> pl.DataFrame:
    rules = rules or rules_of(estate, position)
    source = open_source(estate.sources[position])
    for raw in source.batches(1000):
        days = dated(raw, source.spec, rules)
        assert len(days) == raw.height
    return pl.concat(list(mapped_batches(source, position, rules, 1000)))


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return frame.select(columns).rows()


def at(hour: int, minute: int = 0, second: int = 0, microsecond: int = 0, *, day: int = 5) -> datetime:
    """A time of March 2025 in UTC."""
    return datetime(2025, 3, day, hour, minute, second, microsecond, tzinfo=UTC)


def test_a_german_export(tmp_path):
    text = (
        "Zählerexport\r\nerstellt: gestern\r\n# Anlage 7\r\nDatum;Uhrzeit;Zähler;Leistung;Temperatur;\r\n"
        ";;;W;°C;\r\n05.03.2025;14:00;B1;1.234,5;21,5 °C;\r\n# gestört\r\n05.03.2025;14:15;B1;-;NA;\r\n"
        "5.3.2025;14:30;B1;1.5;70 °F;\r\n"
    )
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    estate = estate_of(
        tmp_path,
        """energy:
  - csv: a.csv
    encoding: cp1252
    skip_rows: 2
    comment: "#"
    units_row: true
    decimal: ","
    thousands: "."
    missing: [NA, "-"]
    time: {date: Datum, time: Uhrzeit, format: "%d.%m.%Y %H:%M"}
    building: Zähler
    power_kw: {column: Leistung, unit: W}
    temperature_c: {column: Temperatur, strip: °C}
""",
    )
    frame = mapped(estate)
    assert rows(frame, "time", "power_kw", "temperature_c", "@reason") == [
        (at(5, 0), 1.2345, 21.5, None),
        (at(5, 15), None, None, "missing_value"),
        (at(5, 30), None, None, "not_a_number"),
    ]
    # what is refused is kept as it came
    assert frame["@raw"][1] == (
        '{"Datum":"05.03.2025","Uhrzeit":"14:15","Zähler":"B1","Leistung":"-","Temperatur":"NA"}'
    )
    assert frame["@day"].to_list() == [date(2025, 3, 5)] * 3


def test_a_file_without_a_header_packed_and_in_utf16(tmp_path):
    content = "1741154400123|B1|10,5\r1741154401000|B1|-999\r"
    (tmp_path / "a.dat").write_bytes(gzip.compress(content.encode("utf-16")))
    estate = estate_of(
        tmp_path,
        """energy:
  - {csv: a.dat, header: false, columns: [t, b, p], time: {column: t, unit: ms}, building: b, power_kw: p,
     decimal: ",", missing: -999}
""",
    )
    assert rows(mapped(estate), "time", "power_kw", "@reason") == [
        (at(6, 0, 0, 123_000), 10.5, None),
        (at(6, 0, 1), None, "missing_value"),
    ]


def test_one_file_per_building(tmp_path):
    (tmp_path / "m").mkdir()
    for name, value in (("B1", 1), ("강남 2", 2)):
        (tmp_path / "m" / f"building_{name}.csv").write_text(f"t,kw,t\n2025-03-05 09:00,{value},x\n")
    text = """energy:
  - {csv: "m/*.csv", time: t, power_kw: kw, building: {from: name, pattern: "building_(.+)\\\\.csv"},
     ignore: {t.2: a remark}}
"""
    estate = estate_of(tmp_path, text)
    assert [spec.name for spec in estate.sources] == ["m/building_B1.csv", "m/building_강남 2.csv"]
    found = [rows(mapped(estate, position=n), "building_id", "time", "power_kw") for n in (0, 1)]
    assert found == [[("B1", at(0), 1.0)], [("강남 2", at(0), 2.0)]]
    meanings = {meaning_of(spec, rules_of(estate)) for spec in estate.sources}
    assert len(meanings) == 2


def test_a_wide_source_in_other_units(tmp_path):
    (tmp_path / "a.csv").write_text("t,f,w,s\n03/05/2025 09:00,212 F,1500,on\n03/05/2025 09:15,n/a,,n/a\n")
    estate = estate_of(
        tmp_path,
        """readings:
  - csv: a.csv
    shape: wide
    time: {column: t, order: month_first}
    building: {const: B1}
    missing: n/a
    values: {f: {type: temperature, unit: F, strip: F}, w: {type: power, unit: W}, s: mode}
""",
    )
    frame = mapped(estate, rules_of(estate, with_attributes=True))
    assert rows(frame, "sensor_id", "sensor_type", "time", "value", "unit", "@reason") == [
        ("B1.f", "temperature", at(0), 100.0, "°C", None),
        ("B1.w", "power", at(0), 1.5, "kW", None),
        ("B1.s", "mode", at(0), None, None, "not_a_number"),
    ]


def test_a_column_for_each_building(tmp_path):
    (tmp_path / "a.csv").write_text(
        "t,Bear,Fox (W),Elk,oat\n2025-03-05 09:00,10,1500,5,-3.5\n2025-03-05 09:15,11,,6,\n"
    )
    estate = estate_of(
        tmp_path,
        """energy:
  - csv: a.csv
    shape: wide
    time: t
    building: {from: column, map: {Fox (W): Fox}}
    temperature_c: oat
    values: {Bear: power_kw, Fox (W): {type: power_kw, unit: W}, Elk: {type: power_kw, unit: kWh, per_minutes: 15}}
""",
    )
    frame = mapped(estate)
    assert rows(frame, "building_id", "meter_id", "time", "power_kw", "temperature_c", "@reason", "@key") == [
        ("Bear", "main", at(0), 10.0, -3.5, None, "1#Bear"),
        ("Bear", "main", at(0, 15), 11.0, None, None, "2#Bear"),
        ("Fox", "main", at(0), 1.5, -3.5, None, "1#Fox (W)"),
        ("Elk", "main", at(0), 20.0, -3.5, None, "1#Elk"),
        ("Elk", "main", at(0, 15), 24.0, None, None, "2#Elk"),
    ]


def test_a_column_for_each_meter_and_for_a_sensor_of_each_building(tmp_path):
    (tmp_path / "a.csv").write_text("t,M1,M2\n2025-03-05 09:00,10,20\n")
    (tmp_path / "gas.csv").write_text("t,Bear,Fox #1\n2025-03-05 09:00,1.5,2.5\n")
    estate = estate_of(
        tmp_path,
        """energy:
  - csv: a.csv
    shape: wide
    time: t
    building: {const: B1}
    meter: {from: column}
    values: {M1: power_kw, M2: power_kw}
readings:
  - {csv: gas.csv, shape: wide, time: t, building: {from: column}, values: {Bear: gas, "Fox #1": gas}}
""",
    )
    assert rows(mapped(estate), "building_id", "meter_id", "power_kw") == [("B1", "M1", 10.0), ("B1", "M2", 20.0)]
    assert rows(mapped(estate, position=1), "building_id", "sensor_id", "sensor_type", "value") == [
        ("Bear", "Bear.gas", "gas", 1.5),
        ("Fox #1", "Fox #1.gas", "gas", 2.5),
    ]


def test_sensors_are_called_by_the_whole_name_of_their_columns(tmp_path):
    """A number sign in the name of a column parts nothing: two sensors stay two."""
    (tmp_path / "a.csv").write_text("t,in #1,out #1\n2025-03-05 09:00,20,5\n")
    estate = estate_of(
        tmp_path,
        "readings:\n  - {csv: a.csv, shape: wide, time: t, building: {const: B1},"
        " values: {'in #1': temperature, 'out #1': temperature}}\n",
    )
    assert rows(mapped(estate), "sensor_id", "value") == [("B1.in #1", 20.0), ("B1.out #1", 5.0)]


def test_numbers_are_values_and_words_are_states(tmp_path):
    (tmp_path / "a.csv").write_text(
        "t,s,v\n2025-03-05 09:00,t1,20.5\n2025-03-05 09:00,d1,on\n2025-03-05 09:00,x1, \n2025-03-05 09:00,i1,inf\n"
    )
    estate = estate_of(
        tmp_path, "readings:\n  - {csv: a.csv, time: t, building: {const: B1}, sensor: s, value: v, state: v}\n"
    )
    assert rows(mapped(estate), "sensor_id", "value", "state", "@reason") == [
        ("t1", 20.5, None, None),
        ("d1", None, "on", None),
        ("x1", None, None, "missing_value"),
        ("i1", float("inf"), None, "not_finite"),
    ]


def test_energy_of_intervals_becomes_mean_power(tmp_path):
    (tmp_path / "a.csv").write_text("t,e\n2025-03-05 09:00,0.5\n2025-03-05 09:30,2\n2025-03-05 10:00,x\n")
    estate = estate_of(
        tmp_path,
        "energy:\n  - {csv: a.csv, time: t, building: {const: B1},"
        " power_kw: {column: e, unit: MWh, per_minutes: 30}}\n",
    )
    assert rows(mapped(estate), "power_kw", "@reason") == [(1000.0, None), (4000.0, None), (None, "not_a_number")]


def test_readings_in_one_unit_and_marks_in_a_database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute('CREATE TABLE "select" (t INTEGER, "건물" TEXT, s TEXT, v, extra)')
        values = [
            (1741154400123456, "B 1,=", "s1", 212, 1),
            (1741154400123457, "B 1,=", "s1", -999, 2),
            (1741154400123458, "B 1,=", "s1", -999.0, 3),
            (1741154400123459, "B 1,=", "s1", "-999", 4),
            (1741154400123460, "B 1,=", "s1", "212", 5),
        ]
        database.executemany('INSERT INTO "select" VALUES (?, ?, ?, ?, ?)', values)
    estate = estate_of(
        tmp_path,
        """readings:
  - {sqlite: a.db, table: select, time: {column: t, unit: us}, building: 건물, sensor: s,
     value: {column: v, unit: °F}, missing: ["-999"], ignore: {extra: why}}
""",
    )
    for batch in (1, 2, 1000):
        rules = rules_of(estate, with_attributes=True)
        frame = pl.concat(list(mapped_batches(open_source(estate.sources[0]), 0, rules, batch)))
        assert rows(frame, "building_id", "time", "value", "unit", "@reason") == [
            ("B 1,=", at(6, 0, 0, 123_456), 100.0, "°C", None),
            ("B 1,=", at(6, 0, 0, 123_457), None, "°C", "missing_value"),
            ("B 1,=", at(6, 0, 0, 123_458), None, "°C", "missing_value"),
            ("B 1,=", at(6, 0, 0, 123_459), None, "°C", "missing_value"),
            ("B 1,=", at(6, 0, 0, 123_460), 100.0, "°C", None),
        ]


RULES = {
    "earliest": ([(5, 30), (6, 30)], "the earlier instant was taken"),
    "latest": ([(6, 30), (6, 30)], "the later instant was taken"),
    "quarantine": ([(5, 30), (6, 30)], "such rows are quarantined"),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", ["long", "wide"])
def test_local_times_that_exist_twice_go_by_the_rule(tmp_path, rule, shape):
    (tmp_path / "a.csv").write_text(
        "t,v,w\n2024-11-03 01:30,1,1\n2024-11-03 02:30,2,2\n2024-03-10 02:30,3,3\n2024-11-03 01:30-05:00,4,4\n"
    )
    values = "values: {v: power, w: power}" if shape == "wide" else "sensor: {const: s}, value: v, ignore: {w: why}"
    entry = f"csv: a.csv, shape: {shape}, time: t, building: {{const: B1}}, {values}"
    estate = estate_of(tmp_path, f"ambiguous: {rule}\nreadings:\n  - {{{entry}}}\n", "America/New_York")
    rules = rules_of(estate)
    frame = mapped(estate, rules)
    if shape == "wide":
        frame = frame.filter(pl.col("@key").str.ends_with("#v"))
    (first, last), words = RULES[rule]
    refused = rule == "quarantine"
    assert rows(frame, "time", "@reason", "@day") == [
        (datetime(2024, 11, 3, *first, tzinfo=UTC), "ambiguous_time" if refused else None, date(2024, 11, 3)),
        (datetime(2024, 11, 3, 7, 30, tzinfo=UTC), None, date(2024, 11, 3)),
        (datetime(2024, 3, 10, 7, 30, tzinfo=UTC), None, date(2024, 3, 10)),
        (datetime(2024, 11, 3, *last, tzinfo=UTC), None, date(2024, 11, 3)),
    ]
    assert rules.clock_changes.notes() == [
        f"a.csv: 1 local time exists twice where clocks go back; {words}.",
        "a.csv: 1 local time does not exist where clocks go forward; the offset before the change was taken.",
    ]
    assert frame["@raw"].is_not_null().to_list() == [refused, False, False, False]


def test_further_fields_of_a_table_and_of_a_measurement(tmp_path):
    (tmp_path / "a.csv").write_text("t;b;p;x;y\n2025-03-05 09:00;B1;1;1.234,5;-\n")
    (tmp_path / "b.csv").write_text("building_id;since;note\nB1;05.03.2025;-\n")
    estate = estate_of(
        tmp_path,
        """energy:
  - {csv: a.csv, time: t, building: b, power_kw: p, extra: {x: x, y: y}, decimal: ",", thousands: ".", missing: "-"}
tables:
  buildings: {csv: b.csv, missing: "-", extra: {since: since, note: note}}
""",
    )
    spec = estate.sources[0]
    raw = next(open_source(spec).batches())
    types = {name: inferred_type(present(raw[column], spec), spec.numbers) for name, column in spec.extra.items()}
    assert types == {"x": "float", "y": "float"}
    rules = MappingRules(estate, contract_of(spec.target, {"x": "float", "y": "text"}), NOW)
    assert rows(mapped(estate, rules), "x", "y", "@reason") == [(1234.5, None, None)]
    assert rows(mapped(estate, position=1), "attributes") == [('{"note":null,"since":"05.03.2025"}',)]


def test_what_an_option_says_is_part_of_what_a_row_means(tmp_path):
    (tmp_path / "a.csv").write_text("t;b;p\n2025-03-05 09:00;B1;1\n")
    entry = "csv: a.csv, time: t, building: b, power_kw: p"
    changed = [
        entry,
        *(f"{entry}, {option}" for option in ("decimal: ','", "missing: x", "comment: x", "ambiguous: latest")),
        *(f"{entry}, {option}" for option in ("units_row: true", "thousands: ','", "separator: ;")),
        entry.replace("time: t", "time: {column: t, order: day_first}"),
        entry.replace("time: t", "time: {column: t, format: '%Y-%m-%d %H:%M'}"),
        entry.replace("power_kw: p", "power_kw: {column: p, unit: W}"),
        entry.replace("power_kw: p", "power_kw: {column: p, strip: W}"),
    ]
    meanings = set()
    for text in changed:
        estate = estate_of(tmp_path, f"energy:\n  - {{{text}}}\n")
        meanings.add(meaning_of(estate.sources[0], rules_of(estate)))
    assert len(meanings) == len(changed)


def test_notes_of_many_sources_are_short(tmp_path):
    estate = estate_of(write_one(tmp_path), "energy:\n  - {csv: a.csv, time: t, building: b, power_kw: p}\n")
    changes = ClockChanges()
    for number in range(30):
        changes.add(replace(estate.sources[0], name=f"{number:02}.csv"), 4, 0)
    notes = changes.notes()
    assert notes[0] == "00.csv: 4 local times exist twice where clocks go back; the earlier instant was taken."
    assert notes[20:] == [
        "10 more sources: 40 local times exist twice where clocks go back, each by the rule of its source."
    ]


def write_one(folder: Path) -> Path:
    (folder / "a.csv").write_text("t,b,p\n2025-03-05 09:00,B1,1\n")
    return folder
