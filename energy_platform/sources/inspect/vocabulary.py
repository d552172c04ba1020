"""What columns, tables and units are called, in English and Korean, and what their values look like: data, no code.

Words are compared with names once both are in small letters, without brackets, and split at everything that is neither
letter nor digit. A unit behind a name (`temp_c`, `Power [kW]`) is taken off first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from energy_platform.sources.inspect.words import (
    HUMIDITY_WORDS,
    OCCUPANCY_WORDS,
    POWER_WORDS,
    TEMPERATURE_WORDS,
)

ColumnKind = Literal["empty", "integer", "number", "flag", "time", "date", "clock", "text"]

NUMBERS: Final[tuple[ColumnKind, ...]] = ("integer", "number")
CODES: Final[tuple[ColumnKind, ...]] = ("text", "integer")
TEXTS: Final[tuple[ColumnKind, ...]] = ("text",)
TIMES: Final[tuple[ColumnKind, ...]] = ("time", "date")
ANY: Final[tuple[ColumnKind, ...]] = ("integer", "number", "flag", "time", "date", "clock", "text")


@dataclass(frozen=True, slots=True)
class Look:
    """What the column of a role looks like.

    Attributes:
        words: its names; the first are no better than the last.
        kinds: of values that it can hold.
        low: its values hardly ever lie below.
        high: its values hardly ever lie above.
        weight: how much it tells about its target.
        few: its values repeat: a column in which each is another one is something else.
        unique: each of its values is another one.
    """

    words: tuple[str, ...]
    kinds: tuple[ColumnKind, ...] = ANY
    low: float = -inf
    high: float = inf
    weight: float = 1.0
    few: bool = False
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a source can feed: a section of the estate file, or a table.

    Attributes:
        name: of the section or table.
        called: words in the name of a file or table.
        looks: its roles.
        needed: of each group one role has to be found.
        timeless: a source with a column of times in the first place is something else.
    """

    name: str
    called: tuple[str, ...]
    looks: Mapping[str, Look]
    needed: tuple[tuple[str, ...], ...]
    timeless: bool = False

    @property
    def is_section(self) -> bool:
        """It is a section of the estate file, not one of its `tables:`."""
        return self.name in {"readings", "energy", "alerts", "predictions"}


TIME_WORDS: Final = (
    *("time", "timestamp", "datetime", "date time", "ts", "when", "at", "measured at", "recorded at", "measured on"),
    *("reading time", "read at", "sample time", "event time", "local time", "utc", "utc time", "period", "interval"),
    *("last changed", "last updated", "interval start", "start time", "from", "zeit", "zeitstempel", "datum"),
    *("date", "day", "epoch", "unixtime"),
    *("unix time", "log time", "dt", "시간", "시각", "일시", "측정일시", "측정시간", "측정시각", "수집일시"),
    *("수집시간", "발생일시", "발생시간", "기록시간", "기록일시", "검침일시", "날짜", "일자", "측정일", "타임스탬프"),
)
DATE_WORDS: Final = ("date", "day", "datum", "날짜", "일자", "측정일", "측정일자", "검침일", "년월일")
CLOCK_WORDS: Final = (
    *("time", "clock", "hour", "hh", "uhrzeit", "hour of day", "시간", "시각", "시", "측정시간", "측정시각"),
)

_TIME = Look(TIME_WORDS, TIMES, weight=2)
_BUILDING = Look(
    (
        *("building", "building id", "building code", "building name", "bldg", "bldg id", "site", "site id", "house"),
        *("house id", "premise", "premise id", "facility", "facility id", "property", "gebäude", "건물", "건물코드"),
        *("건물id", "건물번호", "건물명", "건물이름", "동", "사업장", "시설", "단지"),
    ),
    CODES,
    few=True,
)
_SENSOR = Look(
    (
        *("sensor", "sensor id", "sensor code", "sensor name", "device", "device id", "tag", "tag name", "point"),
        *(
            "point id",
            "probe",
            "channel",
            "node",
            "node id",
            "entity",
            "entity id",
            "dev",
            "센서",
            "센서id",
            "센서코드",
        ),
        *("센서번호", "센서명"),
        *("장치", "장치id", "기기", "기기id", "계측기", "태그"),
    ),
    CODES,
    few=True,
)
_METER = Look(
    ("meter", "meter id", "meter code", "meter number", "zähler", "계량기", "계량기id", "계량기번호", "미터"),
    CODES,
    few=True,
)
_TYPE = Look(
    (
        *("sensor type", "type", "kind", "metric", "measurement", "quantity", "parameter", "variable", "reading type"),
        *("device type", "센서타입", "센서유형", "센서종류", "유형", "종류", "항목", "측정항목"),
    ),
    TEXTS,
    few=True,
)
_TENANT = Look(
    (
        *("tenant", "tenant id", "tenant code", "company", "company id", "customer", "customer id", "client", "owner"),
        *("organisation", "organization", "고객", "고객사", "고객id", "회사", "회사명", "기업"),
    ),
    CODES,
    few=True,
)
_FLOOR = Look(("floor", "level", "storey", "story", "층", "층수"), ("integer", "text", "number"), -20, 200)
_ROOM = Look(("room type", "room", "zone", "zone type", "space type", "room name", "방", "실", "실명", "공간"), TEXTS)
_UNIT = Look(("unit", "units", "uom", "unit of measure", "einheit", "단위"), TEXTS, few=True)
_STATUS = Look(
    ("status", "quality", "state flag", "sensor status", "flag", "상태", "품질"), (*TEXTS, "integer"), few=True
)
_MESSAGE = Look(
    ("message", "msg", "text", "description", "alert message", "alarm text", "메시지", "내용", "알림내용", "설명"),
    TEXTS,
    weight=2,
)
_SEVERITY = Look(
    ("severity", "level", "priority", "alarm level", "심각도", "등급", "중요도", "위험도"),
    (*TEXTS, "integer"),
    weight=1.5,
)

