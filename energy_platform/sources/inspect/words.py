"""Words of units, sensor types, counters, keys, and of nothing at all, in English and Korean: data, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Names of what an interval used: energy, unless a unit of power says otherwise.
ENERGY_WORDS: Final = (
    *("energy", "energy consumption", "consumption", "usage", "energy use", "energy usage", "meter reading"),
    *("verbrauch", "energie", "전력소비량", "전력사용량", "전력량", "사용량", "에너지사용량", "에너지소비량", "소비량"),
)
#: Names of power; with a unit of energy behind them they are energy of an interval.
POWER_WORDS: Final = (
    *("power", "power consumption", "active power", "load", "demand", "electric power", "electricity", "p", "p total"),
    *("leistung", "wirkleistung", "total power", "전력", "소비전력", "유효전력", "전력소비", "부하", "수요전력"),
    *ENERGY_WORDS,
)
TEMPERATURE_WORDS: Final = (
    *("temperature", "temp", "t", "outdoor temperature", "outdoor temp", "outside temperature", "air temperature"),
    *("ambient temperature", "temperatur", "außentemperatur", "온도", "기온", "외기온도", "외기온", "실내온도"),
)
HUMIDITY_WORDS: Final = (
    *("humidity", "hum", "rh", "relative humidity", "outdoor humidity", "feuchte", "luftfeuchte", "습도", "상대습도"),
)
OCCUPANCY_WORDS: Final = (
    *("occupancy", "occupants", "people", "people count", "headcount", "persons", "재실", "재실인원", "재실자수"),
    *("인원", "재실자"),
)

#: Names of registers that count on: their rows are states of a counter, not what an interval used.
COUNTER_WORDS: Final = (
    *(
        "meter reading",
        "counter",
        "cumulative",
        "total energy",
        "register",
        "index",
        "zählerstand",
        "누적",
        "누적전력량",
    ),
    *("누적사용량", "지침", "검침값", "적산"),
)

#: What draws watts: a device, not a building.
DEVICE_WORDS: Final = ("plug", "socket", "outlet", "appliance", "smart plug", "steckdose", "콘센트", "가전")
#: Columns that number the rows of a table.
KEY_WORDS: Final = ("id", "row id", "rowid", "reading id", "record id", "alert id", "번호", "순번", "일련번호")
#: Columns that an export adds: a number of the row, without a meaning.
INDEX_WORDS: Final = ("", "index", "unnamed 0", "unnamed", "row", "row number", "level 0", "no")


#: Units that nothing converts, by their names in small letters, and what they measure.
#: Power, energy and temperature are known to the domain.
OTHER_UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("%", "pct", "percent", "% rh", "%rh", "퍼센트"), "share"),
    "ppm": "co2",
    **dict.fromkeys(("lux", "lx"), "light"),
    **dict.fromkeys(("hpa", "mbar", "pa", "bar"), "pressure"),
    **dict.fromkeys(("v", "volt", "volts"), "voltage"),
    **dict.fromkeys(("a", "amp", "amps", "ampere"), "current"),
    **dict.fromkeys(("m3", "m³", "㎥"), "volume"),
    **dict.fromkeys(("people", "persons", "명", "인"), "occupancy"),
    **dict.fromkeys(("m2", "m²", "㎡", "sqm"), "area"),
    **dict.fromkeys(("seconds", "sec"), "duration"),
    **dict.fromkeys(("m/s", "km/h"), "speed"),
    **dict.fromkeys(("hz", "var", "kvar", "kva", "va"), "electrical"),
}
#: Letters that are units in brackets, and too short to be one behind a name: `phase_a` is no current.
UNITS_IN_BRACKETS_ONLY: Final = frozenset({"a", "v", "k", "pa", "va", "bar", "sec", "인"})
#: What stands in a row of units above columns that have none.
UNIT_FILLERS: Final = frozenset(
    {"", "-", "none", "n/a", "text", "string", "date", "time", "datetime", "timestamp", "id", "yyyy-mm-dd hh:mm:ss"}
    | {
        "yyyy-mm-dd hh:mm",
        "yyyy-mm-dd",
        "hh:mm",
        "hh:mm:ss",
        "dd.mm.yyyy",
        "dd/mm/yyyy",
        "code",
        "단위",
        "unit",
        "units",
    }
)

#: What a sensor measures, by words in names of columns, sensors and types.
SENSOR_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": TEMPERATURE_WORDS,
    "humidity": HUMIDITY_WORDS,
    "occupancy": (*OCCUPANCY_WORDS, "motion", "presence", "pir"),
    "power": POWER_WORDS,
    "co2": ("co2", "carbon dioxide", "이산화탄소"),
    "light": ("light", "lux", "illuminance", "brightness", "조도"),
    "pressure": ("pressure", "air pressure", "기압", "압력"),
    "pm25": ("pm25", "pm2 5", "pm 25", "초미세먼지"),
    "pm10": ("pm10", "pm 10", "미세먼지"),
    "voltage": ("voltage", "전압"),
    "current": ("current", "전류"),
    "gas": ("gas", "가스"),
    "water": ("water", "수도", "물"),
    "wind_speed": ("wind speed", "풍속"),
    "wind_direction": ("wind direction", "풍향"),
    "solar": ("solar", "irradiance", "solar radiation", "일사량"),
    "rain": ("rain", "precipitation", "강수량"),
    "door": ("door", "문"),
}
#: What a unit says about the sensor's type.
TYPE_OF_QUANTITY: Final[Mapping[str, str]] = {
    "power": "power",
    "energy": "energy",
    "temperature": "temperature",
    "co2": "co2",
    "light": "light",
    "pressure": "pressure",
    "voltage": "voltage",
    "current": "current",
    "occupancy": "occupancy",
}

#: Texts that mean: nothing was measured.
MISSING_MARKS: Final = frozenset(
    {"na", "n/a", "#n/a", "#na", "null", "none", "nil", "nan", "-", "--", "---", ".", "?", "*", "missing", "no data"}
    | {"unavailable", "unknown"}
    | {"nodata", "error", "err", "fail", "bad", "#value!", "#ref!", "#div/0!", "결측", "없음", "미측정", "오류"}
)
#: Numbers that mean the same, where they lie far from all others.
MISSING_NUMBERS: Final = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0)

#: Time zones that go with an offset, where all times carry the same one.
ZONE_OF_OFFSET: Final[Mapping[str, str]] = {
    "+00:00": "UTC",
    "+09:00": "Asia/Seoul",
    "+08:00": "Asia/Singapore",
    "+05:30": "Asia/Kolkata",
}
