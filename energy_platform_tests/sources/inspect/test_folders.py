"""Whole folders: databases in every state, files of one kind, arrays in JSON, models, copies, and real estates."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain.errors import EstateError
from energy_platform.sources.estate import Estate, check_estate, read_estate
from energy_platform.sources.inspect.estate_text import estate_text, scalar
from energy_platform.sources.inspect.inspection import inspect_folder
from energy_platform.sources.inspect.proposal import Proposal
from energy_platform.sources.opening import open_source
from energy_platform.sources.yaml_file import load_yaml

REPOSITORY = Path(__file__).parents[3]
DATA = REPOSITORY / "data"
LEGACY = REPOSITORY.parent / "shared" / "legacy_estate"
LEGACY_FILE = REPOSITORY / "energy_platform_tests" / "legacy_estate.yaml"

READINGS = "CREATE TABLE readings (sensor_id TEXT, building_id TEXT, time TEXT, value REAL)"
ENERGY = "time,power_kw\n" + "".join(f"2024-01-{day:02d} 10:00,{day % 7}.5\n" for day in range(1, 29))


def fill(connection: sqlite3.Connection, table: str = "readings", days: int = 28) -> None:
    rows = [(f"s{day % 3}", f"B{day % 2}", f"2024-01-{day:02d} 10:00:00", day + 0.5) for day in range(1, days + 1)]
    connection.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?, ?)', rows)
    connection.commit()


def accepted(folder: Path, proposal: Proposal) -> Estate:
    """The estate that a proposal makes, once it was checked against its folder."""
    file = folder / "estate.yaml"
    file.write_text(estate_text(proposal), encoding="utf-8")
    estate = read_estate(folder)
    check_estate(estate)
    return estate


def rows_of(estate: Estate) -> dict[str, int]:
    return {spec.name: sum(frame.height for frame in open_source(spec).batches()) for spec in estate.sources}


def mapping(estate: Estate) -> dict[tuple[str, str], tuple[object, ...]]:
    """What matters of each source: its key, roles and further fields."""
    resolved = {(spec.target, spec.name): spec.resolved(open_source(spec).columns()) for spec in estate.sources}
    return {name: (spec.key, dict(spec.roles), dict(spec.extra)) for name, spec in resolved.items()}


def test_views_are_ignored_and_their_rows_come_once(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute(READINGS)
        connection.execute('CREATE VIEW "all readings" AS SELECT * FROM readings')
        fill(connection)
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert proposal.ignored == {"a.db/all readings": "a view: its rows come from tables"}
    assert rows_of(accepted(tmp_path, proposal)) == {"a.db/readings": 28}


def test_tables_without_rowid_with_reserved_and_korean_names(tmp_path):
    with closing(sqlite3.connect(tmp_path / "계측.db")) as connection:
        connection.execute(
            'CREATE TABLE "order" ("센서" TEXT, "건물" TEXT, "시각" TEXT, "값" REAL, PRIMARY KEY ("센서", "시각"))'
            " WITHOUT ROWID"
        )
        fill(connection, "order")
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    estate = accepted(tmp_path, proposal)
    assert rows_of(estate) == {"계측.db/order": 28}
    roles = {column: role.column for column, role in estate.sources[0].roles.items()}
    assert roles == {"time": "시각", "building_id": "건물", "sensor_id": "센서", "value": "값"}


def test_a_log_that_was_never_merged(tmp_path):
    """What stands in the write-ahead log alone is seen, and nothing is written to the folder."""
    source = tmp_path / "live"
    source.mkdir()
    with closing(sqlite3.connect(source / "a.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(READINGS)
        fill(connection)
        folder = tmp_path / "copy"
        folder.mkdir()
        for name in ("a.db", "a.db-wal"):
            shutil.copy(source / name, folder / name)
    proposal = inspect_folder(folder, timezone="Asia/Seoul")
    assert [source.rows for source in proposal.sources] == [28]
    assert proposal.ignored == {}
    assert str(proposal.head["first_day"]) == "2024-01-01"


def test_columns_of_several_kinds_are_told(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute(READINGS)
        fill(connection)
        connection.execute("INSERT INTO readings VALUES ('s1', 'B1', '2024-02-01 10:00:00', 'fault')")
        connection.commit()
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert proposal.sources[0].entry["value"] == "value"
    assert "'value' holds values of another kind in 1 of 29 rows" in proposal.sources[0].notes[0]
    accepted(tmp_path, proposal)


def test_a_corrupt_database_is_a_question(tmp_path):
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (tmp_path / "b.csv").write_text("building_id," + ENERGY.replace("\n2024", "\nB1,2024"))
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert [question.where for question in proposal.questions] == ["a.db"]
    assert proposal.ignored["a.db"].startswith("? ")


@pytest.mark.parametrize(
    ("names", "pattern", "building"),
    [
        pytest.param(
            ["meters/building_B1.csv", "meters/building_B2.csv"],
            "meters/building_*.csv",
            {"meters/building_B1.csv": {"B1"}, "meters/building_B2.csv": {"B2"}},
            id="one file per building",
        ),
        pytest.param(["B1/power.csv", "B2/power.csv"], "*/power.csv", None, id="one folder per building"),
        pytest.param(
            ["B1_2024-01.csv", "B1_2024-02.csv", "B2_2024-01.csv"],
            "*.csv",
            {"B1_2024-01.csv": {"B1"}, "B1_2024-02.csv": {"B1"}, "B2_2024-01.csv": {"B2"}},
            id="one per building and month",
        ),
    ],
)
def test_files_of_one_kind(names, pattern, building, tmp_path):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(ENERGY.replace("10:00", f"{10 + names.index(name)}:00"))
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert [source.entry["csv"] for source in proposal.sources] == [pattern]
    assert proposal.is_certain
    estate = accepted(tmp_path, proposal)
    assert {spec.name for spec in estate.sources} == set(names)
    if building is not None:
        found = {spec.name: {str(spec.roles["building_id"].constant)} for spec in estate.sources}
        assert found == building


def test_a_file_per_month_with_a_column_for_the_building(tmp_path):
    content = "building_id," + ENERGY.replace("\n2024", "\nB1,2024")
    for month in ("01", "02", "03"):
        (tmp_path / f"energy_2024-{month}.csv").write_text(content.replace("2024-01", f"2024-{month}"))
    (tmp_path / "energy_note.txt").write_text("These are the figures.\nNothing else is known of them, sadly; alas.\n")
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert proposal.sources[0].entry["csv"] == "energy_*.csv"
    assert proposal.sources[0].entry["building"] == "building_id"
    assert list(proposal.ignored) == ["energy_note.txt"]
    assert len(accepted(tmp_path, proposal).sources) == 3


def test_a_pattern_never_takes_a_file_of_another_kind(tmp_path):
    for name in ("a_1.csv", "a_2.csv"):
        (tmp_path / name).write_text("building_id," + ENERGY.replace("\n2024", f"\n{name},2024"))
    (tmp_path / "a_3.csv").write_text("invoice_id,amount,currency\n1,100,KRW\n2,200,KRW\n")
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert sorted(source.entry["csv"] for source in proposal.sources) == ["a_1.csv", "a_2.csv", "a_3.csv"]
    accepted(tmp_path, proposal)


def test_copies_are_loaded_once(tmp_path):
    content = "building_id," + ENERGY.replace("\n2024", "\nB1,2024")
    (tmp_path / "old").mkdir()
    for name in ("energy.csv", "energy (1).csv", "Energy_copy.csv", "old/energy.csv", "other.csv"):
        (tmp_path / name).write_text(content)
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    copies = ("energy (1).csv", "Energy_copy.csv", "old/energy.csv")
    assert proposal.ignored == dict.fromkeys(copies, "the same bytes as energy.csv")
    # the same bytes alone are no reason: two meters may have measured nothing
    assert rows_of(accepted(tmp_path, proposal)) == {"energy.csv": 28, "other.csv": 28}


def test_arrays_in_json(tmp_path):
    sensors = [{"id": f"t{i}", "building_id": "B1", "unit": "C", "limits": {"min": 5, "max": 30}} for i in range(3)]
    document = {"version": 2, "site": {"temperature_sensors": sensors, "humidity_sensors": sensors[:1]}}
    (tmp_path / "config.json").write_text(json.dumps(document))
    (tmp_path / "broker.json").write_text('{"host": "localhost", "port": 1883}')
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    (source,) = proposal.sources
    assert (source.section, source.entry["at"], source.entry["sensor_id"]) == ("sensors", "site", "id")
    assert source.entry["sensor_type"]["map"] == {
        "temperature_sensors": "temperature",
        "humidity_sensors": "humidity",
    }
    assert proposal.ignored == {"broker.json": "settings: no array of objects stands in it"}
    accepted(tmp_path, proposal)


def test_the_building_follows_from_the_sensor_where_something_says_so(tmp_path):
    (tmp_path / "sensors.csv").write_text("sensor_id,building_id,unit\nt1,B1,C\nt2,B2,C\n")
    rows = "".join(f"2024-01-{day:02d} 10:00,t{day % 2 + 1},{day}.5\n" for day in range(1, 29))
    (tmp_path / "values.csv").write_text("time,sensor_id,value\n" + rows)
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    entries = {source.section: source.entry for source in proposal.sources}
    assert entries["readings"]["building"] == {"from": "sensor"}
    accepted(tmp_path, proposal)


def test_what_cannot_be_read_is_asked_for(tmp_path):
    (tmp_path / "b.csv").write_text("building_id," + ENERGY.replace("\n2024", "\nB1,2024"))
    (tmp_path / "old.xlsx").write_bytes(b"PK\x03\x04....")
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04N.")
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert [question.where for question in proposal.questions] == ["old.xlsx", "model.pkl"]
    assert proposal.ignored["notes.md"] == "describes the folder, holds no data"


def test_all_questions_are_named_until_they_are_answered(tmp_path):
    (tmp_path / "b.csv").write_text("time,power\n01/02/2024 10:00,300\n02/02/2024 10:00,400\n")
    file = tmp_path / "estate.yaml"
    file.write_text(estate_text(inspect_folder(tmp_path)), encoding="utf-8")
    with pytest.raises(EstateError) as caught:
        read_estate(tmp_path)
    assert "4 questions are open" in caught.value.what
    for line in (
        "timezone: Asia/Seoul or Europe/Berlin",
        "energy[0].time.order: day_first or month_first",
        "energy[0].power_kw.unit: kW or W",
        "energy[0].building.const: b",
    ):
        assert line in caught.value.remedy
    answered = file.read_text(encoding="utf-8")
    for question, answer in (
        ('"? Asia/Seoul | Europe/Berlin | America/New_York | UTC"', "Asia/Seoul"),
        ('"? day_first | month_first"', "day_first"),
        ('"? kW | W"', "W"),
        ('"? b"', "B1"),
    ):
        assert question in answered
        answered = answered.replace(question, answer)
    file.write_text(answered, encoding="utf-8")
    check_estate(read_estate(tmp_path))


def test_times_that_all_carry_a_zone_ask_for_none(tmp_path):
    (tmp_path / "b.csv").write_text(
        "building_id," + ENERGY.replace("\n2024", "\nB1,2024").replace(":00,", ":00+09:00,")
    )
    proposal = inspect_folder(tmp_path)
    assert proposal.is_certain
    assert proposal.head["timezone"] == "Asia/Seoul"
    assert proposal.comments["timezone"].startswith("likely")


def test_clocks_that_were_wrong_do_not_move_the_first_day(tmp_path):
    wrong = "1970-01-01 09:00,B1,3.5\n2091-01-01 09:00,B1,3.5\n"
    rows = "".join(f"2024-01-{day:02d} {hour:02d}:00,B1,{day % 7}.5\n" for day in range(1, 29) for hour in range(24))
    (tmp_path / "b.csv").write_text(f"time,building_id,power_kw\n{wrong}{rows}")
    assert str(inspect_folder(tmp_path, timezone="Asia/Seoul").head["first_day"]) == "2024-01-01"


def test_the_sample_estate_comes_to_the_same_mapping(tmp_path):
    folder = tmp_path / "sample"
    shutil.copytree(DATA, folder)
    (folder / "estate.yaml").unlink()
    proposal = inspect_folder(folder, timezone="Asia/Seoul")
    assert proposal.is_certain
    estate, known = accepted(folder, proposal), read_estate(DATA)
    proposed, expected = mapping(estate), mapping(known)
    assert proposed.keys() == expected.keys()
    differing = {name for name in expected if proposed[name] != expected[name]}
    # there a person knew that floor and room type say nothing here, and whose the importances are
    assert differing == {("energy_consumption", "building_data.csv"), ("feature_importances", "feature_importance.csv")}
    energy = ("energy_consumption", "building_data.csv")
    assert proposed[energy][:2] == expected[energy][:2]
    assert (estate.first_day, estate.tenant_code, estate.tenant_name) == (
        known.first_day,
        known.tenant_code,
        known.tenant_name,
    )
    assert estate.models_folder == folder / "models"
    assert inspect_folder(folder).questions[0].where == "timezone"


@pytest.mark.skipif(not LEGACY.is_dir(), reason="the real legacy estate is not here")
def test_the_real_estate_comes_to_the_same_mapping(tmp_path):
    proposal = inspect_folder(LEGACY, timezone="Asia/Seoul")
    assert proposal.is_certain
    file = tmp_path / "estate.yaml"
    file.write_text(estate_text(proposal), encoding="utf-8")
    estate, known = read_estate(LEGACY, file), read_estate(LEGACY, LEGACY_FILE)
    check_estate(estate)
    proposed, expected = mapping(estate), mapping(known)
    assert proposed.keys() == expected.keys()
    # no file says of which model the importances are
    assert {name for name in expected if proposed[name] != expected[name]} == {
        ("feature_importances", "feature_importance.csv")
    }
    assert (estate.first_day, estate.models_folder, dict(estate.ignored)) == (
        known.first_day,
        known.models_folder,
        dict(known.ignored),
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_name_stands_in_the_file_as_it_is(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "names.yaml"
    file.write_text(f"a: {{{scalar(text)}: [{scalar(text)}]}}\nb: {scalar(text)}  # comment\n", encoding="utf-8")
    assert load_yaml(file) == {"a": {text: [text]}, "b": text}


def test_marks_and_numbers_in_the_texts_of_a_database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE log (building TEXT, time INTEGER, power_kw TEXT, temp_f REAL)")
        rows = [("B1", 1_704_067_200_000 + i * 3_600_000, f"{i % 7},5", 50.5 + i % 9) for i in range(40)]
        rows += [("B1", 1_704_470_400_000, "N/A", -999.0)]
        connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    entry = proposal.sources[0].entry
    assert entry["time"] == {"column": "time", "unit": "ms"}
    assert (entry["decimal"], entry["missing"]) == (",", ["N/A", "-999"])
    assert entry["temperature_c"] == {"column": "temp_f", "unit": "F"}
    accepted(tmp_path, proposal)


def test_a_file_for_each_sensor(tmp_path):
    values = "".join(f"2024-01-{day:02d} 10:00,{day}.5\n" for day in range(1, 29))
    for name in ("temp_1", "rh_1"):
        (tmp_path / f"{name}.csv").write_text(f"time,value\n{values}")
    (tmp_path / "rooms.csv").write_text("building_id,name,address\nB1,Tower,Street 1\n")
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    readings = {source.name: source.entry for source in proposal.sources if source.section == "readings"}
    assert {name: (entry["sensor"], entry["type"]) for name, entry in readings.items()} == {
        "rh_1.csv": ({"const": "rh_1"}, {"const": "humidity"}),
        "temp_1.csv": ({"const": "temp_1"}, {"const": "temperature"}),
    }
    assert all(entry["building"] == {"const": "B1"} for entry in readings.values())
    accepted(tmp_path, proposal)


def test_what_is_left_of_a_json_file_is_told(tmp_path):
    sensors = [{"sensor_id": f"t{i}", "building_id": "B1", "unit": "C"} for i in range(3)]
    (tmp_path / "config.json").write_text(json.dumps({"sensors": sensors, "colours": [{"red": "a"}, {"red": "b"}]}))
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert proposal.sources[0].notes == ["colours is not loaded: it fits no target by its columns red."]
    assert proposal.ignored == {}
    accepted(tmp_path, proposal)


_CELLS = st.sampled_from(
    [
        *("time", "building", "value", "2024-01-01 10:00", "01/02/2024", "1704067200", "1,5", "-999", "NA", '"', ""),
        *("a\0b", "온도", "#", "21 °C", "24:00", "1e309", "{", "[]", "true", "x" * 50),
    ]
)
_LINES = st.lists(st.lists(_CELLS, min_size=1, max_size=5), max_size=12)


@settings(max_examples=40, deadline=None)
@given(_LINES, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "utf-16"]))
def test_whatever_stands_in_a_file_the_readers_take_what_is_certain(tmp_path_factory, lines, separator, end, encoding):
    folder = tmp_path_factory.mktemp("any")
    (folder / "any.csv").write_bytes(end.join(separator.join(line) for line in lines).encode(encoding))
    (folder / "rooms.csv").write_text("building_id,name,address\nB1,Tower,Street 1\n")
    proposal = inspect_folder(folder, timezone="Asia/Seoul")
    if proposal.is_certain:
        accepted(folder, proposal)
    else:
        (folder / "estate.yaml").write_text(estate_text(proposal), encoding="utf-8")
        with pytest.raises(EstateError):
            read_estate(folder)


def months(days: dict[str, str], head: str = "time;power_kw\n") -> dict[str, str]:
    """Files of one kind, by name: their rows, after one head."""
    return {name: head + rows for name, rows in days.items()}


def proposed(folder, files):
    """The entries of the sources that are proposed for some files, by file or pattern, and the words of questions."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    proposal = inspect_folder(folder, timezone="Asia/Seoul")
    entries = {source.entry.get("csv") or source.entry["sqlite"]: source.entry for source in proposal.sources}
    return entries, [question.what for question in proposal.questions]


