"""Says what the stores must hold after a migration, with the standard library alone and without a line of ours.

An estate is described by a plain dict (`SAMPLE`, `LEGACY`), written by hand and apart from any estate.yaml:

    timezone, first_day, last_day, tenant
    measurements   name -> sources; each has exactly one of `sqlite` (with `table`, `key`) or `csv`, and `columns`:
                   canonical column -> column of the source, or a one-element tuple with a constant;
                   `extra`: field -> (column, type)
    building_of    the JSON register that says in which building a sensor is, for sources without a building
    tables         name -> source, as above or `json`

Points are `{(measurement's tags …, UTC microseconds): {field: value}}`, without the fields that hold nothing.
"""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Point = tuple[Any, ...]
Points = dict[Point, dict[str, Any]]
Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TAGS = {
    "sensor_data": ("tenant_id", "building_id", "sensor_id", "sensor_type"),
    "energy_consumption": ("tenant_id", "building_id", "meter_id"),
    "alerts": ("tenant_id", "building_id", "sensor_id", "severity", "alert_type"),
}
FIELDS = {
    "sensor_data": {"value": float, "state": str, "confidence": float, "status": str},
    "energy_consumption": {"power_kw": float, "temperature_c": float, "humidity_pct": float, "occupancy": float},
    "alerts": {"message": str, "resolved": bool},
}
RANGES = {
    "confidence": (0, 1),
    "power_kw": (-1e5, 1e5),
    "temperature_c": (-80, 80),
    "humidity_pct": (0, 100),
    "occupancy": (0, 1e6),
}
SENSOR_RANGES = {"temperature": (-60, 100), "humidity": (0, 100), "occupancy": (0, 1e5), "power": (-1e5, 1e5)}
ONE_OF = {"sensor_data": ("value", "state"), "energy_consumption": tuple(FIELDS["energy_consumption"])}
UNDATED = {"unreadable_time", "before_first_day", "after_last_day", "in_the_future"}

#: Identity of the rows of a table, beside the tenant; and the columns that are no text.
TABLE_KEYS = {
    "tenants": (),
    "buildings": ("building_id",),
    "sensors": ("sensor_id",),
    "sensor_status": ("sensor_id",),
    "users": ("user_id",),
    "subscriptions": ("subscription_id",),
    "billing": ("invoice_id",),
    "settings": ("name",),
    "model_scores": ("model",),
    "feature_importances": ("model", "feature"),
}
FLOATS = {
    *("floor_area_m2", "latitude", "longitude", "update_interval_seconds", "minimum", "maximum", "critical_minimum"),
    *("critical_maximum", "last_reading", "monthly_fee", "energy_kwh", "amount", "rmse", "mae", "r2", "mape"),
    *("cv_r2_mean", "cv_r2_std", "importance"),
}
INTEGERS = {"floors", "year_built", "floor"}
BOOLEANS = {"active"}
TIMES = {"created_at", "last_update"}
DATES = {"started_on", "ended_on", "period_start", "period_end", "issued_on"}

_READINGS = {
    "sqlite": "sensor_readings.db",
    "table": "sensor_readings",
    "key": "id",
    "columns": {
        "time": "timestamp",
        "building_id": "building_id",
        "sensor_id": "sensor_id",
        "sensor_type": "sensor_type",
        "value": "value",
        "confidence": "confidence",
        "status": "status",
    },
}
_ENERGY = {
    "csv": "building_data.csv",
    "columns": {
        "time": "timestamp",
        "building_id": "building_id",
        "meter_id": ("main",),
        "power_kw": "power_consumption",
        "temperature_c": "temperature",
        "humidity_pct": "humidity",
        "occupancy": "occupancy",
    },
}
_ALERTS = {
    "sqlite": "sensor_readings.db",
    "table": "alerts",
    "key": "id",
    "columns": {
        "time": "timestamp",
        "sensor_id": "sensor_id",
        "severity": "severity",
        "alert_type": "alert_type",
        "message": "message",
        "resolved": "resolved",
    },
}
_MEASUREMENTS = {"sensor_data": [_READINGS], "energy_consumption": [_ENERGY], "alerts": [_ALERTS]}
_SENSORS = {
    "json": "sensor_config.json",
    "at": "sensors",
    "types": {
        "temperature_sensors": "temperature",
        "humidity_sensors": "humidity",
        "occupancy_sensors": "occupancy",
        "power_sensors": "power",
    },
    "columns": {
        "sensor_id": "id",
        "building_id": "building_id",
        "name": "name",
        "sensor_type": "@type",
        "unit": "unit",
        "floor": "floor",
        "room_type": "room_type",
        "mqtt_topic": "mqtt_topic",
        "http_endpoint": "http_endpoint",
        "update_interval_seconds": "update_interval",
        "minimum": "thresholds.min",
        "maximum": "thresholds.max",
        "critical_minimum": "thresholds.critical_min",
        "critical_maximum": "thresholds.critical_max",
    },
}


