"""CSV files as people send them: which options an inspection proposes for each, and which questions it asks."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from energy_platform.domain.contracts import ColumnType
from energy_platform.sources.estate import check_estate, read_estate
from energy_platform.sources.inspect import text_sample
from energy_platform.sources.inspect.estate_text import estate_text
from energy_platform.sources.inspect.inspection import inspect_folder
from energy_platform.sources.opening import open_source
from energy_platform.transfer.reading.mapping import REASON, MappingRules, contract_of, mapped_batches


@dataclass(frozen=True)
class Case:
    """A file, and what has to be proposed for it.

    Attributes:
        content: of the file.
        options: of the source's entry that must be exactly so.
        absent: keys that must not stand in the entry.
        asked: a word of each question, in order.
        section: that the source belongs to.
        name: of the file.
        refused: rows without a value, which the contract refuses.
    """

    content: str | bytes
    options: dict[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    section: str = "energy"
    name: str = "data.csv"
    refused: int = 0


def hours(pattern: str, days: int = 31, head: str = "time,building_id,power_kw\n", row: str = ",B001,{:.1f}\n") -> str:
    """A month of two rows a day."""
    rows = [
        datetime(2024, 1, day, hour).strftime(pattern) + row.format(day + hour / 10)  # noqa: DTZ001  local times
        for day in range(1, days + 1)
        for hour in (1, 13)
    ]
    return head + "".join(rows)


def epochs(factor: float, spelled: str = "{:.0f}") -> str:
    """Epochs of a unit, in seconds times a factor."""
    rows = "".join(f"{spelled.format((1_704_067_200 + 900 * i) * factor)},B001,{i}.5\n" for i in range(20))
    return f"ts,building_id,power_kw\n{rows}"


def apart(minutes: int, head: str, row: str, count: int = 60) -> str:
    """Rows so many minutes apart."""
    start = datetime(2024, 1, 1)  # noqa: DTZ001  local times
    return head + "".join(
        row.format(time=start + timedelta(minutes=minutes * i), number=1 + 7 * i % 11, other=2 + 5 * i % 13)
        for i in range(count)
    )


ISO = "%Y-%m-%d %H:%M:%S"
GERMAN = "time;building_id;power_kw;temp_c\n" + "".join(
    f"2024-01-{day:02d} 10:00;B001;1.2{day % 10}4,5;{day},25\n" for day in range(1, 29)
)
KOREAN = "측정일시,건물코드,전력(kW),외기온도(℃),습도(%)\n" + "".join(
    f"2024-01-{day:02d} 10:00,가동,{day}.5,-{day % 9}.5,4{day % 10}\n" for day in range(1, 29)
)

CASES = {
    "plain": Case(hours(ISO), {"time": "time", "building": "building_id", "power_kw": "power_kw"}, ("separator",)),
    "semicolon, decimal comma, thousands": Case(
        GERMAN, {"separator": ";", "decimal": ",", "thousands": ".", "temperature_c": "temp_c"}
    ),
    "decimal comma alone": Case(
        hours(ISO, row=";B001;{:.1f}\n", head="time;building_id;power_kw\n").replace(".", ","),
        {"separator": ";", "decimal": ","},
        ("thousands",),
    ),
    "thousands": Case(
        'time,building_id,power_kw\n2024-01-01 10:00,B1,"1,234.5"\n2024-01-01 00:00,B1,"2,234.5"\n',
        {"thousands": ","},
        ("decimal",),
    ),
    "comma: decimal or thousands": Case(
        'time;building_id;power_kw\n2024-01-31 10:00;B1;"1,234"\n2024-01-31 11:00;B1;"2,345"\n',
        {"decimal": "? , | ."},
        asked=("decimal sign",),
    ),
    "tab": Case(hours(ISO).replace(",", "\t"), {"separator": "tab"}),
    "bar": Case(hours(ISO).replace(",", "|"), {"separator": "|"}),
    "CRLF": Case(hours(ISO).replace("\n", "\r\n"), absent=("separator", "encoding")),
    "lone CR": Case(hours(ISO).replace("\n", "\r"), absent=("separator", "encoding")),
    "byte order mark": Case(hours(ISO).encode("utf-8-sig"), {"time": "time"}, ("encoding",)),
    "UTF-16 with its mark": Case(hours(ISO).encode("utf-16"), {"time": "time"}, ("encoding",)),
    "UTF-16 without": Case(hours(ISO).encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "CP949": Case(
        KOREAN.replace("℃", "C").encode("cp949"),
        {"encoding": "cp949", "building": "건물코드", "power_kw": "전력(kW)", "humidity_pct": "습도(%)"},
    ),
    "Korean names": Case(
        KOREAN,
        {"time": "측정일시", "building": "건물코드", "power_kw": "전력(kW)", "temperature_c": "외기온도(℃)"},
        ("encoding", "extra"),
    ),
    "gzip": Case(gzip.compress(hours(ISO).encode()), {"power_kw": "power_kw"}, name="data.csv.gz"),
    "no header": Case(
        "2024-01-01 00:00:00,B001,12.5\n2024-01-01 01:00:00,B002,13.5\n2024-01-01 02:00:00,B001,13.9\n",
        {"header": False, "columns": ["column_1", "column_2", "column_3"], "time": "column_1"},
        asked=("sensor", "building"),
        section="readings",
    ),
    "comments": Case("# made by a gateway\n# site 4\n" + hours(ISO), {"comment": "#"}, ("skip_rows",)),
    "title above the header": Case("Report of January\n\n" + hours(ISO), {"skip_rows": 1}),
    "units row": Case(
        hours(ISO, head="time,building_id,power\n,,kW\n"), {"units_row": True, "power_kw": "power"}, ("comment",)
    ),
    "watts in a units row": Case(
        hours(ISO, head="time,building_id,power\n-,-,W\n"), {"power_kw": {"column": "power", "unit": "W"}}
    ),
    "watts in the name": Case(
        hours(ISO, head="time,building_id,Power (W)\n"), {"power_kw": {"column": "Power (W)", "unit": "W"}}
    ),
    "W or kW": Case(
        hours(ISO, head="time,building_id,power\n").replace(".", "00."),
        {"power_kw": {"column": "power", "unit": "? kW | W"}},
        asked=("kW or in W",),
    ),
    "energy of an interval": Case(
        hours(ISO, head="time,building_id,energy_kwh\n", days=9).replace(",1.1", ",99.1"),
        {"power_kw": {"column": "energy_kwh", "unit": "? kWh", "per_minutes": 720}},
        asked=("Of how many minutes? Its times lie 720 minutes apart",),
    ),
    "energy of half an hour": Case(
        apart(30, "tstp,building_id,energy(kWh/hh)\n", "{time},B1,{number:.3f}\n"),
        {"time": "tstp", "power_kw": {"column": "energy(kWh/hh)", "unit": "kWh", "per_minutes": 30}},
    ),
    "energy in a name of a unit alone": Case(
        apart(60, "DateTime,house,KWH/hh (per hour) \n", "{time},B1,{number:.3f}\n"),
        {"power_kw": {"column": "KWH/hh (per hour) ", "unit": "kWh", "per_minutes": 60}, "building": "house"},
    ),
    "consumption of a quarter": Case(
        apart(15, "time,building,consumption\n", "{time},B1,{number:.2f}\n"),
        {"power_kw": {"column": "consumption", "unit": "? kWh | kW", "per_minutes": 15}},
        asked=("energy that each interval used (kWh), or mean power",),
    ),
    "consumption of an hour": Case(
        apart(60, "time,building,consumption\n", "{time},B1,{number:.2f}\n"), {"power_kw": "consumption"}
    ),
    "a unit in the name alone": Case(apart(15, "time,building,kW\n", "{time},B1,{number:.2f}\n"), {"power_kw": "kW"}),
    "watts of devices": Case(
        apart(5, "time,building,plug,power\n", "{time},B1,P1,{number:.2f}\n{time},B1,P2,{number:.1f}\n"),
        {"meter": "plug", "power_kw": {"column": "power", "unit": "? W | kW"}},
        asked=("kW or in W",),
    ),
    "households told apart by a column of another name": Case(
        apart(30, "lclid,time,energy_kwh\n", "MAC01,{time},{number:.3f}\nMAC02,{time},{other:.3f}\n"),
        {"building": "? lclid", "power_kw": {"column": "energy_kwh", "unit": "kWh", "per_minutes": 30}},
        asked=("Is 'lclid' the building of each row?",),
    ),
    "rows of one time that nothing tells apart": Case(
        apart(
            30,
            "time,building,power_kw,a,b\n",
            "{time},B1,{number:.3f},x,x\n{time},B1,{other},x,y\n{time},B1,{other}.5,y,x\n{time},B1,{number}.7,y,y\n",
        ),
        {"meter": "? a | b"},
        asked=("Which column tells them apart?",),
    ),
    "Fahrenheit": Case(
        hours(ISO, head="time,building_id,power_kw,temp_f\n", row=",B001,{0:.1f},{0:.1f}\n"),
        {"temperature_c": {"column": "temp_f", "unit": "F"}},
    ),
    "marks for missing": Case(
        hours(ISO, days=9) + "2024-01-10 01:00:00,B001,NA\n2024-01-10 02:00:00,B001,-\n2024-01-10 03:00:00,B001,NULL\n",
        {"missing": ["-", "NA", "NULL"]},
        refused=3,
    ),
    "-999": Case(hours(ISO, days=9) + "2024-01-10 01:00:00,B001,-999\n", {"missing": ["-999"]}, refused=1),
    "-999 below large numbers": Case(
        hours(ISO, days=9).replace(".", "00.") + "2024-01-10 01:00:00,B001,-999\n", {"missing": ["-999"]}, refused=1
    ),
    "9999": Case(hours(ISO, days=9) + "2024-01-10 01:00:00,B001,9999\n", {"missing": ["9999"]}, refused=1),
    "9999 among keys": Case(
        "id,time,building_id,power_kw\n"
        + "".join(f"{9990 + i},2024-01-{i + 1:02d} 10:00,B001,{9999 if i == 3 else i + 0.5}\n" for i in range(20)),
        {"key": "id"},
        ("missing",),
    ),
    "names that stand twice": Case(
        hours(ISO, head="time,building_id,power_kw,power_kw\n", row=",B001,{0:.1f},{0:.1f}\n"),
        {"power_kw": "power_kw", "extra": {"power_kw_2": "power_kw.2"}},
    ),
    "trailing separators": Case(
        hours(ISO, head="time,building_id,power_kw,\n", row=",B001,{:.1f},\n"), {"power_kw": "power_kw"}, ("ignore",)
    ),
    "quoted line breaks": Case(
        hours(ISO, head="time,building_id,power_kw,note\n", row=',B001,{:.1f},"one\ntwo"\n'),
        {"extra": {"note": "note"}},
    ),
    "units glued to decimal commas": Case(
        apart(60, "when;bldg;Leistung;Temp\n", "{time};A;{number:.1f} kW;{other:.1f} °C\n").replace(".", ","),
        {
            "decimal": ",",
            "power_kw": {"column": "Leistung", "strip": "kW"},
            "temperature_c": {"column": "Temp", "strip": "°C"},
        },
    ),
    "titles with commas above the header": Case(
        'Name,JANE DOE\nAddress,"1 MAIN ST, TOWN"\nAccount Number,123\nService,Service 1\n\n'
        + apart(60, "TYPE,TIME,house,USAGE (kWh),COST\n", "Electric usage,{time},B1,{number:.2f},$0.12\n"),
        {"skip_rows": 4, "power_kw": {"column": "USAGE (kWh)", "unit": "kWh", "per_minutes": 60}},
    ),
    "a number of the row": Case(
        ",time,building_id,power_kw\n" + "".join(f"{i},2024-01-0{i + 1} 10:00,B001,{i}.5\n" for i in range(9)),
        {"ignore": {"": "numbers the rows"}},
    ),
    "reserved and odd names": Case(
        hours(ISO, head='time,building_id,power_kw,select,"a: b, #c"\n', row=",B001,{0:.1f},{0:.1f},x y\n"),
        {"extra": {"select": "select", "a_b_c": "a: b, #c"}},
    ),
    "unit glued to numbers": Case(
        "time,building_id,sensor_id,value\n"
        + "".join(f"2024-01-{day:02d} 10:00,B1,s{day % 2},{day}.5 °C\n" for day in range(1, 20)),
        {"value": {"column": "value", "strip": "°C"}},
        section="readings",
    ),
    "epoch in seconds": Case(epochs(1), {"time": {"column": "ts", "unit": "s"}}),
    "epoch in milliseconds": Case(epochs(1e3), {"time": {"column": "ts", "unit": "ms"}}),
    "epoch in microseconds": Case(epochs(1e6), {"time": {"column": "ts", "unit": "us"}}),
    "epoch in nanoseconds": Case(epochs(1e9), {"time": {"column": "ts", "unit": "ns"}}),
    "an epoch with an exponent": Case(epochs(1, "{:.9e}"), {"time": {"column": "ts", "unit": "s"}}),
    "fractional epoch": Case(epochs(1, "{:.3f}"), {"time": {"column": "ts", "unit": "s"}}),
    "digits alone": Case(hours("%Y%m%d%H%M"), {"time": {"column": "time", "format": "%Y%m%d%H%M"}}),
    "with a zone": Case(hours("%Y-%m-%dT%H:%M:%S+09:00"), {"time": "time"}),
    "day first": Case(hours("%d.%m.%Y %H:%M"), {"time": {"column": "time", "order": "day_first"}}),
    "month first": Case(hours("%m/%d/%Y %H:%M"), {"time": {"column": "time", "order": "month_first"}}),
    "two digits of the year": Case(hours("%d/%m/%y %H:%M"), {"time": {"column": "time", "order": "day_first"}}),
    "AM and PM": Case(hours("%m/%d/%Y %I:%M %p"), {"time": {"column": "time", "order": "month_first"}}),
    "day or month first": Case(
        hours("%d/%m/%Y %H:%M", days=12),
        {"time": {"column": "time", "order": "? day_first | month_first"}},
        asked=("day first or month first",),
    ),
    "a comma before the fraction": Case(
        hours("%Y-%m-%d %H:%M:%S,250")
        .replace(",B001,", ";B001;")
        .replace("g_id,p", "g_id;p")
        .replace("time,b", "time;b"),
        {"time": "time"},
    ),
    "basic form of ISO 8601": Case(hours("%Y%m%dT%H%M%S"), {"time": {"column": "time", "format": "%Y%m%dT%H%M%S"}}),
    "names of months": Case(hours("%d/%b/%Y %H:%M:%S"), {"time": {"column": "time", "format": "%d/%b/%Y %H:%M:%S"}}),
    "whole names of months": Case(hours("%d %B %Y %H:%M"), {"time": {"column": "time", "format": "%d %B %Y %H:%M"}}),
    "digits and a clock": Case(hours("%Y%m%d %H:%M"), {"time": {"column": "time", "format": "%Y%m%d %H:%M"}}),
    "digits of hours and minutes": Case(hours("%Y%m%d_%H%M"), {"time": {"column": "time", "format": "%Y%m%d_%H%M"}}),
    "points in the clock": Case(
        hours("%Y-%m-%d %H.%M.%S"), {"time": {"column": "time", "format": "%Y-%m-%d %H.%M.%S"}}
    ),
    "two blanks": Case(hours("%Y-%m-%d  %H:%M:%S"), {"time": {"column": "time", "format": "%Y-%m-%d %H:%M:%S"}}),
    "Korean times without blanks": Case(
        hours("%Y년%m월%d일 %H시%M분"), {"time": {"column": "time", "format": "%Y년%m월%d일 %H시%M분"}}
    ),
    "Korean times": Case(hours("%Y년 %m월 %d일 %H시"), {"time": {"column": "time", "format": "%Y년 %m월 %d일 %H시"}}),
    "date and time in two columns": Case(
        hours("%d.%m.%Y,%H:%M", head="date,time,building_id,power_kw\n"),
        {"time": {"date": "date", "time": "time", "format": "%d.%m.%Y %H:%M"}},
    ),
    "date and hour": Case(
        hours("%Y-%m-%d,%H", head="date,hour,building_id,power_kw\n"),
        {"time": {"date": "date", "time": "hour", "format": "%Y-%m-%d %H"}},
    ),
    "two times": Case(
        hours(ISO, head="created_at,updated_at,building_id,power_kw\n", row=",2024-02-01 00:00:00,B001,{:.1f}\n"),
        {"time": "? created_at | updated_at", "ignore": {"updated_at": "another time than created_at"}},
        asked=("Which of",),
    ),
    "no building": Case(
        hours(ISO, head="time,power_kw\n", row=",{:.1f}\n"),
        {"building": {"const": "? data"}},
        asked=("Which building",),
    ),
    "midnight as 24:00": Case(
        "date,time,building_id,power_kw\n"
        + "".join(f"2024-01-{day:02d},{hour:02d}:00,B1,{hour % 7}.5\n" for day in range(1, 4) for hour in range(1, 25)),
        {"time": {"date": "date", "time": "time", "format": "%Y-%m-%d %k:%M"}},
    ),
    "midnight as 24:00 in one column": Case(
        "time,building_id,power_kw\n"
        + "".join(f"2024/01/{day:02d} {hour:02d}:00,B1,{hour % 7}.5\n" for day in range(1, 4) for hour in range(1, 25)),
        {"time": {"column": "time", "format": "%Y/%m/%d %k:%M"}},
    ),
    "hours from 1 to 24": Case(
        "date,hour,building_id,power_kw\n"
        + "".join(f"2024-01-{day:02d},{hour},B1,{hour % 7}.5\n" for day in range(1, 4) for hour in range(1, 25)),
        {"time": {"date": "date", "time": "hour", "format": "? %Y-%m-%d %k"}},
        asked=("from 1 to 24",),
    ),
    "megawatts or milliwatts": Case(
        hours(ISO, head="time,building_id,power_mw\n"),
        {"power_kw": {"column": "power_mw", "unit": "? MW | kW"}},
        asked=("megawatts",),
    ),
    "UTC by name alone": Case(
        hours(ISO, head="Time (UTC),building_id,power_kw\n"), {"time": "? Time (UTC)"}, asked=("in UTC",)
    ),
    "numbers without a name": Case(
        hours(ISO, head="time,building_id,aa,bb\n", row=",B001,{0:.1f},{0:.1f}\n"),
        {"values": dict.fromkeys(("aa", "bb"), "? temperature | humidity | power")},
        asked=("'aa', 'bb'",),
        section="readings",
    ),
    "a column for each meter": Case(
        apart(60, "time,tower_a,tower_b\n", "{time},{number:.1f},{other:.1f}\n"),
        {
            "shape": "wide",
            "building": {"from": "? column"},
            "values": {"tower_a": "power_kw", "tower_b": "power_kw"},
        },
        asked=("Is each of the columns 'tower_a', 'tower_b' a building?",),
        name="electricity.csv",
    ),
    "a column for each meter of a building": Case(
        apart(60, "time,house,tower_a,tower_b\n", "{time},B1,{number:.1f},{other:.1f}\n"),
        {
            "building": "house",
            "meter": {"from": "column"},
            "values": {"tower_a": "power_kw", "tower_b": "power_kw"},
        },
        name="electricity.csv",
    ),
    "a column for each building, by the quarter": Case(
        apart(15, "time,tower_a,tower_b\n", "{time},{number:.1f},{other:.1f}\n"),
        {"values": {"tower_a": {"type": "power_kw", "unit": "? kW | W | kWh"}, "tower_b": "power_kw"}},
        asked=("Is each of the columns", "In which unit are columns such as 'tower_a'?"),
        name="electricity.csv",
    ),
    "gas of each building": Case(
        apart(60, "time,tower_a,tower_b\n", "{time},{number:.1f},{other:.1f}\n"),
        {"building": {"from": "? column"}, "values": {"tower_a": "gas", "tower_b": "gas"}},
        asked=("Is each of the columns 'tower_a', 'tower_b' a building?",),
        section="readings",
        name="gas.csv",
    ),
    "a column for each sensor": Case(
        hours(ISO, head="time,building_id,temp_1,temp_2,rh_1\n", row=",B001,{0:.1f},{0:.1f},{0:.1f}\n"),
        {"shape": "wide", "values": {"temp_1": "temperature", "temp_2": "temperature", "rh_1": "humidity"}},
        section="readings",
    ),
    "units of wide columns": Case(
        hours(ISO, head="time,building_id,temp_f,temp_2\n", row=",B001,{0:.1f},{0:.1f} °C\n"),
        {"values": {"temp_f": {"type": "temperature", "unit": "°F"}, "temp_2": {"type": "temperature", "strip": "°C"}}},
        section="readings",
    ),
    "a unit in the name of the value": Case(
        "time,building,sensor,value (°F)\n"
        + "".join(f"2024-01-{day:02d} 10:00,B1,d{day % 3},{day + 40}.5\n" for day in range(1, 20)),
        {"value": {"column": "value (°F)", "unit": "°F"}},
        section="readings",
    ),
    "a row for each reading": Case(
        "time,building,device_id,metric,reading,uom\n"
        + "".join(f"2024-01-{day:02d} 10:00,B1,d{day % 3},온도,{day}.5,C\n" for day in range(1, 20)),
        {"sensor": "device_id", "type": {"column": "metric", "map": {"온도": "temperature"}}, "unit": "uom"},
        section="readings",
    ),
    "numbers and words in one column": Case(
        apart(60, "entity_id,building,state,last_changed\n", "t1,B1,{number}.5,{time}\nd1,B1,on,{time}\n"),
        {"sensor": "entity_id", "value": "state", "state": "state", "time": "last_changed"},
        section="readings",
    ),
    "temperature by its unit": Case(
        apart(60, "time,building,Demand (kW),OAT (°F)\n", "{time},B1,{number}.5,{other}.5\n"),
        {"power_kw": "Demand (kW)", "temperature_c": {"column": "OAT (°F)", "unit": "F"}},
    ),
    "one sensor": Case(
        "time,value\n" + "".join(f"2024-01-{day:02d} 10:00,{day}.5\n" for day in range(1, 20)),
        {"sensor": {"const": "temp_lobby"}, "type": {"const": "temperature"}, "building": {"const": "? temp_lobby"}},
        asked=("Which building",),
        section="readings",
        name="temp_lobby.csv",
    ),
}


def inspected(folder: Path, case: Case):
    content = case.content if isinstance(case.content, bytes) else case.content.encode()
    (folder / case.name).write_bytes(content)
    return inspect_folder(folder, timezone="Asia/Seoul")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp949"])
def test_of_large_files_pieces_are_looked_at(encoding, tmp_path, monkeypatch):
    monkeypatch.setattr(text_sample, "WHOLE_BYTES", 100_000)
    monkeypatch.setattr(text_sample, "_HEAD_BYTES", 20_000)
    monkeypatch.setattr(text_sample, "_PIECE_BYTES", 8_000)
    rows = "".join(
        f'"{day:02d}.03.2024 {hour:02d}:{minute:02d}";가동;"{minute},5";"one\r\ntwo"\r\n'
        for day in range(1, 13)
        for hour in range(24)
        for minute in range(0, 60, 5)
    )
    last = "".join(f"{day}.03.2024 10:00;가동;1,5;x\r\n" for day in range(13, 32)) * 20
    content = f"time;building_id;power_kw;note\r\n{rows}{last}"
    (tmp_path / "data.csv").write_bytes(content.encode(encoding))
    proposal = inspect_folder(tmp_path, timezone="Asia/Seoul")
    (source,) = proposal.sources
    # which number is the day shows in the last piece alone
    assert source.entry["time"] == {"column": "time", "order": "day_first"}
    assert source.entry["decimal"] == ","
    assert not source.tables[0].whole
    assert 0.7 < source.rows / (12 * 24 * 12 + 19 * 20) < 1.3
    assert str(proposal.head["first_day"]) == "2024-01-01"
    assert "2024-03-01" in proposal.comments["first_day"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_options(case, tmp_path):
    proposal = inspected(tmp_path, case)
    assert [(source.section, source.tables[0].file) for source in proposal.sources] == [(case.section, case.name)]
    entry = proposal.sources[0].entry
    assert {key: entry.get(key) for key in case.options} == case.options
    assert not set(case.absent) & entry.keys()
    assert len(proposal.questions) == len(case.asked)
    for question, word in zip(proposal.questions, case.asked, strict=True):
        assert word in question.what


CERTAIN = {name: case for name, case in CASES.items() if not case.asked}


@pytest.mark.parametrize("case", CERTAIN.values(), ids=CERTAIN)
def test_what_leaves_no_question_can_be_loaded(case, tmp_path):
    proposal = inspected(tmp_path, case)
    (tmp_path / "estate.yaml").write_text(estate_text(proposal), encoding="utf-8")
    estate = read_estate(tmp_path)
    check_estate(estate)
    (spec,) = estate.sources
    extra: dict[str, ColumnType] = dict.fromkeys(spec.extra, "text")
    rules = MappingRules(estate, contract_of(spec.target, extra), now=datetime(2025, 1, 1, tzinfo=UTC))
    rows = list(mapped_batches(open_source(spec), 0, rules, 1000))
    reasons = [reason for frame in rows for reason in frame[REASON].to_list() if reason is not None]
    assert reasons == ["missing_value"] * case.refused
    times = [time for frame in rows for time in frame["time"].to_list()]
    # a month in Korea, whatever the form of its times
    assert datetime(2023, 12, 31, 15, tzinfo=UTC) <= min(times) <= datetime(2024, 1, 1, 1, tzinfo=UTC)
    assert max(times) < datetime(2024, 1, 31, 15, tzinfo=UTC)