def rows(times, numbers):
    return "".join(f"{time};{number}\n" for time, number in zip(times, numbers, strict=True))


def test_the_other_files_of_a_kind_tell_which_number_is_the_day(tmp_path):
    few = [f"0{day}/02/2024 10:00" for day in range(1, 9)]
    more = [f"{day}/03/2024 10:00" for day in range(10, 31)]
    files = months({"m_B1.csv": rows(few, range(8)), "m_B2.csv": rows(more, range(21))})
    entries, questions = proposed(tmp_path, files)
    assert entries["m_*.csv"]["time"] == {"column": "time", "order": "day_first"}
    assert not questions


def test_files_that_write_days_otherwise_are_read_otherwise(tmp_path):
    british = [f"{day:02d}/03/2024 10:00" for day in range(1, 31)]
    american = [f"03/{day:02d}/2024 10:00" for day in range(1, 31)]
    files = months({"m_B1.csv": rows(british, range(30)), "m_B2.csv": rows(american, range(30))})
    entries, _ = proposed(tmp_path, files)
    assert {name: entry["time"]["order"] for name, entry in entries.items()} == {
        "m_B1.csv": "day_first",
        "m_B2.csv": "month_first",
    }


def test_seconds_are_no_milliseconds_though_names_are_alike(tmp_path):
    files = months(
        {
            "m_B1.csv": rows([1_704_067_200 + 900 * i for i in range(20)], range(20)),
            "m_B2.csv": rows([(1_704_067_200 + 900 * i) * 1000 for i in range(20)], range(20)),
        },
        "epoch;power_kw\n",
    )
    entries, _ = proposed(tmp_path, files)
    assert {name: entry["time"]["unit"] for name, entry in entries.items()} == {"m_B1.csv": "s", "m_B2.csv": "ms"}


