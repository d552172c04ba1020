"""Mended rows: judged like all others, part of what their source holds from then on, and undone when told to."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energy_platform.domain.errors import UsageError
from energy_platform.quarantine.export import write_export
from energy_platform.quarantine.listing import Chosen, mended_rows, refused_counts, refused_rows
from energy_platform.settings import Settings
from energy_platform.transfer import replay as mending
from energy_platform.transfer.repair import remove, unaccounted
from energy_platform.transfer.replay import Replay
from energy_platform.transfer.reports.verdicts import LoadReport
from energy_platform_tests.promises import target as store
from energy_platform_tests.promises.pipeline import kind_of, load, opened, verify

ENERGY = "timeseries/energy_consumption"
ESTATE = """\
estate: {name}
timezone: Asia/Seoul
first_day: 2025-05-01
last_day: open
tenant: {{code: {name}, name: Mending}}
"""
POWER = """\
energy:
  - {csv: power.csv, time: at, building: building, power_kw: kw}
"""
WIDE = """\
readings:
  - {csv: weather.csv, shape: wide, time: when, building: {const: B1}, values: {t: temperature, h: humidity}}
"""
SETTINGS = """\
tables:
  settings: {csv: settings.csv}
"""


def estate(folder: Path, name: str, sections: str, **files: str) -> Path:
    folder = folder / name
    folder.mkdir(exist_ok=True)
    (folder / "estate.yaml").write_text(ESTATE.format(name=name) + sections, encoding="utf-8")
    for file, content in files.items():
        (folder / f"{file}.csv").write_text(content, encoding="utf-8")
    return folder


def power(*rows: str) -> str:
    """Two days of hourly values that are fine, and further rows."""
    fine = [f"2025-05-0{day} {hour:02}:00:00,B1,{day + hour / 10}" for day in (1, 2) for hour in range(24)]
    return "\n".join(["at,building,kw", *fine, *rows, ""])


def loaded(settings: Settings, folder: Path, **options: Any) -> dict[str, LoadReport]:
    return load(settings, folder, max_error_ratio=0.9, **options)


def exported(settings: Settings, folder: Path, file: str = "refused.csv", **chosen: Any) -> Path:
    path = folder.parent / f"{folder.name}-{file}"
    with opened(settings, folder) as platform:
        rows = refused_rows(platform.postgres, platform.estate, Chosen(**chosen))
        write_export(path, platform.estate, rows, overwrite=True)
    return path


def edited(path: Path, edit: Callable[[dict[str, str]], Any]) -> Path:
    """The file as a person leaves it; `edit` changes a line in place."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.DictReader(stream))
    for line in lines:
        edit(line)
    mended = path.with_name(f"mended-{path.name}")
    with mended.open("w", encoding="utf-8-sig", newline="") as stream:
        # as a spreadsheet does where the comma is a decimal sign
        writer = csv.DictWriter(stream, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(lines)
    return mended


def replayed(settings: Settings, folder: Path, path: Path) -> Replay:
    with opened(settings, folder) as platform:
        result = mending.propose(platform, mending.read_lines(path))
        mending.keep(platform, result.accepted, "replay")
    return result


def refused_in(settings: Settings, folder: Path) -> set[tuple[str, str]]:
    return {(key, reason) for _, key, reason in store.quarantine_of(settings, folder.name)}


def anew(report: LoadReport) -> list[str]:
    return [verdict.partition for verdict in report.verdicts if not verdict.skipped]


def test_a_mended_row_is_loaded_and_proven_and_its_entry_closed(timeseries_settings: Settings, tmp_path: Path) -> None:
    settings, name = timeseries_settings, f"mended_{kind_of(timeseries_settings)}"
    rows = ["2025-05-02 00:30:00,B1,much", "soon,B1,4.5", "2025-05-01 03:00:00,B1,77", "2025-05-02 00:45:00,B1,1e9"]
    folder = estate(tmp_path, name, POWER, power=power(*rows))
    loaded(settings, folder)
    assert refused_in(settings, folder) == {
        ("49", "not_a_number"), ("50", "unreadable_time"), ("51", "conflict"), ("52", "out_of_range")
    }  # fmt: skip

    def mend(line: dict[str, str]) -> None:
        new = {"49": {"kw": "4.25"}, "50": {"at": "2025-05-03 00:00:00"}, "51": {"at": "2025-05-01 03:30:00"},
               "52": {"kw": "2e9"}}  # fmt: skip
        line.update(new[line["quarantine_row"]])

    path = edited(exported(settings, folder), mend)
    result = replayed(settings, folder, path)
    assert (result.lines, result.untouched, result.already) == (3, 0, 0)
    assert [(refused.line, refused.row_key, refused.reason) for refused in result.refused] == [
        (4, "52", "out_of_range")
    ]

    report = loaded(settings, folder)[ENERGY]
    assert report.proved
    account = report.accounts["power.csv"]
    assert (account.read, account.loaded, account.quarantined) == (52, 51, 1)
    assert refused_in(settings, folder) == {("52", "out_of_range")}
    points = store.points_in(settings, name)["energy_consumption"]
    assert sorted(fields["power_kw"] for fields in points.values())[-1] == 77
    assert {4.25, 4.5} <= {fields["power_kw"] for fields in points.values()}
    assert [f for f in verify(settings, folder).findings if f.asset in {ENERGY, "postgres/quarantine"}] == []

    again = replayed(settings, folder, path)
    assert (again.accepted, again.lines, again.already) == ([], 0, 3)
    assert anew(loaded(settings, folder)[ENERGY]) == []
    with opened(settings, folder) as platform:
        history = mended_rows(platform.postgres, platform.estate)
    assert [(row.row_key, row.reasons, row.tenant_id, row.run_id) for row in history] == [
        ("49", "not_a_number", name, "replay"),
        ("50", "unreadable_time", name, "replay"),
        ("51", "conflict", name, "replay"),
    ]
    assert all(row.first_seen is not None and row.mended_at is not None for row in history)

    before = store.points_in(settings, name)
    forced = loaded(settings, folder, force=True)[ENERGY]
    assert forced.proved
    assert store.points_in(settings, name) == before


def test_only_the_days_that_a_mended_row_touches_are_loaded_again(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "mended_day", POWER, power=power("soon,B1,4.5"))
    loaded(stores, folder)
    replayed(stores, folder, edited(exported(stores, folder), lambda line: line.update(at="2025-05-02 00:30:00")))
    report = loaded(stores, folder)[ENERGY]
    assert report.proved
    assert anew(report) == ["2025-05-02"]


def test_a_mended_row_does_not_push_out_one_that_stands(stores: Settings, tmp_path: Path) -> None:
    text = power().replace("at,building,kw\n", "at,building,kw\nsoon,B1,4.5\nlater,B1,1.2\n")
    folder = estate(tmp_path, "mended_pushes", POWER, power=text)
    loaded(stores, folder)
    times = {"1": "2025-05-02 07:00:00", "2": "2025-05-01 02:00:00"}
    path = edited(exported(stores, folder), lambda line: line.update(at=times[line["quarantine_row"]]))
    result = replayed(stores, folder, path)
    assert [(refused.row_key, refused.reason) for refused in result.refused] == [("1", "conflict")]
    assert "later row has the same identity" in result.refused[0].explanation
    # the other one says what stands there already
    assert [row.row_key for row in result.accepted] == ["2"]
    account = loaded(stores, folder)[ENERGY].accounts["power.csv"]
    assert (account.read, account.loaded, account.duplicates, account.quarantined) == (50, 48, 1, 1)


def test_cells_of_a_wide_row_are_mended_one_by_one(stores: Settings, tmp_path: Path) -> None:
    rows = "when,t,h\n2025-05-01 00:00:00,20.5,40\n2025-05-01 01:00:00,hot,wet\n2025-05-01 02:00:00,21,dry\n"
    folder = estate(tmp_path, "mended_wide", WIDE, weather=rows)
    loaded(stores, folder)
    assert {key for key, _ in refused_in(stores, folder)} == {"2#t", "2#h", "3#h"}

    def mend(line: dict[str, str]) -> None:
        if line["quarantine_row"] == "2#t":
            line["t"] = "22.5"
        if line["quarantine_row"] == "3#h":
            line["h"] = "much"

    result = replayed(stores, folder, edited(exported(stores, folder), mend))
    # the other cell of the row is not touched, and stays where it is
    assert (result.lines, result.untouched) == (1, 1)
    assert [(refused.row_key, refused.reason) for refused in result.refused] == [("3#h", "not_a_number")]
    reports = loaded(stores, folder)
    assert reports["timeseries/sensor_data"].proved
    assert {key for key, _ in refused_in(stores, folder)} == {"2#h", "3#h"}
    # the row as it is now is exported, and mended further
    path = edited(exported(stores, folder, "more.csv"), lambda line: line.update(h="55"))
    assert replayed(stores, folder, path).lines == 2
    loaded(stores, folder)
    assert refused_in(stores, folder) == set()
    points = store.points_in(stores, "mended_wide")["sensor_data"]
    assert sorted(fields["value"] for fields in points.values()) == [20.5, 21, 22.5, 40, 55, 55]


def test_rows_of_tables_and_of_tables_of_sqlite(stores: Settings, tmp_path: Path) -> None:
    name = "mended_table"
    rows = "name,value\na,1\n,2\n=b,3\na,9\n"
    sections = SETTINGS + (
        "alerts:\n  - {sqlite: plant.db, table: alerts, key: id, time: at, building: building, sensor: sensor,"
        " severity: level, type: kind, message: text}\n"
    )
    folder = estate(tmp_path, name, sections, settings=rows)
    with sqlite3.connect(folder / "plant.db") as connection:
        connection.execute(
            "CREATE TABLE alerts (id INTEGER PRIMARY KEY, at, building TEXT, sensor TEXT, level TEXT, kind TEXT, text)"
        )
        values = [(1, "2025-05-01 01:00:00", "B1"), (2, 1746060000, None), (3, "never", "B1")]
        connection.executemany("INSERT INTO alerts VALUES (?, ?, ?, 's1', 'high', 'leak', 'wet')", values)
    loaded(stores, folder)
    before = refused_in(stores, folder)
    assert {("2", "missing_key"), ("3", "unreadable_time")} <= before

    def mend(line: dict[str, str]) -> None:
        if line["quarantine_source"] == "settings.csv":
            line["name"] = {"2": "=c", "4": "d"}[line["quarantine_row"]]
        elif line["quarantine_row"] == "2":
            line["building"] = "B2"

    result = replayed(stores, folder, edited(exported(stores, folder), mend))
    assert (result.lines, result.untouched, result.refused) == (3, 1, [])
    reports = loaded(stores, folder)
    assert reports["postgres/settings"].proved
    assert reports["timeseries/alerts"].proved
    assert refused_in(stores, folder) == {("3", "unreadable_time")}
    assert {key[1:] for key in store.rows_in(stores, "settings", name)} >= {("a",), ("=b",), ("=c",), ("d",)}
    assert [
        finding.asset for finding in verify(stores, folder).findings if not finding.asset.startswith("redis/")
    ] == []


def test_what_was_mended_can_be_withdrawn(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "mended_withdrawn", POWER, power=power("soon,B1,4.5"))
    first = loaded(stores, folder)[ENERGY]
    path = edited(exported(stores, folder), lambda line: line.update(at="2025-05-02 00:30:00"))
    replayed(stores, folder, path)
    assert loaded(stores, folder)[ENERGY].proved

    with opened(stores, folder) as platform:
        assert mending.withdraw(platform, mending.read_lines(path)) == 1
        assert mending.withdraw(platform, mending.read_lines(path)) == 0
    (unproven,) = loaded(stores, folder)[ENERGY].unproven
    assert (unproven.partition, "energy-platform repair" in unproven.reason) == ("2025-05-02", True)
    with opened(stores, folder) as platform:
        items = unaccounted(platform)
        assert [(item.asset, item.points.height) for item in items] == [(ENERGY, 1)]
        assert remove(platform, items) == 1
    last = loaded(stores, folder)[ENERGY]
    assert last.proved
    assert last.accounts == first.accounts
    assert refused_in(stores, folder) == {("49", "unreadable_time")}


def test_what_is_mended_belongs_to_the_source_whatever_is_loaded_when(stores: Settings, tmp_path: Path) -> None:
    rows = ["soon,B1,4.5", "2025-05-02 00:30:00,B1,much"]
    late = "2025-05-01 00:15:00,B1,0.5"
    states = []
    for name, order in {"mended_early": (0, 1), "mended_late": (1, 0)}.items():
        folder = estate(tmp_path, name, POWER, power=power(*rows))
        loaded(stores, folder)
        path = edited(exported(stores, folder), lambda line: line.update(at="2025-05-02 00:20:00", kw="3.5"))
        for step in order:
            if step:
                replayed(stores, folder, path)
                # two rows of the file are the same point now: the same content, and the second a duplicate
            else:
                estate(tmp_path, name, POWER, power=power(*rows, late))
            loaded(stores, folder)
        states.append(
            [(key[1:], fields) for key, fields in store.points_in(stores, name)["energy_consumption"].items()]
        )
        account = loaded(stores, folder)[ENERGY].accounts["power.csv"]
        assert (account.read, account.loaded, account.duplicates, account.quarantined) == (51, 50, 1, 0)
    assert sorted(states[0], key=repr) == sorted(states[1], key=repr)


def test_a_row_that_changed_in_its_file_is_judged_as_it_is_there(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "mended_changed", POWER, power=power("soon,B1,4.5"))
    loaded(stores, folder)
    path = edited(exported(stores, folder), lambda line: line.update(at="2025-05-02 00:30:00"))
    replayed(stores, folder, path)
    estate(tmp_path, "mended_changed", POWER, power=power("2025-05-02 00:30:00,B1,4.75"))
    assert loaded(stores, folder)[ENERGY].proved
    points = store.points_in(stores, "mended_changed")["energy_consumption"]
    assert {4.75} == {fields["power_kw"] for fields in points.values()} - {
        day + hour / 10 for day in (1, 2) for hour in range(24)
    }
    assert "holds no such row" in replayed(stores, folder, path).refused[0].explanation


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda line: line.update(quarantine_source="other.csv"), "no source 'other.csv'"),
        (lambda line: line.update(quarantine_id="row-0"), "holds no such row"),
        (lambda line: line.update({"quarantine_row": "48"}), "holds no such row"),
        (lambda line: line.update(more="1"), "no column 'more'"),
    ],
)
def test_a_line_that_means_no_row_is_refused(
    stores: Settings, tmp_path: Path, edit: Callable[[dict[str, str]], Any], message: str
) -> None:
    folder = estate(tmp_path, "mended_wrong", POWER, power=power("soon,B1,4.5"))
    loaded(stores, folder)
    path = exported(stores, folder)
    content = path.read_text(encoding="utf-8-sig").replace(",kw\r\n", ",kw,more\r\n")
    path.write_text(content, encoding="utf-8")
    result = replayed(stores, folder, edited(path, edit))
    assert result.accepted == []
    assert message in result.refused[0].explanation


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "no column quarantine_id"),
        ("quarantine_source;a\né".encode("latin-1"), "not in UTF-8"),
        (b"quarantine_source,quarantine_row,quarantine_id\n1,2,3,4\n", "4 cells, the header 3"),
    ],
)
def test_a_file_that_nobody_exported_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        mending.read_lines(path)