READINGS = Target(
    "readings",
    ("readings", "sensor readings", "sensor data", "measurements", "telemetry", "samples", "센서", "측정"),
    {
        "time": _TIME,
        "building": _BUILDING,
        "sensor": _SENSOR,
        "type": _TYPE,
        "value": Look(
            (
                *("value", "reading", "measured value", "val", "v", "wert", "data", "result", "값", "측정값", "측정치"),
                *("계측값", "데이터", "state"),
            ),
            NUMBERS,
            weight=2,
        ),
        "state": Look(("state", "state value", "text value", "value", "reading", "상태값", "값", "측정값"), TEXTS),
        "unit": _UNIT,
        "confidence": Look(("confidence", "certainty", "신뢰도", "정확도"), NUMBERS, 0, 1),
        "status": _STATUS,
        "floor": _FLOOR,
        "room_type": _ROOM,
        "tenant": _TENANT,
    },
    (("time",), ("value", "state")),
)
ENERGY = Target(
    "energy",
    ("energy", "building data", "meter", "meters", "consumption", "load", "power", "전력", "에너지", "건물데이터"),
    {
        "time": _TIME,
        "building": _BUILDING,
        "meter": _METER,
        "power_kw": Look(POWER_WORDS, NUMBERS, weight=2),
        "temperature_c": Look(TEMPERATURE_WORDS, NUMBERS, -60, 150),
        "humidity_pct": Look(HUMIDITY_WORDS, NUMBERS, 0, 100),
        "occupancy": Look(OCCUPANCY_WORDS, NUMBERS, 0, 100_000),
        "tenant": _TENANT,
    },
    (("time",), ("power_kw",)),
)
ALERTS = Target(
    "alerts",
    ("alerts", "alarms", "events", "notifications", "경보", "알림", "알람"),
    {
        "time": _TIME,
        "building": _BUILDING,
        "sensor": _SENSOR,
        "severity": _SEVERITY,
        "type": Look(
            ("alert type", "alarm type", "type", "kind", "category", "event type", "경보유형", "알림유형", "유형"),
            TEXTS,
        ),
        "message": _MESSAGE,
        "resolved": Look(
            (
                "resolved",
                "acknowledged",
                "closed",
                "handled",
                "is resolved",
                "해결",
                "해결여부",
                "처리여부",
                "확인여부",
            ),
            ("flag", "integer", "text"),
        ),
        "tenant": _TENANT,
    },
    (("time",), ("message",)),
)
PREDICTIONS = Target(
    "predictions",
    ("predictions", "forecasts", "forecast", "prediction", "예측"),
    {
        "time": Look((*TIME_WORDS, "target time", "forecast time", "예측시간", "예측일시"), TIMES),
        "building": _BUILDING,
        "model": Look(("model", "model name", "모델", "모델명"), TEXTS, weight=2, few=True),
        "lead_days": Look(("lead days", "horizon", "horizon days", "lead"), (*NUMBERS, "text"), 0, 400),
        "power_kw": Look(
            (
                *("prediction", "predicted", "predicted power", "forecast", "forecast power", "yhat", "power"),
                *("predicted consumption", "power consumption", "예측값", "예측전력", "예측량"),
            ),
            NUMBERS,
            weight=2,
        ),
        "lower_kw": Look(("lower", "low", "lower bound", "yhat lower", "p10", "하한"), NUMBERS),
        "upper_kw": Look(("upper", "high", "upper bound", "yhat upper", "p90", "상한"), NUMBERS),
        "issued_at": Look(("issued at", "created at", "made at", "run time", "생성일시"), (*TIMES, "text")),
        "tenant": _TENANT,
    },
    (("time",), ("model",), ("power_kw",)),
)