def test_what_stands_in_one_file_of_a_kind_holds_for_all(tmp_path):
    """Marks for missing values, and thousands: an entry for many files says them once."""
    times = [f"2024-03-{day:02d} 10:00" for day in range(1, 21)]
    small = [f"{i},5" for i in range(20)]
    large = [*(f"1.{i:03d},5" for i in range(19)), "NA"]
    files = months({"m_B1.csv": rows(times, small), "m_B2.csv": rows(times, large), "m_B3.csv": rows(times, range(20))})
    entries, questions = proposed(tmp_path, files)
    (entry,) = entries.values()
    assert (entry["csv"], entry["decimal"], entry["thousands"]) == ("m_*.csv", ",", ".")
    assert entry["missing"] == ["NA"]
    assert not questions


def test_numbers_of_files_of_a_kind_that_are_written_otherwise(tmp_path):
    """`1.125` beside files with decimal commas may be a thousand: it is asked for, `1.5` is not."""
    times = [f"2024-03-{day:02d} 10:00" for day in range(1, 21)]
    files = months(
        {
            "m_B1.csv": rows(times, [f"{i + 1}.125" for i in range(20)]),
            "m_B2.csv": rows(times, [f"{i},5" for i in range(20)]),
            "m_B3.csv": rows(times, [f"{i}.5" for i in range(20)]),
        }
    )
    entries, questions = proposed(tmp_path, files)
    styles = {name: entry.get("decimal") for name, entry in entries.items()}
    assert styles == {"m_B1.csv": "? . | ,", "m_B2.csv": ",", "m_B3.csv": None}
    assert any("the point in numbers such as '1.125'" in question for question in questions)


