"""An estate file against its folder: nothing stays unmentioned, nothing mentioned is missing."""

import sqlite3
from pathlib import Path

import pytest

from energy_platform.domain.errors import EnergyPlatformError, EstateError, SourceError, SourceMissingError
from energy_platform.sources.estate import check_estate, read_estate
from energy_platform.sources.opening import open_source

DATA = Path(__file__).parents[2] / "data"
LEGACY = Path(__file__).parents[3] / "shared" / "legacy_estate"
LEGACY_FILE = Path(__file__).parents[1] / "legacy_estate.yaml"

HEAD = "estate: e\ntimezone: Asia/Seoul\nfirst_day: 2023-01-01\n"
CSV = "readings:\n  - {csv: a.csv, time: t, building: b, sensor: s, value: v}\n"


def estate_of(folder: Path, text: str):
    (folder / "estate.yaml").write_text(HEAD + text, encoding="utf-8")
    return read_estate(folder)


def refused(folder: Path, text: str, kind: type[EnergyPlatformError] = EstateError):
    with pytest.raises(kind) as caught:
        check_estate(estate_of(folder, text))
    assert caught.value.remedy
    return caught.value


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.csv").write_text("t,b,s,v\n1,2,3,4\n")
    return tmp_path


def counts(estate) -> dict[str, int]:
    return {
        f"{spec.target}:{spec.name}": sum(frame.height for frame in open_source(spec).batches(10_000))
        for spec in estate.sources
    }


def test_the_sample_is_complete():
    before = snapshot(DATA)
    estate = read_estate(DATA)
    check_estate(estate)
    found = counts(estate)
    assert found["sensor_data:sensor_readings.db/sensor_readings"] == 38722
    assert found["energy_consumption:building_data.csv"] == 6482
    assert found["sensors:sensor_config.json/sensors"] == 12
    assert snapshot(DATA) == before


@pytest.mark.skipif(not LEGACY.is_dir(), reason="the real estate is not on this machine")
def test_the_real_estate_is_complete():
    before = snapshot(LEGACY)
    estate = read_estate(LEGACY, LEGACY_FILE)
    check_estate(estate)
    assert counts(estate) == {
        "sensor_data:sensor_readings.db/sensor_readings": 1818,
        "energy_consumption:building_data.csv": 43800,
        "alerts:sensor_readings.db/alerts": 2,
        "sensors:sensor_config.json/sensors": 55,
        "sensor_status:sensor_readings.db/sensor_status": 11,
        "model_scores:model_performance.csv": 9,
        "feature_importances:feature_importance.csv": 67,
    }
    alerts = next(open_source(estate.sources_of("alerts")[0]).batches(10))
    assert alerts["message"][0] == "1층 로비 온도가 28°C를 초과했습니다."
    assert alerts["@order"].to_list() == [1, 2]
    assert alerts["@key"].null_count() == 2
    scores = next(open_source(estate.sources_of("model_scores")[0]).batches(10))
    assert scores["MAPE"][0] == "inf"
    assert scores[""][0] == "Linear_Regression"
    assert snapshot(LEGACY) == before


def test_files_that_nobody_mentions(folder):
    (folder / "notes.txt").write_text("x")
    error = refused(folder, CSV)
    assert error.what == "A file is neither mapped nor ignored: 'notes.txt'."
    assert "`notes.txt: reason`" in error.remedy
    (folder / "old" / "deep").mkdir(parents=True)
    (folder / "old" / "deep" / "b.csv").write_text("x")
    assert "2 files are neither mapped nor ignored: 'notes.txt', 'old/deep/b.csv'" in refused(folder, CSV).what
    check_estate(estate_of(folder, CSV + "ignore: {notes.txt: not data, old/: past}"))
    check_estate(estate_of(folder, CSV + "ignore: {notes.txt: not data, old: past, gone.txt: is gone}"))
    check_estate(estate_of(folder, CSV + "ignore: {notes.txt: not data, old/deep/b.csv: past}"))


def test_hidden_files_and_the_estate_file_are_free(folder):
    (folder / ".DS_Store").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    check_estate(estate_of(folder, CSV))


