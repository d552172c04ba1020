"""The buildings of a sample and their sensors, and how people, weather and machines make power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy_platform.sample.korean_calendar import DAY_KINDS, DayKind
from energy_platform.sample.randomness import random_of
from energy_platform.sample.weather import Floats

Integers = NDArray[np.int64]

USES = ("office", "school", "retail", "apartment", "factory")

#: Presence by use, kind of day (workday, Saturday, holiday) and hour, in percent of the people at the fullest hour.
_PROFILES: dict[str, tuple[str, str, str]] = {
    "office": (
        "2 2 2 2 2 3 8 30 70 95 100 98 60 92 100 98 96 85 55 32 20 12 6 3",
        "1 1 1 1 1 1 2 4 8 13 15 15 11 13 14 12 9 6 4 3 2 1 1 1",
        "1 1 1 1 1 1 1 1 2 3 4 4 3 4 4 3 2 2 1 1 1 1 1 1",
    ),
    "school": (
        "0 0 0 0 0 1 4 28 88 100 100 100 97 98 96 90 58 34 24 20 15 6 1 0",
        "0 0 0 0 0 0 1 2 7 12 14 13 10 9 8 6 4 2 1 0 0 0 0 0",
        "0 0 0 0 0 0 0 0 1 2 2 2 2 2 2 1 1 0 0 0 0 0 0 0",
    ),
    "retail": (
        "1 1 1 1 1 1 2 4 8 18 40 58 74 70 62 60 66 78 92 96 80 50 14 3",
        "1 1 1 1 1 1 2 4 8 22 52 76 92 98 100 98 94 92 90 82 66 42 14 3",
        "1 1 1 1 1 1 2 4 8 20 50 74 90 98 100 96 90 84 78 68 52 32 10 2",
    ),
    "apartment": (
        "96 97 98 98 97 94 84 62 44 36 33 33 34 33 34 38 45 56 68 78 86 91 94 96",
        "94 96 97 97 97 96 92 85 76 68 62 58 58 57 56 57 60 65 72 78 83 88 91 93",
        "94 96 98 98 98 97 95 90 83 74 67 63 63 62 61 62 66 72 79 85 90 93 95 96",
    ),
    "factory": (
        "42 42 42 42 42 46 72 92 98 100 100 98 70 96 100 100 96 74 62 58 56 54 50 44",
        "20 20 20 20 20 22 34 48 54 56 56 52 40 44 42 36 28 24 22 20 20 20 20 20",
        "6 6 6 6 6 6 8 10 12 12 12 12 10 12 12 10 8 8 6 6 6 6 6 6",
    ),
}

#: Shape (uses, kinds of day, 25 hours): the last hour repeats the one before it, for interpolation.
PROFILES: Floats = np.array(
    [[[float(share) / 100 for share in kind.split()] + [float(kind.split()[-1]) / 100] for kind in _PROFILES[use]]
     for use in USES]
)  # fmt: skip

#: Per use: m² per person, base load W/m², plug load W/m² at full presence.
_AREA_PER_PERSON = np.array([12.0, 7.0, 9.0, 30.0, 26.0])
_BASE_LOAD = np.array([2.6, 1.6, 4.2, 1.5, 5.5])
_PLUG_LOAD = np.array([13.0, 9.0, 17.0, 4.0, 19.0])

HEATING_SETPOINT, COOLING_SETPOINT = 19.0, 24.0

SENSOR_TYPES = ("temperature", "humidity", "occupancy", "power")
SENSOR_PREFIXES = ("temp", "hum", "occ", "power")
SENSOR_UNITS = ("celsius", "percent", "count", "kw")
ROOM_TYPES = ("lobby", "office", "meeting_room", "open_office", "lab", "storage_area")
SENSORS_PER_BUILDING = len(SENSOR_TYPES)


@dataclass(frozen=True, slots=True)
class Buildings:
    """All buildings of a sample as columns; arrays have one entry per building, sensors four per building.

    Attributes:
        codes: B001 and so on.
        use: index into `USES`.
        floors: number of floors.
        floor_area: m².
        people: at the fullest hour of an ordinary day.
        base_kw: what is always on.
        plug_kw: lights, computers, machines at full presence.
        hvac_kw_per_kelvin: electric power per kelvin outside the comfort band.
        microclimate: °C by which it is warmer outside than in the city.
        room_people: capacity of the room of the occupancy sensor.
        power_share: share of the building's power that the power sensor sees.
        sensor_codes: shape (buildings, 4), in the order of `SENSOR_TYPES`.
        sensor_floor: shape (buildings, 4).
        sensor_room: shape (buildings, 4), index into `ROOM_TYPES`.
    """

    codes: NDArray[np.object_]
    use: Integers
    floors: Integers
    floor_area: Floats
    people: Floats
    base_kw: Floats
    plug_kw: Floats
    hvac_kw_per_kelvin: Floats
    microclimate: Floats
    room_people: Floats
    power_share: Floats
    sensor_codes: NDArray[np.object_]
    sensor_floor: Integers
    sensor_room: Integers

    def __len__(self) -> int:
        """How many buildings."""
        return self.use.size

    def thresholds(self) -> Floats:
        """Comfort and alarm limits of every sensor: shape (buildings, 4, 4): min, max, critical min, critical max."""
        limits = np.zeros((len(self), SENSORS_PER_BUILDING, 4))
        limits[:, 0] = (18.0, 27.0, 14.0, 33.0)
        limits[:, 1] = (25.0, 68.0, 15.0, 80.0)
        limits[:, 2, 1], limits[:, 2, 3] = self.room_people, np.ceil(self.room_people * 1.4)
        peak = (self.base_kw + self.plug_kw + 5 * self.hvac_kw_per_kelvin) * self.power_share
        limits[:, 3, 1], limits[:, 3, 3] = np.round(peak, 1), np.round(peak * 1.6, 1)
        return limits


def make_buildings(count: int, seed: int) -> Buildings:
    """The buildings: the first five are one of each use, the rest are drawn."""
    random = random_of(seed, "buildings")
    use = random.choice(len(USES), size=count, p=[0.4, 0.12, 0.18, 0.2, 0.1]).astype(np.int64)
    use[: len(USES)] = np.arange(len(USES))[:count]
    area = np.round(np.clip(random.lognormal(8.1, 0.5, count), 600.0, 40_000.0))
    floors = np.clip(np.round(area / random.uniform(500.0, 1_200.0, count)), 1, 40).astype(np.int64)
    width = max(3, len(str(count)))
    numbers = [f"{number:0{width}d}" for number in range(1, count + 1)]
    codes = np.array([f"B{number}" for number in numbers], dtype=object)
    sensor_codes = np.array([[f"{prefix}_{number}" for prefix in SENSOR_PREFIXES] for number in numbers], dtype=object)
    sensor_floor = 1 + np.floor(random.random((count, SENSORS_PER_BUILDING)) * floors[:, None]).astype(np.int64)
    return Buildings(
        codes=codes,
        use=use,
        floors=floors,
        floor_area=area,
        people=np.maximum(4.0, np.round(area / _AREA_PER_PERSON[use])),
        base_kw=area * _BASE_LOAD[use] * random.uniform(0.8, 1.2, count) / 1000,
        plug_kw=area * _PLUG_LOAD[use] * random.uniform(0.8, 1.2, count) / 1000,
        hvac_kw_per_kelvin=area * random.uniform(0.3, 0.6, count) / 1000,
        microclimate=random.normal(0.0, 0.5, count),
        room_people=np.round(random.uniform(12.0, 60.0, count)),
        power_share=random.uniform(0.8, 1.2, count) / (floors + 0.5),
        sensor_codes=sensor_codes,
        sensor_floor=sensor_floor,
        sensor_room=random.integers(0, len(ROOM_TYPES), (count, SENSORS_PER_BUILDING)),
    )


def presence(buildings: Buildings, block: slice, kind: DayKind, hours: Floats, liveliness: Floats) -> Floats:
    """Share of people present, 0 to about 1.3: shape (hours, buildings of the block).

    `hours` are fractional (0 to 24); `liveliness` is the factor of this day, one per building of the block.
    """
    profiles = PROFILES[:, DAY_KINDS.index(kind)]
    below = np.floor(hours).astype(np.int64)
    part = hours - below
    shares = profiles[:, below] * (1 - part) + profiles[:, below + 1] * part
    return shares.T[:, buildings.use[block]] * liveliness[None, :]


def mean_power(buildings: Buildings, block: slice, present: Floats, outdoor: Floats) -> Floats:
    """Expected power, kW: base and plug load, and heating or cooling by the degrees outside the comfort band.

    `present` is as `presence` gives it; `outdoor` is °C, one per hour; the answer has the shape of `present`.
    """
    outside = outdoor[:, None] + buildings.microclimate[None, block]
    # people and machines warm the house: less to heat, more to cool
    warmth = 4.0 * np.minimum(present, 1.0)
    degrees = np.maximum(HEATING_SETPOINT - warmth - outside, 0.0) + np.maximum(
        outside + warmth - COOLING_SETPOINT, 0.0
    )
    in_use = 0.35 + 0.65 * np.minimum(present / 0.4, 1.0)
    return (
        buildings.base_kw[None, block]
        + buildings.plug_kw[None, block] * present
        + buildings.hvac_kw_per_kelvin[None, block] * degrees * in_use
    )