def test_a_database_for_each_building(tmp_path):
    for building in ("B1", "B2"):
        with closing(sqlite3.connect(tmp_path / f"{building}.db")) as connection:
            connection.execute("CREATE TABLE log (ts INTEGER, power_kw REAL)")
            readings = [(1_704_067_200 + 900 * i, i + len(building)) for i in range(20)]
            connection.executemany("INSERT INTO log VALUES (?, ?)", readings)
            connection.execute("CREATE TABLE audit (who TEXT)")
            connection.commit()
    proposal = inspect_folder(tmp_path)
    (source,) = proposal.sources
    assert (source.entry["sqlite"], source.entry["table"], source.rows) == ("*.db", "log", 40)
    estate = accepted(tmp_path, proposal)
    buildings = {spec.name: spec.roles["building_id"].constant for spec in estate.sources}
    assert buildings == {"B1.db/log": "B1", "B2.db/log": "B2"}


def test_a_register_whose_keys_come_again_and_again_is_asked_for(tmp_path):
    (tmp_path / "s.csv").write_text("sensor_id,unit\n" + "s1,C\ns2,C\n" * 10)
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert [source.entry.get("sensor_id") for source in proposal.sources] == ["? sensor_id"]


def test_a_header_of_hours_is_a_header(tmp_path):
    days = "".join(
        f"B1,2024-01-{day:02d}," + ",".join(f"{day}.{hour}" for hour in range(24)) + "\n" for day in range(1, 9)
    )
    head = ",".join(f"{hour:02d}:00" for hour in range(24))
    (tmp_path / "a.csv").write_text(f"building,date,{head}\n{days}")
    (tmp_path / "b.csv").write_text("building_id," + ENERGY.replace("\n2024", "\nB1,2024"))
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    assert [source.name for source in proposal.sources] == ["b.csv"]
    (question,) = proposal.questions
    assert question.where == "a.csv"
    assert "a column for each hour of the day" in question.what