def test_files_that_are_missing(folder):
    error = refused(folder, CSV.replace("a.csv", "b.csv"), SourceMissingError)
    assert error.where == "b.csv"
    assert str(folder / "b.csv") in error.what
    assert "models" in refused(folder, CSV + "models: {folder: models}", SourceMissingError).what
    (folder / "models").mkdir()
    (folder / "models" / "x.pkl").write_bytes(b"x")
    check_estate(estate_of(folder, CSV + "models: {folder: models}"))
    (folder / "dir.csv").mkdir()
    assert "no regular file" in refused(folder, CSV.replace("a.csv", "dir.csv"), SourceError).what


def test_columns(folder):
    error = refused(folder, CSV.replace("value: v", "value: V"))
    assert error.where == "estate.yaml: readings[0].value"
    assert error.what == "There is no column 'V' in a.csv."
    assert error.remedy == "Did you mean 'v'? Columns are 't', 'b', 's', 'v'."
    error = refused(folder, CSV.replace("building: b", "building: bb"))
    assert error.where == "estate.yaml: readings[0].building"
    assert refused(folder, CSV.replace("value: v", "value: v, key: k")).where == "estate.yaml: readings[0].key"
    (folder / "a.csv").write_text("t,b,s,v,new\n1,2,3,4,5\n")
    error = refused(folder, CSV)
    assert error.what == "A column of a.csv is neither mapped nor ignored: 'new'."
    assert error.where == "estate.yaml: readings[0]"
    check_estate(estate_of(folder, CSV.replace("value: v", "value: v, ignore: {new: why}")))
    check_estate(estate_of(folder, CSV.replace("value: v", "value: v, key: new")))


def test_a_file_that_feeds_two_targets(folder):
    (folder / "a.csv").write_text("t,b,s,v,kw\n1,2,3,4,5\n")
    both = CSV + "energy:\n  - {csv: a.csv, time: t, building: b, power_kw: kw}\n"
    check_estate(estate_of(folder, both))


def test_tables_need_their_key(folder):
    (folder / "a.csv").write_text("mail,name\nx,y\n")
    error = refused(folder, "tables: {users: {csv: a.csv, email: mail}}")
    assert error.what == "The column 'user_id' is missing: no row of users can be without it."
    assert error.where == "estate.yaml: tables.users"
    check_estate(estate_of(folder, "tables: {users: {csv: a.csv, email: mail, user_id: mail}}"))
    error = refused(folder, "tables: {tenants: {csv: a.csv, ignore: {mail: x}}}")
    assert "The column 'tenant' is missing" in error.what
    (folder / "a.csv").write_text("feature,importance\nx,1\n")
    check_estate(estate_of(folder, "tables: {feature_importances: {csv: a.csv}}"))


def test_sqlite_tables(tmp_path):
    with sqlite3.connect(tmp_path / "d.db") as connection:
        connection.execute("CREATE TABLE a (t, b, s, v)")
        connection.execute("CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT)")
        connection.execute("CREATE VIEW seen AS SELECT * FROM a")
    connection.close()
    text = "readings:\n  - {sqlite: d.db, table: a, time: t, building: b, sensor: s, value: v}\n"
    error = refused(tmp_path, text)
    assert error.what == "2 tables are neither mapped nor ignored: 'd.db/other', 'd.db/seen'."
    assert '`"d.db/other": reason`' in error.remedy
    check_estate(estate_of(tmp_path, text + 'ignore: {"d.db/other": x, "d.db/seen": y}'))
    error = refused(tmp_path, text.replace("table: a", "table: ohter"))
    assert error.where == "estate.yaml: readings[0].table"
    assert error.what == "There is no table or view 'ohter' in d.db."
    assert error.remedy == "Did you mean 'other'? Tables are 'a', 'other', 'seen'."
    error = refused(tmp_path, text + 'ignore: {"d.db/a": x}')
    assert "mapped in" in error.what