_NAME = Look(("name", "title", "label", "이름", "명칭", "성명"), (*TEXTS, "integer"))
_CURRENCY = Look(("currency", "통화"), TEXTS, few=True)

_TABLES = (
    Target(
        "tenants",
        ("tenants", "companies", "customers", "clients", "고객사", "고객", "회사"),
        {
            "tenant": Look((*_TENANT.words, "code", "id", "코드"), CODES),
            "name": Look((*_NAME.words, "company name", "tenant name", "customer name", "회사명", "고객명"), TEXTS),
        },
        (("tenant",), ("name",)),
        timeless=True,
    ),
    Target(
        "buildings",
        ("buildings", "building", "sites", "facilities", "건물", "건물목록", "건물정보"),
        {
            "building_id": Look((*_BUILDING.words, "id", "code", "코드"), CODES, unique=True),
            "name": Look((*_NAME.words, "building name", "site name", "건물명", "건물이름"), TEXTS),
            "building_type": Look(
                ("building type", "type", "use", "primary use", "usage type", "용도", "건물용도", "건물유형"), TEXTS
            ),
            "address": Look(("address", "location", "주소", "소재지"), TEXTS, weight=1.5),
            "timezone": Look(("timezone", "time zone", "tz"), TEXTS),
            "floor_area_m2": Look(
                ("floor area", "area", "gross area", "square metres", "sqm", "면적", "연면적", "바닥면적"),
                NUMBERS,
                0,
                weight=1.5,
            ),
            "floors": Look(
                ("floors", "floor count", "storeys", "number of floors", "층수", "지상층수"), NUMBERS, 0, 300
            ),
            "year_built": Look(
                ("year built", "built", "construction year", "built year", "준공연도", "준공년도", "건축연도"),
                NUMBERS,
                1000,
                2100,
            ),
            "latitude": Look(("latitude", "lat", "위도"), NUMBERS, -90, 90),
            "longitude": Look(("longitude", "lon", "lng", "long", "경도"), NUMBERS, -180, 180),
            "tenant": _TENANT,
        },
        (
            ("building_id",),
            ("name", "building_type", "address", "floor_area_m2", "floors", "year_built", "latitude"),
        ),
        timeless=True,
    ),
    Target(
        "sensors",
        ("sensors", "sensor config", "sensor register", "devices", "센서목록", "센서정보", "장치목록"),
        {
            "sensor_id": Look((*_SENSOR.words, "id", "code"), CODES, weight=1.5, unique=True),
            "building_id": _BUILDING,
            "name": Look((*_NAME.words, "센서명"), TEXTS),
            "sensor_type": Look((*_TYPE.words, "@group"), TEXTS),
            "unit": _UNIT,
            "floor": _FLOOR,
            "room_type": _ROOM,
            "mqtt_topic": Look(("mqtt topic", "topic"), TEXTS, weight=2),
            "http_endpoint": Look(("http endpoint", "endpoint", "url"), TEXTS),
            "update_interval_seconds": Look(
                ("update interval", "update interval seconds", "interval", "period", "주기", "수집주기"), NUMBERS, 0
            ),
            "minimum": Look(("min", "minimum", "thresholds min", "low", "최소", "최소값", "하한"), NUMBERS),
            "maximum": Look(("max", "maximum", "thresholds max", "high", "최대", "최대값", "상한"), NUMBERS),
            "critical_minimum": Look(("critical min", "critical minimum", "thresholds critical min"), NUMBERS),
            "critical_maximum": Look(("critical max", "critical maximum", "thresholds critical max"), NUMBERS),
            "tenant": _TENANT,
        },
        (
            ("sensor_id",),
            ("building_id", "sensor_type", "mqtt_topic", "minimum", "unit", "name"),
        ),
        timeless=True,
    ),
    Target(
        "sensor_status",
        ("sensor status", "device status", "status", "센서상태"),
        {
            "sensor_id": Look(_SENSOR.words, CODES),
            "sensor_type": _TYPE,
            "status": Look((*_STATUS.words, "online"), (*TEXTS, "integer"), weight=1.5, few=True),
            "last_reading": Look(("last reading", "last value", "마지막값", "최근값"), NUMBERS, weight=2),
            "last_update": Look(
                ("last update", "last seen", "updated at", "updated", "최근수신", "마지막수신"), TIMES, weight=2
            ),
            "tenant": _TENANT,
        },
        (("sensor_id",), ("last_reading", "last_update")),
    ),
    Target(
        "users",
        ("users", "user", "accounts", "members", "사용자", "회원"),
        {
            "user_id": Look(("user", "user id", "id", "login", "account", "사용자id", "아이디", "회원번호"), CODES),
            "email": Look(("email", "e mail", "mail", "이메일", "메일"), TEXTS, weight=2),
            "name": Look((*_NAME.words, "user name", "username", "full name"), TEXTS),
            "role": Look(("role", "user role", "역할", "권한"), TEXTS),
            "password_hash": Look(("password hash", "password", "pw hash", "비밀번호"), TEXTS),
            "active": Look(("active", "is active", "enabled", "활성", "사용여부"), ("flag", "integer", "text")),
            "created_at": Look(("created at", "created", "joined", "가입일", "생성일"), TIMES),
            "tenant": _TENANT,
        },
        (("user_id",), ("email", "password_hash")),
    ),
    Target(
        "subscriptions",
        ("subscriptions", "subscription", "구독"),
        {
            "subscription_id": Look(("subscription", "subscription id", "id", "구독id"), CODES),
            "plan": Look(("plan", "tier", "product", "요금제", "상품"), TEXTS, weight=2),
            "status": _STATUS,
            "started_on": Look(("started on", "start date", "started", "start", "시작일"), TIMES),
            "ended_on": Look(("ended on", "end date", "ended", "end", "종료일"), TIMES),
            "monthly_fee": Look(("monthly fee", "fee", "price", "월요금", "요금"), NUMBERS),
            "currency": _CURRENCY,
            "tenant": _TENANT,
        },
        (("subscription_id",), ("plan", "monthly_fee")),
    ),
    Target(
        "billing",
        ("billing", "invoices", "bills", "invoice", "청구", "요금", "고지서"),
        {
            "invoice_id": Look(
                ("invoice", "invoice id", "bill id", "invoice number", "id", "청구번호", "고지번호"), CODES
            ),
            "building_id": _BUILDING,
            "period_start": Look(("period start", "from", "start", "start date", "시작일"), TIMES),
            "period_end": Look(("period end", "to", "until", "end", "end date", "종료일"), TIMES),
            "energy_kwh": Look(("energy", "energy kwh", "consumption", "usage", "사용량", "전력사용량"), NUMBERS),
            "amount": Look(("amount", "total", "sum", "cost", "금액", "청구금액", "요금"), NUMBERS, weight=2),
            "currency": _CURRENCY,
            "status": _STATUS,
            "issued_on": Look(("issued on", "issued", "invoice date", "발행일", "청구일"), TIMES),
            "tenant": _TENANT,
        },
        (("invoice_id",), ("amount",)),
    ),
    Target(
        "settings",
        ("settings", "preferences", "options", "config", "설정"),
        {
            "name": Look(("name", "key", "setting", "option", "이름", "항목"), TEXTS),
            "value": Look(("value", "setting value", "값"), ANY),
            "tenant": _TENANT,
        },
        (("name",), ("value",)),
        timeless=True,
    ),
    Target(
        "model_scores",
        ("model performance", "model scores", "scores", "metrics", "performance", "모델성능"),
        {
            "model": Look(("model", "model name", "algorithm", "모델", "모델명", ""), TEXTS),
            "rmse": Look(("rmse",), NUMBERS, 0, weight=2),
            "mae": Look(("mae",), NUMBERS, 0, weight=2),
            "r2": Look(("r2", "r 2", "r squared", "r² score", "r2 score"), NUMBERS, weight=2),
            "mape": Look(("mape",), NUMBERS, 0, weight=2),
            "cv_r2_mean": Look(("cv r2 mean",), NUMBERS),
            "cv_r2_std": Look(("cv r2 std",), NUMBERS),
            "tenant": _TENANT,
        },
        (("model",), ("rmse", "mae", "r2", "mape")),
        timeless=True,
    ),
    Target(
        "feature_importances",
        ("feature importance", "feature importances", "importance", "중요도"),
        {
            "model": Look(("model", "model name", "모델", "모델명"), TEXTS, few=True),
            "feature": Look(("feature", "feature name", "variable", "", "특성", "변수"), TEXTS, weight=1.5),
            "importance": Look(("importance", "gain", "weight", "중요도"), NUMBERS, weight=2),
            "tenant": _TENANT,
        },
        (("feature",), ("importance",)),
        timeless=True,
    ),
)

TARGETS: Final[tuple[Target, ...]] = (READINGS, ENERGY, ALERTS, PREDICTIONS, *_TABLES)
