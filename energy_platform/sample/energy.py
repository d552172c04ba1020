"""The main data: energy use of every building by the hour, and what drives it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from energy_platform.sample.buildings import USES, Buildings, mean_power, presence
from energy_platform.sample.clock import existing_minutes
from energy_platform.sample.korean_calendar import day_kind
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.randomness import random_of
from energy_platform.sample.weather import Floats, Weather

ENERGY_COLUMNS = (
    "building_id", "timestamp", "power_consumption", "temperature", "humidity", "occupancy", "floor", "room_type",
)  # fmt: skip

#: How many buildings are made at once.
BUILDINGS_PER_BLOCK = 2_000

#: Share of the days of a building on which its meter reads zero for hours: odd, but valid.
METER_OUTAGE = 0.02

_MAIN_ROOMS = dict(zip(USES, ("office", "classroom", "shop", "residence", "production_line"), strict=True))


@dataclass(frozen=True, slots=True)
class EnergyOfDay:
    """Hourly rows of a block of buildings on one day.

    Attributes:
        frame: columns `ENERGY_COLUMNS`, by hour and building; times are naive local text.
        hours: which hours the day had.
        power: kW, shape (hours, buildings of the block).
    """

    frame: pl.DataFrame
    hours: NDArray[np.int64]
    power: Floats


def energy_of_day(
    options: SampleOptions,
    buildings: Buildings,
    weather: Weather,
    liveliness: Floats,
    day_number: int,
    day: date,
    block_number: int,
) -> EnergyOfDay:
    """The hourly rows of one block of buildings on one local day; arguments as of `readings_of_day`."""
    start = block_number * BUILDINGS_PER_BLOCK
    block = slice(start, min(start + BUILDINGS_PER_BLOCK, len(buildings)))
    random = random_of(options.seed, "energy", day_number, block_number)
    hours = existing_minutes(day, options.zone, 60) // 60
    outdoor, outdoor_humidity = weather.at(day_number, hours.astype(np.float64))
    # a row is the mean of its hour
    middles: Floats = hours.astype(np.float64) + 0.5
    present = presence(buildings, block, day_kind(day), middles, liveliness[block])
    shape = present.shape
    expected = mean_power(buildings, block, present, outdoor)
    noisy = expected * (1 + 0.06 * random.standard_normal(shape))
    power = np.asarray(np.round(np.maximum(noisy, 0.0), 2), dtype=np.float64)
    outage_start = random.integers(0, 24, shape[1])
    outage_hours = random.integers(1, 6, shape[1]) * (random.random(shape[1]) < METER_OUTAGE)
    power[(hours[:, None] >= outage_start) & (hours[:, None] < outage_start + outage_hours)] = 0.0
    outside = outdoor[:, None] + buildings.microclimate[None, block] + 0.3 * random.standard_normal(shape)
    humidity = np.clip(outdoor_humidity[:, None] + 1.5 * random.standard_normal(shape), 5.0, 100.0)
    people = np.maximum(present * buildings.people[None, block] * (1 + 0.08 * random.standard_normal(shape)), 0.0)
    count = len(hours) * shape[1]
    times = [f"{day.isoformat()} {hour:02d}:00:00" for hour in hours.tolist()]
    rooms = np.array([_MAIN_ROOMS[use] for use in USES], dtype=object)[buildings.use[block]]
    frame = pl.DataFrame(
        {
            "building_id": pl.Series(np.tile(buildings.codes[block], len(hours)), dtype=pl.String),
            "timestamp": pl.Series(np.repeat(np.array(times, dtype=object), shape[1]), dtype=pl.String),
            "power_consumption": power.reshape(count),
            "temperature": np.round(outside, 1).reshape(count) + 0.0,
            "humidity": np.round(humidity, 1).reshape(count),
            "occupancy": np.round(people, 1).reshape(count),
            "floor": np.ones(count, dtype=np.int64),
            "room_type": pl.Series(np.tile(rooms, len(hours)), dtype=pl.String),
        }
    )
    return EnergyOfDay(frame, hours, power)
