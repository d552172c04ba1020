"""Says what must become of every row of a sample, with the standard library alone and without our code."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

SENSOR_RANGES = {"temperature": (-60, 100), "humidity": (0, 100), "occupancy": (0, 100_000), "power": (-1e5, 1e5)}
ENERGY_RANGES = {
    "power_consumption": (-1e5, 1e5),
    "temperature": (-80, 80),
    "humidity": (0, 100),
    "occupancy": (0, 1_000_000),
}
UNDATED = {"unreadable_time", "before_first_day", "after_last_day", "in_the_future"}


@dataclass
class Verdicts:
    """What must become of the rows of one source.

    Attributes:
        read: how many rows.
        outcomes: of every row that is not simply loaded: key or line to (outcome, day).
        days: rows per local day, those without a day under `undated`.
        refused: the same, refused rows only.
    """

    read: int = 0
    outcomes: dict[str, tuple[str, str]] = field(default_factory=dict)
    days: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def account(self) -> dict[str, Any]:
        """The account as reports show it."""
        reasons = Counter(outcome.split(":")[1] for outcome, _ in self.outcomes.values() if ":" in outcome)
        duplicates = sum(outcome == "duplicate" for outcome, _ in self.outcomes.values())
        return {
            "read": self.read,
            "loaded": self.read - len(self.outcomes),
            "duplicates": duplicates,
            "quarantined": sum(reasons.values()),
            "undated": sum(count for reason, count in reasons.items() if reason in UNDATED),
            "reasons": dict(sorted(reasons.items())),
        }


class RefusedError(Exception):
    """A row breaks its contract."""


Row = dict[str, Any]
Contract = Callable[[Row], tuple[Any, Any]]


@dataclass(frozen=True)
class Calendar:
    """The days and the zone of an estate."""

    zone: ZoneInfo
    first: date
    last: date

    def instant(self, text: Any) -> datetime:
        """The instant that a cell names. Raises RefusedError."""
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise RefusedError("unreadable_time") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        if moment > datetime.now(self.zone):
            raise RefusedError("in_the_future")
        day = moment.astimezone(self.zone).date()
        if day < self.first:
            raise RefusedError("before_first_day")
        if day > self.last:
            raise RefusedError("after_last_day")
        return moment


def judge(folder: Path) -> dict[str, Verdicts]:
    """Verdicts of the three sources that hold flaws."""
    facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    calendar = Calendar(
        ZoneInfo(facts["timezone"]), date.fromisoformat(facts["first_day"]), date.fromisoformat(facts["last_day"])
    )
    config = json.loads((folder / "sensor_config.json").read_text(encoding="utf-8"))
    known = {sensor["id"] for group in config["sensors"].values() for sensor in group}
    with (folder / "building_data.csv").open(encoding="utf-8", newline="") as stream:
        lines = [(str(line), row) for line, row in enumerate(csv.DictReader(stream), start=2)]
    tables: dict[str, list[tuple[str, Row]]] = {}
    with closing(sqlite3.connect(f"file:{folder / 'sensor_readings.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        for table in ("sensor_readings", "alerts"):
            found = database.execute(f"SELECT * FROM {table} ORDER BY id")
            tables[table] = [(str(row["id"]), dict(row)) for row in found]
    return {
        "sensor_readings.db/sensor_readings": _judge(tables["sensor_readings"], calendar, reading),
        "building_data.csv": _judge(lines, calendar, energy),
        "sensor_readings.db/alerts": _judge(tables["alerts"], calendar, alert_of(known)),
    }


def reading(row: Row) -> tuple[Any, Any]:
    """Point and content of a reading. Raises RefusedError."""
    if not row["building_id"] or not row["sensor_id"]:
        raise RefusedError("missing_key")
    confidence = number(row["confidence"], 0, 1)
    value = number(row["value"], *SENSOR_RANGES[row["sensor_type"]])
    if value is None:
        raise RefusedError("missing_value")
    return (row["building_id"], row["sensor_id"], row["sensor_type"]), (value, confidence, row["status"])


def energy(row: Row) -> tuple[Any, Any]:
    """Point and content of an hour of energy use. Raises RefusedError."""
    if not row["building_id"]:
        raise RefusedError("missing_key")
    values = tuple(number(row[column] or None, *limits) for column, limits in ENERGY_RANGES.items())
    if all(value is None for value in values):
        raise RefusedError("missing_value")
    return (row["building_id"],), values


def alert_of(known: set[str]) -> Contract:
    """The contract of alerts where these sensors are known."""

    def alert(row: Row) -> tuple[Any, Any]:
        if row["sensor_id"] not in known:
            raise RefusedError("unknown_sensor")
        if row["message"] is None:
            raise RefusedError("missing_value")
        return (row["sensor_id"], row["severity"], row["alert_type"]), (row["message"], row["resolved"])

    return alert


def number(value: Any, least: float, most: float) -> float | None:
    """The number in a cell. Raises RefusedError."""
    if value is None:
        return None
    try:
        parsed = float(value)
    except ValueError:
        raise RefusedError("not_a_number") from None
    if not math.isfinite(parsed):
        raise RefusedError("not_finite")
    if not least <= parsed <= most:
        raise RefusedError("out_of_range")
    return parsed


def _judge(rows: Iterable[tuple[str, Row]], calendar: Calendar, contract: Contract) -> Verdicts:
    verdicts = Verdicts()
    seen: dict[Any, Any] = {}
    for key, row in rows:
        verdicts.read += 1
        day = "undated"
        outcome = ""
        try:
            moment = calendar.instant(row["timestamp"])
            day = moment.astimezone(calendar.zone).date().isoformat()
            point, content = contract(row)
            point = (*point, moment.timestamp())
            if point not in seen:
                seen[point] = content
            else:
                outcome = "duplicate" if seen[point] == content else "quarantined:conflict"
        except RefusedError as refusal:
            outcome = f"quarantined:{refusal}"
        verdicts.days[day] += 1
        if outcome:
            verdicts.outcomes[key] = (outcome, day)
            verdicts.refused[day] += outcome != "duplicate"
    return verdicts