def test_columns_that_a_table_of_buildings_knows_are_buildings(tmp_path):
    names = [f"Bear_office_{i}" for i in range(90)]
    hours = "".join(f"2024-01-0{day} 0{hour}:00" + ",1.5" * 90 + "\n" for day in range(1, 5) for hour in range(9))
    (tmp_path / "electricity.csv").write_text(f"timestamp,{','.join(names)}\n{hours}")
    (tmp_path / "metadata.csv").write_text("building_id,sqm\n" + "".join(f"{name},{len(name)}0\n" for name in names))
    proposal = inspect_folder(tmp_path, timezone="US/Eastern")
    energy = next(source for source in proposal.sources if source.section == "energy")
    assert energy.entry["building"] == {"from": "column"}
    assert energy.entry["values"] == dict.fromkeys(names, "power_kw")
    assert not proposal.questions
    accepted(tmp_path, proposal)


def test_times_in_a_form_that_nobody_knows_are_told(tmp_path):
    (tmp_path / "a.csv").write_text(
        "timestamp,building,kw\n" + "".join(f"{45311 + i}.25,B1,{i}.5\n" for i in range(20))
    )
    (tmp_path / "b.csv").write_text("building_id," + ENERGY.replace("\n2024", "\nB1,2024"))
    (question,) = inspect_folder(tmp_path, timezone="Asia/Seoul").questions
    assert question.where == "a.csv"
    assert "'timestamp' is called like a time, and '45311.25' is in no form that is known" in question.what
