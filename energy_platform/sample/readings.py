"""What the sensors of a block of buildings read on one day, faults included, and the alerts they raise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy_platform.sample.buildings import (
    ROOM_TYPES,
    SENSOR_TYPES,
    SENSOR_UNITS,
    SENSORS_PER_BUILDING,
    Buildings,
    mean_power,
    presence,
)
from energy_platform.sample.clock import existing_minutes
from energy_platform.sample.korean_calendar import day_kind
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.randomness import random_of
from energy_platform.sample.weather import Floats, Weather

READING_COLUMNS = (
    "sensor_id", "sensor_type", "value", "unit", "timestamp", "status", "confidence", "building_id", "floor",
    "room_type",
)  # fmt: skip
ALERT_COLUMNS = ("sensor_id", "alert_type", "message", "severity", "timestamp", "resolved")

#: Faults, per sensor and day; a spike per reading.
DROPOUT, FLATLINE, SPIKE = 0.03, 0.012, 0.0015

#: How large spikes are: °C, percentage points, and factors for people and power.
_SPIKES = np.array([14.0, 26.0, 1.6, 2.2])

_ALERT_TYPES = ("온도 임계값 초과", "습도 임계값 초과", "재실 인원 초과", "전력 소비 증가")
_ALERT_MESSAGES = (
    "{floor}층 {room} 온도가 {value}°C입니다. 허용 범위를 벗어났습니다.",
    "{floor}층 {room} 습도가 {value}%입니다. 허용 범위를 벗어났습니다.",
    "{floor}층 {room} 인원이 {value}명입니다. 정원을 초과했습니다.",
    "{floor}층 {room} 전력이 {value}kW입니다. 평소보다 많습니다.",
)
_SILENT = ("센서 응답 없음", "{floor}층 {room} 센서가 응답하지 않습니다.")
_ROOM_NAMES = ("로비", "사무실", "회의실", "오픈오피스", "실험실", "창고")

_TYPES = np.array(SENSOR_TYPES, dtype=object)
_UNITS = np.array(SENSOR_UNITS, dtype=object)
_ROOMS = np.array(ROOM_TYPES, dtype=object)
_STATES = np.array(["normal", "warning"], dtype=object)


@dataclass(frozen=True, slots=True)
class ReadingsOfDay:
    """Readings and alerts of a block of buildings on one day.

    Attributes:
        readings: rows in the order of `READING_COLUMNS`, by time slot, building, sensor.
        alerts: rows in the order of `ALERT_COLUMNS`.
        last_value: last value of each sensor, shape (buildings of the block, 4); nan where it was silent all day.
        last_time: its naive local time, NaT where it was silent.
    """

    readings: list[tuple[Any, ...]]
    alerts: list[tuple[Any, ...]]
    last_value: Floats
    last_time: NDArray[np.datetime64]


def buildings_per_block(options: SampleOptions) -> int:
    """How many buildings are made at once: so many that a block of one day has about 40,000 readings."""
    return max(1, 40_000 // (24 * 60 // options.interval_minutes * SENSORS_PER_BUILDING))


def readings_of_day(
    options: SampleOptions,
    buildings: Buildings,
    thresholds: Floats,
    weather: Weather,
    liveliness: Floats,
    day_number: int,
    day: date,
    block_number: int,
) -> ReadingsOfDay:
    """The readings of one block of buildings on one local day.

    Args:
        options: of the sample.
        buildings: all of them.
        thresholds: as `Buildings.thresholds` gives them.
        weather: of the whole sample.
        liveliness: factor of this day on presence, one per building.
        day_number: of the sample, from 0.
        day: the same as a date.
        block_number: which block, from 0.
    """
    size = buildings_per_block(options)
    block = slice(block_number * size, min((block_number + 1) * size, len(buildings)))
    random = random_of(options.seed, "readings", day_number, block_number)
    minutes = existing_minutes(day, options.zone, options.interval_minutes)
    values = _values(buildings, block, weather, liveliness[block], day_number, day, minutes, random)
    slots, count, kinds = values.shape

    # faults: a stuck value, single spikes within the physical range, and silence
    start = random.integers(0, slots + 1, (2, count, kinds))
    length = random.integers(max(1, slots // 12), max(2, slots // 3), (2, count, kinds))
    length *= random.random((2, count, kinds)) < np.array([FLATLINE, DROPOUT])[:, None, None]
    slot = np.arange(slots)[:, None, None]
    stuck = (slot >= start[0]) & (slot < start[0] + length[0])
    frozen = np.take_along_axis(values, np.minimum(start[0], slots - 1)[None], axis=0)
    values = np.where(stuck, frozen, values)
    spike = random.random(values.shape) < SPIKE
    values = np.where(spike, _spiked(values, random), values)
    values[:, :, :2] = np.round(values[:, :, :2], 1)
    values[:, :, 2] = np.round(values[:, :, 2])
    values[:, :, 3] = np.round(values[:, :, 3], 2)
    # no negative zero
    values += 0.0
    silent = (slot >= start[1]) & (slot < start[1] + length[1])
    # slow quantities are read half as often
    there = ~silent & ((slot % 2 == 0) | (np.arange(kinds) >= 2))

    limits = thresholds[block]
    beyond = (values < limits[None, :, :, 0]) | (values > limits[None, :, :, 1])
    confidence = np.round(random.uniform(0.95, 1.0, values.shape) - spike * random.uniform(0.1, 0.4, values.shape), 3)
    # the gateway polls one sensor after the other: seconds and microseconds differ, but never reach the next slot
    delay = random.integers(0, 20_000_000, values.shape)
    moment = np.datetime64(day, "us") + (minutes[:, None, None] * 60_000_000 + delay).astype("timedelta64[us]")

    flat = np.flatnonzero(there)
    sensor = flat % (count * kinds)
    kind = flat % kinds

    def of_sensor(array: NDArray[Any]) -> list[Any]:
        return array[block].reshape(-1)[sensor].tolist()

    floors, rooms = buildings.sensor_floor, _ROOMS[buildings.sensor_room]
    readings = list(
        zip(
            of_sensor(buildings.sensor_codes),
            _TYPES[kind].tolist(),
            values.reshape(-1)[flat].tolist(),
            _UNITS[kind].tolist(),
            np.datetime_as_string(moment.reshape(-1)[flat]).tolist(),
            _STATES[(beyond | spike).reshape(-1)[flat].astype(np.int64)].tolist(),
            confidence.reshape(-1)[flat].tolist(),
            buildings.codes[block][sensor // kinds].tolist(),
            of_sensor(floors),
            of_sensor(rooms),
            strict=True,
        )
    )
    last = slots - 1 - np.argmax(there[::-1], axis=0)
    heard = there.any(axis=0)
    last_value = np.where(heard, np.take_along_axis(values, last[None], axis=0)[0], np.nan)
    last_time = np.where(heard, np.take_along_axis(moment, last[None], axis=0)[0], np.datetime64("NaT"))
    alerts = _alerts(buildings, block, limits, values, moment, beyond & there, silent, random)
    return ReadingsOfDay(readings, alerts, last_value, last_time)


def _values(
    buildings: Buildings,
    block: slice,
    weather: Weather,
    liveliness: Floats,
    day_number: int,
    day: date,
    minutes: NDArray[np.int64],
    random: np.random.Generator,
) -> Floats:
    """What faultless sensors would read: shape (slots, buildings of the block, 4)."""
    hours = minutes / 60.0
    outdoor, outdoor_humidity = weather.at(day_number, hours)
    present = presence(buildings, block, day_kind(day), hours, liveliness)
    power = mean_power(buildings, block, present, outdoor)
    shape = present.shape
    values = np.empty((*shape, SENSORS_PER_BUILDING))
    outside = outdoor[:, None] + buildings.microclimate[None, block]
    in_use = np.minimum(present, 1.0)
    values[:, :, 0] = 21.4 + 0.09 * (outside - 13.0) + 1.6 * in_use + 0.35 * random.standard_normal(shape)
    values[:, :, 1] = np.clip(
        43.0 + 0.3 * (outdoor_humidity[:, None] - 60.0) + 5.0 * in_use + 1.3 * random.standard_normal(shape), 5.0, 98.0
    )
    values[:, :, 2] = random.poisson(0.66 * present * buildings.room_people[None, block])
    noise = 1 + 0.05 * random.standard_normal(shape)
    values[:, :, 3] = np.maximum(power * buildings.power_share[None, block] * noise, 0.0)
    return values


def _spiked(values: Floats, random: np.random.Generator) -> Floats:
    strength = random.uniform(0.8, 1.3, values.shape) * _SPIKES
    spiked = np.empty_like(values)
    spiked[:, :, 0] = values[:, :, 0] + strength[:, :, 0]
    spiked[:, :, 1] = np.minimum(values[:, :, 1] + strength[:, :, 1], 99.5)
    spiked[:, :, 2:] = (values[:, :, 2:] + 4) * (1 + strength[:, :, 2:])
    return spiked


def _alerts(
    buildings: Buildings,
    block: slice,
    limits: Floats,
    values: Floats,
    moment: NDArray[np.datetime64],
    beyond: NDArray[np.bool_],
    silent: NDArray[np.bool_],
    random: np.random.Generator,
) -> list[tuple[Any, ...]]:
    """At most one alert of each kind per sensor and day: at the first value beyond its limits, and at a silence."""
    raised: list[tuple[str, tuple[Any, ...]]] = []
    for cause in (beyond, silent):
        first = np.argmax(cause, axis=0)
        for index, kind in np.argwhere(cause.any(axis=0)).tolist():
            slot = int(first[index, kind])
            value = float(values[slot, index, kind])
            building = block.start + index
            words = {
                "floor": int(buildings.sensor_floor[building, kind]),
                "room": _ROOM_NAMES[int(buildings.sensor_room[building, kind])],
                "value": f"{value:.0f}" if kind == 2 else f"{value:.1f}",
            }
            if cause is silent:
                alert_type, message, severity = _SILENT[0], _SILENT[1].format(**words), "critical"
            else:
                alert_type, message = _ALERT_TYPES[kind], _ALERT_MESSAGES[kind].format(**words)
                critical = value < limits[index, kind, 2] or value > limits[index, kind, 3]
                severity = "critical" if critical else "warning"
            when = str(np.datetime_as_string(moment[slot, index, kind]))
            code = buildings.sensor_codes[building, kind]
            raised.append((when, (code, alert_type, message, severity, when, int(random.random() < 0.8))))
    return [alert for _, alert in sorted(raised)]
