"""What estate.yaml says, and every way in which it can be wrong."""

import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from energy_platform.domain.errors import EstateError
from energy_platform.domain.time_forms import TimeForm
from energy_platform.sources.estate import Role, read_estate
from energy_platform.sources.gone_files import with_gone_files
from energy_platform.sources.spec import CsvLayout, NumberForm

HEAD = "estate: e\ntimezone: Asia/Seoul\nfirst_day: 2023-01-01\n"
READING = "readings:\n  - {csv: a.csv, time: t, building: b, sensor: s, value: v}\n"
DATA = Path(__file__).parents[2] / "data"


def read(folder: Path, text: str, name: str = "estate.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    return read_estate(folder, folder / name)


def refused(folder: Path, text: str) -> EstateError:
    with pytest.raises(EstateError) as caught:
        read(folder, text)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    return caught.value


def reading(entry: str) -> str:
    return f"{HEAD}readings:\n  - {{{entry}}}\n"


def test_the_sample_is_understood():
    estate = read_estate(DATA)
    assert (estate.code, str(estate.zone), estate.tenant_code) == ("sample", "Asia/Seoul", "sample")
    assert (estate.first_day, estate.last_day) == (date(2025, 3, 1), date(2025, 5, 29))
    assert estate.models_folder == DATA / "models"
    assert list(estate.ignored) == ["manifest.json"]
    assert [source.name for source in estate.sources[:3]] == [
        "sensor_readings.db/sensor_readings",
        "building_data.csv",
        "sensor_readings.db/alerts",
    ]
    assert estate.targets()[:4] == ("sensor_data", "energy_consumption", "alerts", "tenants")
    readings = estate.sources_of("sensor_data")[0]
    assert (readings.kind, readings.table, readings.key) == ("sqlite", "sensor_readings", "id")
    assert readings.roles["building_id"] == Role(column="building_id")
    assert readings.roles["sensor_type"] == Role(column="sensor_type")
    assert readings.roles["room_type"] == Role(column="room_type")
    assert not readings.has_tenant_role
    energy = estate.sources_of("energy_consumption")[0]
    assert energy.roles["power_kw"] == Role(column="power_consumption")
    assert set(energy.ignored) == {"floor", "room_type"}
    alerts = estate.sources_of("alerts")[0]
    assert alerts.roles["building_id"] == Role(from_sensor=True)
    assert alerts.roles["alert_type"] == Role(column="alert_type")
    tenants = estate.sources_of("tenants")[0]
    assert tenants.roles["tenant_id"] == Role(column="code")
    assert tenants.has_tenant_role
    sensors = estate.sources_of("sensors")[0]
    assert (sensors.name, sensors.at) == ("sensor_config.json/sensors", "sensors")
    assert sensors.roles["sensor_type"].column == "@group"
    assert sensors.roles["sensor_type"].map["power_sensors"] == "power"
    assert estate.sources_of("model_scores")[0].roles["model"] == Role(column="")
    assert estate.sources_of("feature_importances")[0].roles["model"] == Role(constant="Gradient_Boosting")
    assert estate.sources_of("predictions") == ()


def test_reading_the_estate_file_is_quick_and_opens_no_data_file(tmp_path):
    text = (DATA / "estate.yaml").read_text(encoding="utf-8")
    read(tmp_path, text)  # none of its files is there
    best = min(_seconds(tmp_path) for _ in range(5))
    assert best < 0.03


def _seconds(folder: Path) -> float:
    start = time.perf_counter()
    read_estate(folder)
    return time.perf_counter() - start


def test_the_estate_module_imports_no_driver_of_files():
    code = (
        "import sys; from energy_platform.sources.estate import read_estate; from pathlib import Path;"
        f"read_estate(Path({str(DATA)!r})); print([m for m in ('pyarrow', 'sqlite3', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_wide_source(tmp_path):
    estate = read(
        tmp_path,
        reading(
            "csv: w.csv, shape: wide, time: when, building: {const: B001}, values: {temp_c: temperature, rh: humidity}"
        ),
    )
    source = estate.sources[0]
    assert source.shape == "wide"
    assert source.values == {"temp_c": "temperature", "rh": "humidity"}
    assert source.roles["building_id"] == Role(constant="B001")
    assert source.columns_used() == {"when": "time", "temp_c": "values", "rh": "values"}


def test_constants_maps_and_extra_fields(tmp_path):
    estate = read(
        tmp_path,
        HEAD + "energy:\n  - csv: e.csv\n    separator: tab\n    encoding: CP949\n    time: t\n"
        "    building: {column: b, map: {1: B001, no: B002}}\n"
        "    meter: {const: 7}\n    power_kw: p\n    tenant: {column: company}\n    extra: {floor: 층}\n",
    )
    source = estate.sources[0]
    assert (source.separator, source.encoding) == ("\t", "cp949")
    assert source.roles["building_id"] == Role(column="b", map={"1": "B001", "no": "B002"})
    assert source.roles["meter_id"] == Role(constant=7)
    assert source.roles["tenant_id"] == Role(column="company")
    assert source.extra == {"floor": "층"}
    assert estate.last_day is None
    assert (estate.tenant_code, estate.tenant_name) == ("default", "Default")


def test_columns_called_no_or_on_keep_their_names(tmp_path):
    source = read(tmp_path, reading("csv: a.csv, time: on, building: no, sensor: y, value: off")).sources[0]
    assert [role.column for role in source.roles.values()] == ["on", "no", "y", "off"]


def test_the_order_of_sources_is_that_of_the_file(tmp_path):
    estate = read(
        tmp_path,
        HEAD + "tables:\n  users: [{csv: u1.csv}, {csv: u2.csv}]\n" + READING + "energy:\n"
        "  - {json: e.json, at: a.b, time: t, building: b, power_kw: p}\n",
    )
    assert [source.name for source in estate.sources] == ["u1.csv", "u2.csv", "a.csv", "e.json/a.b"]


def test_columns_of_a_tables_name_map_by_themselves(tmp_path):
    estate = read(
        tmp_path,
        HEAD
        + "tables:\n  users: {csv: u.csv, key: user_id, name: full_name, extra: {phone: tel}, ignore: {role: old}}\n",
    )
    source = estate.sources[0].resolved(("user_id", "email", "full_name", "role", "tel", "active", "other"))
    assert {name: role.column for name, role in source.roles.items()} == {
        "name": "full_name",
        "user_id": "user_id",
        "email": "email",
        "active": "active",
    }
    measurement = read(tmp_path, HEAD + READING).sources[0]
    assert measurement.resolved(("value", "time")) is measurement


def test_missing_folder_and_file(tmp_path):
    with pytest.raises(EstateError, match="There is no such folder") as caught:
        read_estate(tmp_path / "nowhere")
    assert caught.value.where == str(tmp_path / "nowhere")
    with pytest.raises(EstateError, match=r"no such estate file.*energy-platform sample") as caught:
        read_estate(tmp_path)
    assert caught.value.where == str(tmp_path / "estate.yaml")
    (tmp_path / "file").write_text("")
    with pytest.raises(EstateError, match="a file, not a folder"):
        read_estate(tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("", "estate.yaml", "The file is empty", "sample"),
        ("- a", "estate.yaml", "A mapping must stand here, not a list", ""),
        ("estate: e\n  x: [", "estate.yaml, line 2", "no valid YAML", "Mend that line"),
        ("estate: e\nestate: f", "estate.yaml, line 2", "'estate' stands here, and in line 1 already", ""),
        ("estate: \x07", "estate.yaml", "no valid YAML", "UTF-8"),
        (HEAD + "last_day: 2025-02-30\n" + READING, "estate.yaml", "no valid YAML", "YYYY-MM-DD"),
        (HEAD + READING + "reading: []", "estate.yaml: reading", "'reading' is unknown", "Did you mean 'readings'?"),
        ("estate: e\nfirst_day: 2023-01-01\n" + READING, "estate.yaml: timezone", "missing", "Add `timezone:`"),
        (HEAD.replace("estate: e", "estate: 7") + READING, "estate.yaml: estate", "not the number 7", "quotes"),
        (HEAD.replace("estate: e", "estate: A b") + READING, "estate.yaml: estate", "'A b' cannot be", "small letters"),
        (HEAD.replace("Asia/Seoul", "Asia/Soul") + READING, "estate.yaml: timezone", "'Asia/Soul' is unknown", "IANA"),
        (HEAD.replace("Asia/Seoul", "9") + READING, "estate.yaml: timezone", "not the number 9", "quotes"),
        (HEAD.replace("2023-01-01", "soon") + READING, "estate.yaml: first_day", "'soon' is no day", "YYYY-MM-DD"),
        (HEAD.replace("2023-01-01", "2023") + READING, "estate.yaml: first_day", "2023 is no day", "YYYY-MM-DD"),
        (HEAD + "last_day: 2022-01-01\n" + READING, "estate.yaml: last_day", "before first_day, 2023-01-01", "open"),
        (HEAD + "last_day: closed\n" + READING, "estate.yaml: last_day", "'closed' is no day", "`open`"),
        (HEAD + "tenant: default\n" + READING, "estate.yaml: tenant", "A mapping must stand here", ""),
        (HEAD + "tenant: {name: x}\n" + READING, "estate.yaml: tenant.code", "missing", "code"),
        (HEAD + "tenant: {code: unassigned}\n" + READING, "estate.yaml: tenant.code", "'unassigned'", "reserved"),
        (HEAD + "tenant: {code: 'a}b'}\n" + READING, "estate.yaml: tenant.code", "cannot be the code", "letters"),
        (HEAD + "tenant: {code: a, nam: b}\n" + READING, "estate.yaml: tenant.nam", "unknown", "'name'"),
        (HEAD, "estate.yaml", "No source is mapped", ""),
        (HEAD + "readings: {csv: a}", "estate.yaml: readings", "A list must stand here, not a mapping", "-"),
        (HEAD + "readings: [a.csv]", "estate.yaml: readings[0]", "A mapping must stand here, not the text", ""),
        (HEAD + READING + "ignore: [a]", "estate.yaml: ignore", "A list", "reason"),
        (HEAD + READING + "ignore: {b.txt: }", "estate.yaml: ignore.b.txt", "reason is missing", "why"),
        (HEAD + READING + "ignore: {7: x}", "estate.yaml: ignore", "The key 7 is no text", "'7'"),
        (HEAD + READING + "ignore: {a.csv: x}", "estate.yaml: ignore.a.csv", "mapped in estate.yaml: readings[0]", ""),
        (HEAD + READING + "models: models", "estate.yaml: models", "A mapping", ""),
        (HEAD + READING + "models: {}", "estate.yaml: models.folder", "missing", "folder"),
        (HEAD + READING + "models: {folder: ../x}", "estate.yaml: models.folder", "inside of the folder", ""),
        (HEAD + "tables: []", "estate.yaml: tables", "A mapping", ""),
        (HEAD + "tables: {user: {csv: u.csv}}", "estate.yaml: tables.user", "unknown", "Did you mean 'users'?"),
        (HEAD + "tables: {models: {csv: u.csv}}", "estate.yaml: tables.models", "from their files", "folder"),
        (HEAD + "tables: {users: u.csv}", "estate.yaml: tables.users", "A mapping", ""),
        (
            HEAD + "tables: {users: {csv: u.csv, emial: mail}}",
            "estate.yaml: tables.users.emial",
            "unknown",
            "Did you mean 'email'?",
        ),
        (
            HEAD + "tables: {users: {csv: u.csv, extra: {email: mail}}}",
            "estate.yaml: tables.users.extra.email",
            "a column of users itself",
            "beside `extra:`",
        ),
        (
            HEAD + "tables: {users: {csv: u.csv, extra: {Phone No: tel}}}",
            "estate.yaml: tables.users.extra.Phone No",
            "cannot be the name of a field",
            "",
        ),
        (
            HEAD + "tables: {users: {csv: u.csv, attributes: a, extra: {phone: tel}}}",
            "estate.yaml: tables.users.extra",
            "`attributes` is mapped",
            "",
        ),
        (
            HEAD + "tables: {users: [{csv: u.csv}, {csv: u.csv}]}",
            "estate.yaml: tables.users[1]",
            "'u.csv' stands here, and in estate.yaml: tables.users[0] already",
            "",
        ),
        (
            HEAD + "energy:\n  - {csv: a.csv, time: t, building: b}",
            "estate.yaml: energy[0]",
            "names no value",
            "power_kw",
        ),
        (
            HEAD + "energy:\n  - {csv: a.csv, time: t, building: {from: sensor}, power_kw: p}",
            "estate.yaml: energy[0].building",
            "No sensor is mapped",
            "",
        ),
        (
            HEAD + "alerts:\n  - {csv: a.csv, time: t, building: b}",
            "estate.yaml: alerts[0].message",
            "`message` is missing",
            "column",
        ),
        (
            HEAD + "predictions:\n  - {csv: a.csv, time: t, building: b, model: m}",
            "estate.yaml: predictions[0].power_kw",
            "`power_kw` is missing",
            "",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, where, what, remedy):
    error = refused(tmp_path, text)
    assert error.where.startswith(where)
    assert what in error.what
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("entry", "where", "what", "remedy"),
    [
        ("time: t, building: b", "", "does not say which file", "exactly one of"),
        ("cvs: a.csv, time: t", "", "does not say which file", "Did you mean 'csv'?"),
        ("csv: a.csv, sqlite: a.db, time: t", "", "sqlite and csv stand side by side", "exactly one of"),
        ("csv: 7, time: t", ".csv", "not the number 7", "quotes"),
        ("csv: /etc/passwd, time: t", ".csv", "inside of the folder", "forward slashes"),
        ("csv: ../a.csv, time: t", ".csv", "inside of the folder", ""),
        ("sqlite: a.db, time: t, building: b, sensor: s, value: v", ".table", "missing", "table or view"),
        ("sqlite: a.db, table: 3, time: t, building: b, sensor: s, value: v", ".table", "not the number 3", "quotes"),
        ("csv: a.csv, tabel: x", ".tabel", "'tabel' is unknown", ""),
        ("csv: a.csv, table: x", ".table", "'table' is unknown", ""),
        ("csv: a.csv, extra: {a: b}", ".extra", "'extra' is unknown", ""),
        ("csv: a.csv, bilding: b", ".bilding", "unknown", "Did you mean 'building'?"),
        ("csv: a.csv, building: b, sensor: s, value: v", ".time", "`time` is missing", "`time: column`"),
        ("csv: a.csv, time: t, sensor: s, value: v", ".building", "`building` is missing", ""),
        ("csv: a.csv, time: t, building: b, value: v", ".sensor", "`sensor` is missing", ""),
        ("csv: a.csv, time: t, building: b, sensor: s", "", "names no value: one of value, state", ""),
        ("csv: a.csv, time: 5, building: b", ".time", "not the number 5", "quotes"),
        ("csv: a.csv, time: , building: b", ".time", "not nothing", ""),
        ("csv: a.csv, time: [t], building: b", ".time", "not a list", ""),
        ("csv: a.csv, time: {colum: t}", ".time.colum", "unknown", "Did you mean 'column'?"),
        ("csv: a.csv, time: {map: {a: b}}", ".time", "'map' do not go together", "column: name"),
        ("csv: a.csv, time: {column: t, const: 1}", ".time", "do not go together", ""),
        ("csv: a.csv, time: {const: [1]}", ".time.const", "cannot be a list", ""),
        ("csv: a.csv, time: {column: t, map: [1]}", ".time.map", "A mapping", ""),
        ("csv: a.csv, time: {column: t, map: {a: [b]}}", ".time.map.a", "no single value", ""),
        ("csv: a.csv, time: {from: sensor}", ".time", "Only a building", ""),
        ("csv: a.csv, building: {from: name}", ".building.pattern", "missing", "pattern"),
        ("csv: a.csv, building: {from: mail}", ".building", "Only a building", "{from: name, pattern: …}"),
        ("csv: a.csv, value: {from: name, pattern: '(x)'}", ".value", "Only a building", ""),
        ("csv: a.csv, building: {from: name, pattern: '(x'}", ".building.pattern", "no regular expression", ""),
        ("csv: a.csv, building: {from: name, pattern: 'x'}", ".building.pattern", "has no group", "brackets"),
        (
            "csv: a.csv, building: {from: name, pattern: '(x)'}",
            ".building.pattern",
            "finds nothing in 'a.csv'",
            "ignore",
        ),
        ("csv: 'a*.csv', time: t", ".csv", "No file fits 'a*.csv'", "**/"),
        ("csv: a.csv, header: no", ".header", "not the text 'no'", "true or false"),
        ("csv: a.csv, header: false", ".columns", "needs `columns:`", ""),
        ("csv: a.csv, columns: [a]", ".columns", "The header names", "header: false"),
        ("csv: a.csv, header: false, columns: a", ".columns", "A list must stand", ""),
        ("csv: a.csv, header: false, columns: [a, a]", ".columns", "named twice: 'a'", ""),
        ("csv: a.csv, header: false, columns: [[a]]", ".columns[0]", "not a list", "quotes"),
        ("csv: a.csv, header: false, columns: [a], units_row: true", ".units_row", "below a header", "skip_rows"),
        ("csv: a.csv, comment: ''", ".comment", "empty", ""),
        ("csv: a.csv, comment: '\"'", ".comment", "cannot begin a comment", "'#'"),
        ("csv: a.csv, skip_rows: -1", ".skip_rows", "no number of lines", ""),
        ("csv: a.csv, skip_rows: true", ".skip_rows", "no number of lines", ""),
        ("csv: a.csv, decimal: ;", ".decimal", "before a fraction", "','"),
        ("csv: a.csv, thousands: '.'", ".thousands", "'.' stands before the fraction", "decimal"),
        ("csv: a.csv, thousands: '..'", ".thousands", "between thousands", "one character"),
        ("csv: a.csv, thousands: 0", ".thousands", "between thousands", ""),
        ("csv: a.csv, thousands: '0'", ".thousands", "between thousands", ""),
        ("csv: a.csv, thousands: '-'", ".thousands", "is a sign", ""),
        ("csv: a.csv, missing: {a: b}", ".missing", "not a mapping", ""),
        ("csv: a.csv, missing: [[a]]", ".missing[0]", "not a list", ""),
        ("csv: a.csv, ambiguous: later", ".ambiguous", "'later' is none of earliest, latest", "'latest'"),
        ("sqlite: a.db, table: t, header: false", ".header", "unknown", ""),
        ("csv: a.csv, time: {column: t, unit: min}", ".time.unit", "none of s, ms, us, ns", ""),
        ("csv: a.csv, time: {column: t, unit: s, format: '%Y'}", ".time", "unit and format stand side by side", ""),
        ("csv: a.csv, time: {column: t, format: '%H:%M'}", ".time.format", "it has no year", "%d.%m.%Y"),
        ("csv: a.csv, time: {column: t, format: '%Y-%m-%d %Q'}", ".time.format", "%Q is unknown", ""),
        ("csv: a.csv, time: {column: t, order: year_first}", ".time.order", "none of day_first, month_first", ""),
        ("csv: a.csv, time: {date: d}", ".time.time", "missing", "{date: column, time: column}"),
        ("csv: a.csv, time: {date: d, time: c, column: t}", ".time", "do not go together", ""),
        ("csv: a.csv, time: {date: d, time: c, unit: s}", ".time", "do not go together", ""),
        ("csv: a.csv, building: {column: b, format: '%Y'}", ".building.format", "unknown", ""),
        ("csv: a.csv, building: {column: b, unit: W}", ".building.unit", "unknown", ""),
        ("csv: a.csv, value: {column: v, unit: lux}", ".value.unit", "The unit 'lux' is unknown", "W, kW, MW"),
        ("csv: a.csv, value: {column: v, unit: mW}", ".value.unit", "The unit 'mW' is unknown", ""),
        ("csv: a.csv, confidence: {column: v, unit: W}", ".confidence.unit", "confidence has no unit", "Leave it out"),
        ("csv: a.csv, value: {column: v, strip: '5'}", ".value.strip", "taken off a number", "°C"),
        (
            "csv: a.csv, time: t, building: b, sensor: s, value: {column: v, unit: F}, unit: u",
            ".unit",
            "said to be in °F",
            "ignore",
        ),
        ("csv: a.csv, shape: wide, values: {a: {unit: F}}", ".values.a.type", "missing", "sensor type"),
        ("csv: a.csv, shape: wide, values: {a: {type: x, units: F}}", ".values.a.units", "unknown", "'unit'"),
        ("csv: a.csv, time: t, building: {from: sensor}, value: v", ".sensor", "missing", ""),
        ("csv: a.csv, key: 5, time: t", ".key", "not the number 5", "quotes"),
        ("csv: a.csv, shape: tall", ".shape", "'tall' is no shape", "long or wide"),
        ("csv: a.csv, shape: [wide]", ".shape", "is no shape", ""),
        ("csv: a.csv, shape: wide, time: t, building: b", ".values", "needs `values:`", ""),
        (
            "csv: a.csv, shape: wide, time: t, building: b, values: {a: temperature}, value: v",
            ".value",
            "has its values",
            "",
        ),
        ("csv: a.csv, shape: wide, time: t, building: b, values: {a: 3}", ".values.a", "not the number 3", ""),
        (
            "csv: a.csv, time: t, building: b, sensor: s, value: v, values: {a: temperature}",
            ".values",
            "Only a wide",
            "",
        ),
        ("csv: a.csv, encoding: utf-9", ".encoding", "'utf-9' is unknown", "cp949"),
        ("csv: a.csv, encoding: base64", ".encoding", "'base64' is unknown", ""),
        ("csv: a.csv, separator: ';;'", ".separator", "cannot separate", "one character"),
        ("csv: a.csv, separator: '\"'", ".separator", "cannot separate", ""),
        ("csv: a.csv, ignore: {x: 5}", ".ignore.x", "reason is missing", ""),
        (
            "csv: a.csv, time: t, building: b, sensor: s, value: v, ignore: {b: why}",
            ".ignore.b",
            "used by building",
            "Remove one",
        ),
    ],
)
def test_what_is_wrong_in_a_source_is_named(tmp_path, entry, where, what, remedy):
    error = refused(tmp_path, reading(entry))
    assert error.where == f"estate.yaml: readings[0]{where}"
    assert what in error.what
    assert remedy in error.remedy


def test_an_estate_file_of_another_name_is_named_in_errors(tmp_path):
    with pytest.raises(EstateError) as caught:
        read(tmp_path, HEAD + "alerts: 5", name="mine.yaml")
    assert caught.value.where == "mine.yaml: alerts"


def test_bytes_that_are_no_utf8(tmp_path):
    (tmp_path / "estate.yaml").write_bytes("estate: e # 에너지".encode("cp949"))
    with pytest.raises(EstateError, match="no valid YAML"):
        read_estate(tmp_path)


def test_how_a_file_is_written(tmp_path):
    estate = read(
        tmp_path,
        HEAD
        + """ambiguous: latest
readings:
  - csv: a.csv
    header: false
    columns: [day, clock, b, s, v, 7]
    comment: "#"
    skip_rows: 3
    encoding: utf-16
    separator: pipe
    decimal: ","
    thousands: "\\u00a0"
    missing: [NA, -999, " - ", NA]
    time: {date: day, time: clock, format: "%d.%m.%Y %H:%M"}
    building: b
    sensor: s
    value: {column: v, unit: f, strip: [°F, ℉]}
    ignore: {"7": why}
  - {csv: b.csv, units_row: true, ambiguous: quarantine, time: {column: t, unit: ms}, building: b, shape: wide,
     missing: "-", values: {kw: power, f: {type: temperature, unit: F, strip: °F}}}
energy:
  - {csv: c.csv, time: {column: t, order: day_first}, building: b, power_kw: {column: w, unit: W}}
tables:
  billing: {csv: d.csv, period_start: {column: p, format: "%Y%m%d"}, energy_kwh: {column: e, unit: MWh}}
""",
    )
    first, second, third, fourth = estate.sources
    columns = ("day", "clock", "b", "s", "v", "7")
    assert first.layout == CsvLayout(header=False, columns=columns, comment="#", skip_rows=3)
    assert (first.encoding, first.separator, first.numbers) == ("utf-16", "|", NumberForm(",", " "))
    assert first.missing == ("NA", "-999", "-")
    assert first.roles["time"] == Role(column="day", clock="clock", time=TimeForm(format="%d.%m.%Y %H:%M"))
    assert first.roles["value"] == Role(column="v", unit="°F", strip=("°F", "℉"))
    assert first.columns_used() == {"day": "time", "clock": "time", "b": "building_id", "s": "sensor_id", "v": "value"}
    assert [spec.ambiguous for spec in estate.sources] == ["latest", "quarantine", "latest", "latest"]
    assert second.roles["time"] == Role(column="t", time=TimeForm(unit="ms"))
    assert second.layout == CsvLayout(units_row=True)
    assert second.missing == ("-",)
    assert second.values == {"kw": "power", "f": "temperature"}
    assert second.value_roles == {"f": Role(column="f", unit="°F", strip=("°F",))}
    assert third.roles["time"].time == TimeForm(order="day_first")
    assert third.roles["power_kw"] == Role(column="w", unit="W")
    assert fourth.roles["period_start"].time == TimeForm(format="%Y%m%d")
    assert fourth.roles["energy_kwh"].unit == "MWh"


def test_a_pattern_stands_for_every_file_that_fits(tmp_path):
    for name in (
        "m/b_A1.csv",
        "m/b_강남.csv",
        "m/b_old.csv",
        "m/.b_hidden.csv",
        "m/deep/b_C.csv",
        "m/b_A1.txt",
        "b_0.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("")
    entry = "time: t, building: {from: name, pattern: 'b_(.+)\\.csv$'}, power_kw: p"

    def found(pattern: str) -> dict[str, object]:
        text = HEAD + f"energy:\n  - {{csv: '{pattern}', {entry}}}\nignore: {{m/b_old.csv: broken, deeper/: old}}\n"
        specs = read(tmp_path, text).sources
        assert all(spec.path == tmp_path / spec.name for spec in specs)
        assert {spec.where for spec in specs} == {"estate.yaml: energy[0]"}
        return {spec.name: spec.roles["building_id"].constant for spec in specs}

    assert found("m/*.csv") == {"m/b_A1.csv": "A1", "m/b_강남.csv": "강남"}
    assert list(found("m/*.csv")) == ["m/b_A1.csv", "m/b_강남.csv"]
    assert found("**/b_*.csv") == {"b_0.csv": "0", "m/b_A1.csv": "A1", "m/b_강남.csv": "강남", "m/deep/b_C.csv": "C"}
    assert found("*/*/b_[A-C].csv") == {"m/deep/b_C.csv": "C"}
    assert found("m/b_[!A]?.csv") == {"m/b_강남.csv": "강남"}
    (tmp_path / "m" / "b_new.csv").write_text("")
    assert found("m/b_n*.csv") == {"m/b_new.csv": "new"}
    # a file may be called so by itself
    (tmp_path / "b_[x].csv").write_text("")
    assert found("b_[x].csv") == {"b_[x].csv": "[x]"}
    (tmp_path / "m" / "x1.csv").write_text("")
    with pytest.raises(EstateError, match=r"'m/x1.csv'") as caught:
        found("m/*1.csv")
    assert caught.value.where == "estate.yaml: energy[0].building.pattern"
    with pytest.raises(EstateError, match="stands here, and in"):
        read(
            tmp_path,
            HEAD + f"energy:\n  - {{csv: 'm/b_A*.csv', {entry}}}\n  - {{csv: m/b_A1.csv, {entry}}}\n",
        )


def test_a_file_that_fitted_once_stays_a_source_in_its_place(tmp_path):
    for name in ("m/a.csv", "m/c.csv", "m/a.db", "m/c.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    entry = "time: t, building: {from: name, pattern: 'm/(.+)\\.'}, power_kw: p"
    estate = read(
        tmp_path,
        HEAD
        + f"""energy:
  - {{csv: 'm/*.csv', {entry}}}
  - {{sqlite: 'm/*.db', table: t, {entry}}}
ignore: {{m/d.csv: bad, m/old/: old}}
""",
    )
    known = ["m/b.csv", "m/d.csv", "m/b.db/t", "m/b.db/other", "x/b.csv", "m/a.csv", "m/old/b.csv"]
    found = with_gone_files(estate, known)
    assert [spec.name for spec in found.sources] == [
        "m/a.csv",
        "m/b.csv",
        "m/c.csv",
        "m/a.db/t",
        "m/b.db/t",
        "m/c.db/t",
    ]
    assert [spec.roles["building_id"].constant for spec in found.sources] == ["a", "b", "c", "a", "b", "c"]
    assert found.sources[4].path == tmp_path / "m" / "b.db"
    assert [found.position_of(spec) for spec in found.sources] == list(range(6))
    assert with_gone_files(estate, ["m/a.csv"]) is estate


WIDE = "csv: a.csv, shape: wide, time: t"


@pytest.mark.parametrize(
    ("entry", "where", "what", "remedy"),
    [
        (
            "csv: a.csv, power_kw: {column: v, unit: kWh}",
            ".power_kw.unit",
            "kWh is a unit of energy",
            "per_minutes: 15",
        ),
        (
            "csv: a.csv, power_kw: {column: v, unit: W, per_minutes: 5}",
            ".power_kw.unit",
            "W is no unit of energy",
            "kWh",
        ),
        ("csv: a.csv, power_kw: {column: v, per_minutes: 5}", ".power_kw.per_minutes", "needs a unit", "`unit: kWh`"),
        ("csv: a.csv, power_kw: {column: v, unit: kWh, per_minutes: 0}", ".power_kw.per_minutes", "no interval", "15"),
        ("csv: a.csv, power_kw: {column: v, unit: kWh, per_minutes: x}", ".power_kw.per_minutes", "the text 'x'", "15"),
        (
            "csv: a.csv, temperature_c: {column: v, unit: C, per_minutes: 5}",
            ".temperature_c.per_minutes",
            "unknown",
            "",
        ),
        ("csv: a.csv, time: t, power_kw: p, building: {from: column}", ".building", "wide source", "shape: wide"),
        (f"{WIDE}, building: {{from: column}}", ".values", "needs `values:`", "{column: power_kw, …}"),
        (f"{WIDE}, building: b, values: {{x: power_kw, y: power_kw}}", ".values", "tells the points", "{from: column}"),
        (f"{WIDE}, building: {{from: column}}, values: {{x: gas}}", ".values.x", "'gas' cannot stand", "x: power_kw"),
        (f"{WIDE}, building: {{from: column}}, values: {{x: {{unit: W}}}}", ".values.x.type", "missing", "power_kw"),
        (f"{WIDE}, building: {{from: column}}, power_kw: p, values: {{x: power_kw}}", ".power_kw", "in `values:`", ""),
        (
            f"{WIDE}, building: {{from: column}}, register: r, values: {{x: power_kw}}",
            ".register",
            "Registers of",
            "row",
        ),
        (
            f"{WIDE}, building: {{from: column, pattern: x}}, values: {{x: power_kw}}",
            ".building",
            "Only a building",
            "",
        ),
    ],
)
def test_what_is_wrong_in_a_source_of_energy_is_named(tmp_path, entry, where, what, remedy):
    error = refused(tmp_path, HEAD + f"energy:\n  - {{{entry}}}\n")
    assert error.where == f"estate.yaml: energy[0]{where}"
    assert what in error.what
    assert remedy in error.remedy