def _same(*names: str) -> dict[str, Any]:
    return {name: name for name in names}


_SENSOR_STATUS = {
    "sqlite": "sensor_readings.db",
    "table": "sensor_status",
    "key": "rowid",
    "columns": _same("sensor_id", "sensor_type", "status", "last_reading", "last_update"),
}
_MODEL_SCORES = {
    "csv": "model_performance.csv",
    "columns": {
        "model": "",
        "rmse": "RMSE",
        "mae": "MAE",
        "r2": "R2",
        "mape": "MAPE",
        "cv_r2_mean": "CV_R2_mean",
        "cv_r2_std": "CV_R2_std",
    },
}

SAMPLE: dict[str, Any] = {
    "timezone": "Asia/Seoul",
    "tenant": "sample",
    "measurements": _MEASUREMENTS,
    "building_of": _SENSORS,
    "tables": {
        "tenants": {"csv": "tenants.csv", "columns": {"tenant_id": "code", "name": "name"}},
        "buildings": {
            "csv": "buildings.csv",
            "columns": _same(
                *("building_id", "name", "building_type", "address", "floor_area_m2", "floors", "year_built"),
                *("latitude", "longitude"),
            ),
        },
        "sensors": _SENSORS,
        "sensor_status": _SENSOR_STATUS,
        "users": {
            "csv": "users.csv",
            "columns": _same("user_id", "email", "name", "role", "password_hash", "active", "created_at"),
        },
        "subscriptions": {
            "csv": "subscriptions.csv",
            "columns": _same("subscription_id", "plan", "status", "started_on", "ended_on", "monthly_fee", "currency"),
        },
        "billing": {
            "csv": "billing.csv",
            "columns": _same(
                *("invoice_id", "building_id", "period_start", "period_end", "energy_kwh", "amount", "currency"),
                *("status", "issued_on"),
            ),
        },
        "settings": {"csv": "settings.csv", "columns": _same("name", "value")},
        "model_scores": _MODEL_SCORES,
        "feature_importances": {
            "csv": "feature_importance.csv",
            "columns": {"model": ("Gradient_Boosting",), "feature": "feature", "importance": "importance"},
        },
    },
}

LEGACY: dict[str, Any] = {
    "timezone": "Asia/Seoul",
    "first_day": "2023-01-01",
    "last_day": "2099-12-31",
    "tenant": "default",
    "measurements": {
        **_MEASUREMENTS,
        "energy_consumption": [{**_ENERGY, "extra": {"floor": ("floor", float), "room_type": ("room_type", str)}}],
    },
    "building_of": _SENSORS,
    "tables": {"sensors": _SENSORS, "sensor_status": _SENSOR_STATUS, "model_scores": _MODEL_SCORES},
}


@dataclass
class Account:
    """What must become of the rows of a source."""

    read: int = 0
    loaded: int = 0
    duplicates: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, Any]:
        """As the report shows it."""
        return {
            "read": self.read,
            "loaded": self.loaded,
            "duplicates": self.duplicates,
            "quarantined": sum(self.reasons.values()),
            "undated": sum(count for reason, count in self.reasons.items() if reason in UNDATED),
            "reasons": dict(sorted(self.reasons.items())),
        }