def test_files_beside_a_mapped_sqlite_file_are_free(tmp_path):
    connection = sqlite3.connect(tmp_path / "d.db")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE a (t, b, s, v)")
    connection.commit()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d.db", "d.db-shm", "d.db-wal"]
    text = "readings:\n  - {sqlite: d.db, table: a, time: t, building: b, sensor: s, value: v}\n"
    check_estate(estate_of(tmp_path, text))
    connection.close()
    (tmp_path / "e.db-wal").write_text("x")
    assert "'e.db-wal'" in refused(tmp_path, text).what


def test_keys_of_a_json_file_beside_the_array_are_free(tmp_path):
    (tmp_path / "s.json").write_text('{"version": 1, "sensors": {"t": [{"id": "a", "x": {"y": 1}}]}}')
    text = "tables:\n  sensors: {json: s.json, at: sensors, sensor_id: id, minimum: x.y}\n"
    check_estate(estate_of(tmp_path, text))
    assert "'x.y'" in refused(tmp_path, text.replace(", minimum: x.y", "")).what
    assert "no 'sensor'" in refused(tmp_path, text.replace("at: sensors", "at: sensor"), SourceError).what


def test_a_view_beside_its_table_would_load_rows_twice(tmp_path):
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.executescript(
        """CREATE TABLE r (t, b, s, v); CREATE TABLE other (t, b, s, v);
        CREATE VIEW latest AS SELECT * FROM r WHERE t > 1;
        CREATE VIEW "order" AS SELECT t, b, s, v FROM latest UNION ALL SELECT * FROM other;"""
    )
    connection.close()

    def mapped(*tables: str, ignored: str = "") -> str:
        entries = "".join(
            f'  - {{sqlite: a.db, table: "{name}", time: t, building: b, sensor: s, value: v}}\n' for name in tables
        )
        return f"readings:\n{entries}ignore: {{{ignored}}}\n"

    error = refused(tmp_path, mapped("latest", "r"))
    assert error.what == (
        "'latest' is a view of 'r', which is mapped in estate.yaml: readings[1]: the same rows would be loaded twice."
    )
    assert error.where == "estate.yaml: readings[0].table"
    assert "say under `ignore:` why" in (error.remedy or "")
    assert "'order' is a view of 'other'" in refused(tmp_path, mapped("order", "other")).what
    assert "'order' is a view of 'latest'" in refused(tmp_path, mapped("latest", "order")).what
    check_estate(estate_of(tmp_path, mapped("r", "other", ignored="a.db/latest: of r, a.db/order: of both")))
    check_estate(estate_of(tmp_path, mapped("order", ignored="a.db/latest: x, a.db/r: x, a.db/other: x")))
    # another target is fed by what a view makes of the rows
    two = mapped("r", ignored="a.db/order: x, a.db/other: x")
    check_estate(
        estate_of(tmp_path, two + "tables:\n  sensors: {sqlite: a.db, table: latest, sensor_id: s, building_id: b, "
                  "ignore: {t: x, v: x}}\n")
    )  # fmt: skip
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript("DROP TABLE other;")
    connection.close()
    broken = refused(tmp_path, mapped("r", "order", ignored="a.db/latest: x"), SourceError)
    assert "no such table" in broken.what


def test_a_pattern_of_files_is_checked_file_by_file(folder):
    (folder / "m").mkdir()
    (folder / "m" / "b1.csv").write_text("t,v\n1,2\n")
    (folder / "m" / "b2.csv").write_text("t,v\n1,2\n")
    text = CSV + "energy:\n  - {csv: 'm/*.csv', time: t, building: {from: name, pattern: '(b.)'}, power_kw: v}\n"
    check_estate(estate_of(folder, text))
    (folder / "m" / "b2.csv").write_text("t,w\n1,2\n")
    error = refused(folder, text)
    assert error.what == "There is no column 'v' in m/b2.csv."
    (folder / "m" / "b2.csv").write_text("t,v,w\n1,2,3\n")
    assert refused(folder, text).what == "A column of m/b2.csv is neither mapped nor ignored: 'w'."
    (folder / "m" / "b2.txt").write_text("t,v\n")
    check_estate(
        estate_of(folder, text.replace("power_kw: v", "power_kw: v, ignore: {w: why}") + "ignore: {m/b2.txt: old}")
    )
