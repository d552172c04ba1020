"""Planted flaws: rows as broken exports hold them, each with the outcome that it must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from energy_platform.domain.contracts import UNDATED_REASONS

Row = dict[str, Any]

#: At most this share of the rows of a source is refused: well below the 1 % at which a run stops.
REFUSED_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Days:
    """The days and the zone of the sample, for flaws in times."""

    first: date
    last: date
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class FlawKind:
    """One kind of flaw.

    Attributes:
        name: what is wrong, for people.
        outcome: `loaded`, `duplicate` or `quarantined:<reason>`.
        change: breaks a row in place; of an added row, the copy.
        added: whether the flaw is one more row, a copy of a good one behind it.
        only: the row must hold this value in this column, e.g. ("sensor_type", "humidity").
    """

    name: str
    outcome: str
    change: Callable[[Row, Days], None]
    added: bool = False
    only: tuple[str, str] | None = None

    @property
    def reason(self) -> str:
        """The reason code of a refused row; empty for others."""
        return self.outcome.partition(":")[2]

    @property
    def undated(self) -> bool:
        """Whether the row falls on no day."""
        return self.reason in UNDATED_REASONS


@dataclass(frozen=True, slots=True)
class PlannedFlaw:
    """A flaw of a kind, at a place between 0 and 1 of its chunk of rows."""

    kind: FlawKind
    place: float


def _set(column: str, value: Any) -> Callable[[Row, Days], None]:
    def change(row: Row, days: Days) -> None:
        row[column] = value

    return change


def _shift(column: str, by: float) -> Callable[[Row, Days], None]:
    def change(row: Row, days: Days) -> None:
        number = float(row[column])
        moved = number + by if number + by <= 99.0 else number - by
        row[column] = str(round(moved, 2)) if isinstance(row[column], str) else round(moved, 2)

    return change


def _with_offset(row: Row, days: Days) -> None:
    local = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=days.zone)
    row["timestamp"] = local.isoformat()


def _after_last_day(row: Row, days: Days) -> None:
    late = datetime.combine(days.last + timedelta(days=1), datetime.fromisoformat(row["timestamp"]).time())
    # noon exists in every zone
    row["timestamp"] = late.replace(hour=12).isoformat(sep=row["timestamp"][10])


def _nothing(row: Row, days: Days) -> None:
    pass


def _without_values(row: Row, days: Days) -> None:
    for column in ("power_consumption", "temperature", "humidity", "occupancy"):
        row[column] = None


#: In the order in which a small sample gets them.
READING_FLAWS = (
    FlawKind("the same row again", "duplicate", _nothing, added=True),
    FlawKind("the same reading with another value", "quarantined:conflict", _shift("value", 1.5), added=True),
    FlawKind("a word where the number belongs", "quarantined:not_a_number", _set("value", "ERR")),
    FlawKind(
        "999 °C from a broken probe",
        "quarantined:out_of_range",
        _set("value", 999.0),
        only=("sensor_type", "temperature"),
    ),
    FlawKind("a time that is no time", "quarantined:unreadable_time", _set("timestamp", "2025-02-30T25:61:00")),
    FlawKind(
        "a gateway clock that was never set",
        "quarantined:before_first_day",
        _set("timestamp", "1970-01-02T00:00:07.000001"),
    ),
    FlawKind("a time far in the future", "quarantined:in_the_future", _set("timestamp", "2099-12-31T23:59:59.999999")),
    FlawKind("no value", "quarantined:missing_value", _set("value", None)),
    FlawKind("no sensor", "quarantined:missing_key", _set("sensor_id", None)),
    FlawKind("a time with its offset from UTC", "loaded", _with_offset),
    FlawKind("140 % humidity", "quarantined:out_of_range", _set("value", 140.0), only=("sensor_type", "humidity")),
    FlawKind("minus three people", "quarantined:out_of_range", _set("value", -3.0), only=("sensor_type", "occupancy")),
    FlawKind("a confidence of 7", "quarantined:out_of_range", _set("confidence", 7.0)),
    FlawKind("an infinite reading", "quarantined:not_finite", _set("value", float("inf"))),
    FlawKind("a word for the confidence", "quarantined:not_a_number", _set("confidence", "high")),
    FlawKind("no confidence", "loaded", _set("confidence", None)),
    FlawKind("an empty sensor code", "quarantined:missing_key", _set("sensor_id", "")),
    FlawKind("a day after the last day", "quarantined:after_last_day", _after_last_day),
    FlawKind("no time", "quarantined:unreadable_time", _set("timestamp", None)),
)

ENERGY_FLAWS = (
    FlawKind("the same row again", "duplicate", _nothing, added=True),
    FlawKind("infinite power", "quarantined:not_finite", _set("power_consumption", "inf")),
    FlawKind("the same hour with another power", "quarantined:conflict", _shift("power_consumption", 3.7), added=True),
    FlawKind("a word where the number belongs", "quarantined:not_a_number", _set("power_consumption", "N/A?")),
    FlawKind("140 % humidity", "quarantined:out_of_range", _set("humidity", "140.0")),
    FlawKind("a time that is no time", "quarantined:unreadable_time", _set("timestamp", "yesterday, after lunch")),
    FlawKind("999 °C outside", "quarantined:out_of_range", _set("temperature", "999.0")),
    FlawKind("no building", "quarantined:missing_key", _set("building_id", None)),
    FlawKind("an hour without any value", "quarantined:missing_value", _without_values),
    FlawKind("no humidity", "loaded", _set("humidity", None)),
    FlawKind("negative occupancy", "quarantined:out_of_range", _set("occupancy", "-4.0")),
    FlawKind("a meter clock that was reset", "quarantined:before_first_day", _set("timestamp", "1999-12-31 23:00:00")),
    FlawKind("a time far in the future", "quarantined:in_the_future", _set("timestamp", "2099-01-01 00:00:00")),
    FlawKind("negative infinite power", "quarantined:not_finite", _set("power_consumption", "-inf")),
    FlawKind("a time with its offset from UTC", "loaded", _with_offset),
    FlawKind("a day after the last day", "quarantined:after_last_day", _after_last_day),
)

#: Of alerts, which are few: one of each refused kind at 150, 300, 600 … alerts.
ALERT_FLAWS = (
    FlawKind("an alert of a sensor that nobody knows", "quarantined:unknown_sensor", _set("sensor_id", "gone_404")),
    FlawKind("a time that is no time", "quarantined:unreadable_time", _set("timestamp", "??")),
    FlawKind(
        "the same alert with another message",
        "quarantined:conflict",
        _set("message", "다른 내용의 알림입니다."),
        added=True,
    ),
    FlawKind("no message", "quarantined:missing_value", _set("message", None)),
)
ALERT_DUPLICATE = FlawKind("the same row again", "duplicate", _nothing, added=True)
FIRST_ALERT_FLAW, FIRST_ALERT_DUPLICATE = 150, 60


def plan_flaws(
    kinds: Sequence[FlawKind], rows: int, days: int, blocks: int, random: np.random.Generator
) -> dict[tuple[int, int], list[PlannedFlaw]]:
    """Where flaws go: by (day, block of buildings). Their number grows with the square root of the rows.

    Days are taken in turn, in random order, so that no day has more than its share.
    """
    each = max(1, round(rows**0.5 / 100))
    refusable = int(rows * REFUSED_SHARE)
    order = random.permutation(days)
    plan: dict[tuple[int, int], list[PlannedFlaw]] = {}
    refused = 0
    for number, kind in enumerate(list(kinds) * each):
        if kind.reason:
            if refused >= refusable:
                continue
            refused += 1
        chunk = (int(order[number % days]), int(random.integers(blocks)))
        plan.setdefault(chunk, []).append(PlannedFlaw(kind, float(random.random())))
    return plan


def plant(
    rows: list[tuple[Any, ...]], columns: Sequence[str], planned: Sequence[PlannedFlaw], days: Days
) -> tuple[list[tuple[Any, ...]], list[tuple[int, FlawKind]]]:
    """The rows with the planned flaws in them, and the index and the kind of every flawed row.

    A row carries one flaw at most; a flaw for which the chunk has no row left is not planted.
    """
    taken: set[int] = set()
    changed: dict[int, tuple[tuple[Any, ...], FlawKind]] = {}
    added: list[tuple[int, tuple[Any, ...], FlawKind]] = []
    for flaw in planned:
        kind = flaw.kind
        index = _free_row(rows, columns, kind, int(flaw.place * len(rows)), taken)
        if index is None:
            continue
        taken.add(index)
        row: Row = dict(zip(columns, rows[index], strict=True))
        kind.change(row, days)
        broken = tuple(row[column] for column in columns)
        if kind.added:
            # some rows later, as a gateway that sends again would
            behind = min(len(rows) - 1, index + int(flaw.place * 997) % 40)
            added.append((behind, broken, kind))
        else:
            changed[index] = (broken, kind)
    additions: dict[int, list[tuple[tuple[Any, ...], FlawKind]]] = {}
    for behind, broken, kind in added:
        additions.setdefault(behind, []).append((broken, kind))
    result: list[tuple[Any, ...]] = []
    found: list[tuple[int, FlawKind]] = []
    for index, good in enumerate(rows):
        if index in changed:
            found.append((len(result), changed[index][1]))
        result.append(changed[index][0] if index in changed else good)
        for broken, kind in additions.get(index, ()):
            found.append((len(result), kind))
            result.append(broken)
    return result, found


def _free_row(
    rows: list[tuple[Any, ...]], columns: Sequence[str], kind: FlawKind, start: int, taken: set[int]
) -> int | None:
    position = columns.index(kind.only[0]) if kind.only else -1
    for step in range(len(rows)):
        index = (start + step) % len(rows)
        if index not in taken and (kind.only is None or rows[index][position] == kind.only[1]):
            return index
    return None