def test_an_export_holds_the_raw_columns_and_is_not_written_over(stores: Settings, tmp_path: Path) -> None:
    folder = estate(tmp_path, "mended_export", POWER, power=power("=1+1,B1,-4.5", 'soon,"B ""1"", Süd",0x7'))
    loaded(stores, folder)
    path = exported(stores, folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["at"], first["building"], first["kw"], first["quarantine_reason"]) == (
        "'=1+1", "B1", "-4.5", "unreadable_time"
    )  # fmt: skip
    assert (second["at"], second["building"], second["kw"]) == ("soon", 'B "1", Süd', "0x7")
    with opened(stores, folder) as platform:
        rows = refused_rows(platform.postgres, platform.estate)
        with pytest.raises(UsageError, match="there already"):
            write_export(path, platform.estate, rows)
        counts = refused_counts(platform.postgres, platform.estate, Chosen(reason="unreadable_time"))
    assert counts.select("source", "partition", "rows").rows() == [("power.csv", "undated", 2)]
    assert replayed(stores, folder, path).untouched == 2


def test_a_file_that_feeds_two_targets_is_mended_for_both(stores: Settings, tmp_path: Path) -> None:
    sections = (
        "energy:\n  - {csv: mixed.csv, time: at, building: building, power_kw: kw, ignore: {t: a reading}}\n"
        "readings:\n  - {csv: mixed.csv, shape: wide, time: at, building: building, values: {t: temperature},"
        " ignore: {kw: energy}}\n"
    )
    rows = "at,building,kw,t\n2025-05-01 00:00:00,B1,1.5,20\nsoon,B1,2.5,21\n"
    folder = estate(tmp_path, "mended_twice", sections, mixed=rows)
    loaded(stores, folder)
    assert {key for key, _ in refused_in(stores, folder)} == {"2", "2#t"}
    path = edited(exported(stores, folder), lambda line: line.update(at="2025-05-01 01:00:00"))
    result = replayed(stores, folder, path)
    assert (result.lines, len(result.accepted), result.refused) == (2, 1, [])
    reports = loaded(stores, folder)
    assert all(reports[asset].proved for asset in (ENERGY, "timeseries/sensor_data"))
    assert refused_in(stores, folder) == set()
    assert replayed(stores, folder, path).already == 2