@dataclass
class Expected:
    """What the stores must hold.

    Attributes:
        points: by measurement.
        rows: by table: key (tenant first) to all columns that the source feeds.
        accounts: by source.
        days: by measurement, points per local day.
        refused: (source, key of the row, reason); the key of a CSV row is its number.
    """

    points: dict[str, Points] = field(default_factory=dict)
    rows: dict[str, dict[Point, Row]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    days: dict[str, Counter[str]] = field(default_factory=dict)
    refused: set[tuple[str, str, str]] = field(default_factory=set)


class RefusedError(Exception):
    """A row breaks its contract; the text is the reason."""


def sample_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """The description of a sample in a folder: its days are those that its manifest names."""
    facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    days = {name: facts[name] for name in ("first_day", "last_day", "timezone", "tenant")}
    return {**SAMPLE, **days, **changes}


def expected_of(folder: Path, estate: Mapping[str, Any]) -> Expected:
    """What the stores must hold once this folder is migrated."""
    expected = Expected()
    for name, sources in estate["measurements"].items():
        expected.points[name], expected.days[name] = {}, Counter()
        for source in sources:
            _judge_points(folder, estate, name, source, expected)
    for name, source in estate["tables"].items():
        expected.rows[name] = {}
        _judge_rows(folder, estate, name, source, expected)
    return expected


def name_of(source: Mapping[str, Any]) -> str:
    """The name of a source in reports."""
    if "sqlite" in source:
        return f"{source['sqlite']}/{source['table']}"
    return f"{source['json']}/{source['at']}" if "json" in source else source["csv"]


def point_differences(expected: Mapping[str, Points], found: Mapping[str, Points]) -> list[str]:
    """What is missing, too many or otherwise, as facts; empty where both are the same."""
    facts = []
    for name in sorted({*expected, *found}):
        ours, theirs = expected.get(name, {}), found.get(name, {})
        facts += [f"{name} {point} is missing" for point in ours.keys() - theirs.keys()]
        facts += [f"{name} {point} is too many" for point in theirs.keys() - ours.keys()]
        facts += [
            f"{name} {point} holds {theirs[point]} instead of {ours[point]}"
            for point in ours.keys() & theirs.keys()
            if ours[point] != theirs[point]
        ]
    return facts


def row_differences(expected: Mapping[Point, Row], found: Mapping[Point, Row]) -> list[str]:
    """The same of the rows of a table; columns that no source feeds are not looked at."""
    facts = [f"{key} is missing" for key in expected.keys() - found.keys()]
    facts += [f"{key} is too many" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        for column, value in expected[key].items():
            if found[key][column] != value:
                facts.append(f"{key}: {column} is {found[key][column]!r} instead of {value!r}")
    return facts


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def instant(cell: Any, zone: ZoneInfo) -> datetime:
    """The instant that a cell names. Raises RefusedError."""
    try:
        moment = datetime.fromisoformat(cell)
    except (TypeError, ValueError):
        raise RefusedError("unreadable_time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _judge_points(
    folder: Path, estate: Mapping[str, Any], name: str, source: Mapping[str, Any], expected: Expected
) -> None:
    zone = ZoneInfo(estate["timezone"])
    account = expected.accounts.setdefault(name_of(source), Account())
    points = expected.points[name]
    buildings = _buildings(folder, estate)
    for key, raw in _rows(folder, source):
        account.read += 1
        row = {"tenant_id": estate["tenant"], **_mapped(raw, source)}
        try:
            moment = instant(row["time"], zone)
            day = _day(moment, estate, zone)
            if name == "alerts":
                if row["sensor_id"] not in buildings:
                    raise RefusedError("unknown_sensor")
                row["building_id"] = buildings[row["sensor_id"]]
            fields = _fields(name, row)
            for extra, (column, kind) in source.get("extra", {}).items():
                if raw[column] is not None:
                    fields[extra] = kind(raw[column])
            point = (*(row[tag] or "" for tag in TAGS[name]), microseconds(moment))
            if point not in points:
                points[point] = fields
                expected.days[name][day] += 1
                account.loaded += 1
            elif points[point] == fields:
                account.duplicates += 1
            else:
                raise RefusedError("conflict")
        except RefusedError as refusal:
            account.reasons[str(refusal)] += 1
            expected.refused.add((name_of(source), key, str(refusal)))


def _judge_rows(
    folder: Path, estate: Mapping[str, Any], name: str, source: Mapping[str, Any], expected: Expected
) -> None:
    account = expected.accounts.setdefault(name_of(source), Account())
    rows = expected.rows[name]
    zone = ZoneInfo(estate["timezone"])
    for _, raw in _rows(folder, source):
        account.read += 1
        mapped = {"tenant_id": estate["tenant"], **_mapped(raw, source)}
        row = {column: _typed(column, value, zone) for column, value in mapped.items()}
        key = tuple(row[column] for column in ("tenant_id", *TABLE_KEYS[name]))
        if key in rows:
            account.duplicates += 1
        else:
            rows[key] = row
            account.loaded += 1


def _rows(folder: Path, source: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    if "csv" in source:
        with (folder / source["csv"]).open(encoding="utf-8-sig", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), start=1):
                yield str(number), {name: cell or None for name, cell in row.items()}
    elif "json" in source:
        content = json.loads((folder / source["json"]).read_text(encoding="utf-8"))
        groups = content[source["at"]]
        for group, entries in groups.items():
            for number, entry in enumerate(entries, start=1):
                flat = dict(_flat(entry, ""))
                yield str(number), {**flat, "@type": source["types"][group]}
    else:
        with closing(sqlite3.connect(f"file:{folder / source['sqlite']}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            for row in database.execute(f"SELECT rowid, * FROM {source['table']} ORDER BY {source['key']}"):
                yield str(row[source["key"]]), dict(row)


def _flat(entry: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in entry.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _mapped(raw: Row, source: Mapping[str, Any]) -> Row:
    columns: Mapping[str, Any] = source["columns"]
    return {name: column[0] if isinstance(column, tuple) else raw[column] for name, column in columns.items()}


def _buildings(folder: Path, estate: Mapping[str, Any]) -> dict[str, str]:
    return {row["id"]: row["building_id"] for _, row in _rows(folder, estate["building_of"])}


def _day(moment: datetime, estate: Mapping[str, Any], zone: ZoneInfo) -> str:
    if moment > datetime.now(UTC):
        raise RefusedError("in_the_future")
    day = moment.astimezone(zone).date()
    if day < date.fromisoformat(estate["first_day"]):
        raise RefusedError("before_first_day")
    if day > date.fromisoformat(estate["last_day"]):
        raise RefusedError("after_last_day")
    return day.isoformat()


def _fields(name: str, row: Row) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if not row["building_id"] or (name == "sensor_data" and not row["sensor_id"]):
        raise RefusedError("missing_key")
    for column, kind in FIELDS[name].items():
        value = row.get(column)
        if value is None:
            continue
        fields[column] = _number(value) if kind is float else kind(value)
    if any(isinstance(value, float) and not math.isfinite(value) for value in fields.values()):
        raise RefusedError("not_finite")
    ranges = {**RANGES, "value": SENSOR_RANGES.get(row.get("sensor_type") or "", (-math.inf, math.inf))}
    for column, value in fields.items():
        least, most = ranges.get(column, (-math.inf, math.inf))
        if isinstance(value, float) and not least <= value <= most:
            raise RefusedError("out_of_range")
    if name == "alerts" and "message" not in fields:
        raise RefusedError("missing_value")
    if name in ONE_OF and not any(column in fields for column in ONE_OF[name]):
        raise RefusedError("missing_value")
    return fields


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except ValueError:
        raise RefusedError("not_a_number") from None


def _typed(column: str, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if column in FLOATS:
        return float(value)
    if column in INTEGERS:
        return int(value)
    if column in BOOLEANS:
        return str(value).lower() in {"1", "true"}
    if column in TIMES:
        return instant(value, zone)
    return date.fromisoformat(value) if column in DATES else str(value)
