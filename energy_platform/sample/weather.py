"""Outdoor weather of one city, hour by hour: the year, the day, and spells that last for days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from energy_platform.sample.randomness import random_of

Floats = NDArray[np.float64]

#: Seoul, roughly: °C.
MEAN_TEMPERATURE, YEARLY_SWING, DAILY_SWING = 12.6, 14.4, 4.6
COLDEST_DAY_OF_YEAR, WARMEST_HOUR = 20, 15.0
SPELL_DEVIATION, SPELL_MEMORY = 3.2, 0.975


@dataclass(frozen=True, slots=True)
class Weather:
    """Outdoor weather at full hours.

    Attributes:
        temperature: °C, shape (days, 25): the last column is the first hour of the next day.
        humidity: relative, %, same shape.
    """

    temperature: Floats
    humidity: Floats

    def at(self, day: int, hours: Floats) -> tuple[Floats, Floats]:
        """Temperature (°C) and humidity (%) of a day at fractional hours (0 to 24), interpolated."""
        grid = np.arange(25.0)
        return np.interp(hours, grid, self.temperature[day]), np.interp(hours, grid, self.humidity[day])


def make_weather(first_day: date, days: int, seed: int) -> Weather:
    """Weather of `days` days from `first_day`: annual and daily waves, AR(1) spells, humidity against heat."""
    hours = np.arange(days * 24 + 1)
    day_of_year = first_day.timetuple().tm_yday + hours / 24.0
    year = -np.cos(2 * np.pi * (day_of_year - COLDEST_DAY_OF_YEAR) / 365.25)
    day = np.cos(2 * np.pi * (hours % 24 - WARMEST_HOUR) / 24.0)
    spell = _autoregressive(hours.size, SPELL_MEMORY, SPELL_DEVIATION, random_of(seed, "spell"))
    moisture = _autoregressive(hours.size, 0.96, 7.0, random_of(seed, "moisture"))
    temperature = MEAN_TEMPERATURE + YEARLY_SWING * year + DAILY_SWING * day + spell
    humidity = np.clip(60.0 + 11.0 * year - 2.1 * (DAILY_SWING * day + spell) + moisture, 12.0, 99.0)
    rows = 24 * np.arange(days)[:, None] + np.arange(25)[None, :]
    return Weather(temperature[rows], humidity[rows])


def _autoregressive(size: int, memory: float, deviation: float, random: np.random.Generator) -> Floats:
    shocks = random.standard_normal(size) * (deviation * np.sqrt(1 - memory**2))
    state = deviation * float(random.standard_normal())
    series = np.empty(size)
    for index, shock in enumerate(shocks.tolist()):
        state = memory * state + shock
        series[index] = state
    return series
