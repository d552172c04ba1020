"""The checks on time series: what stands in the store of some days, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import cast

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import DayRange
from energy_platform.domain.quality import coverage
from energy_platform.domain.quality.behaviour import check_series
from energy_platform.domain.quality.checks import series_checks_of
from energy_platform.domain.quality.outcomes import Outcome, together
from energy_platform.domain.quality.series import Readings, points_of
from energy_platform.quality.register import device_register, known_codes
from energy_platform.quality.subject import Subject
from energy_platform.quality.suites import Surroundings, validate

#: Rows of one piece; days are never divided.
PIECE_ROWS = 500_000
#: Days before the first one that are read too, so that a silence or a flatline is seen that began before it.
LED_UP = timedelta(days=1)


def check_measurement(subject: Subject, name: str, days: Mapping[date, int]) -> list[Outcome]:
    """All checks on a measurement.

    Args:
        subject: the estate and its stores.
        name: of the measurement.
        days: local days to look at, and about how many rows each holds.
    """
    contract = cast(Measurement, subject.contract(name))
    statistical = series_checks_of(name)
    register = device_register(subject, contract)
    codes = known_codes(subject, contract)
    pieces: list[list[Outcome]] = []
    for span in pieces_of(days, PIECE_ROWS):
        start, stop = _checked(subject, span)
        led_up = start - LED_UP if statistical else start
        rows = pl.concat(
            [contract.empty(), *subject.timeseries.read(contract, subject.tenants, led_up, stop)], how="diagonal"
        )
        surroundings = Surroundings(subject.now, (start, stop), codes)
        outcomes = validate(contract, rows.filter(pl.col("time") >= start), surroundings)
        if statistical:
            readings = Readings.of(points_of(contract, rows), register, start, stop)
            outcomes += [outcome for outcome in check_series(readings) if outcome.name in statistical]
        pieces.append(outcomes)
    if statistical:
        newest = subject.timeseries.latest(contract, subject.tenants)
        is_open = subject.estate.last_day is None
        pieces.append([coverage.freshness(points_of(contract, newest), subject.now, is_open=is_open)])
    return together(pieces)


def pieces_of(days: Mapping[date, int], rows: int) -> list[DayRange]:
    """Days as ranges of about so many rows; days between them that are not asked for divide ranges."""
    ranges: list[DayRange] = []
    held = 0
    for day in sorted(days):
        follows = bool(ranges) and ranges[-1].last + timedelta(days=1) == day
        if follows and held + days[day] <= rows:
            ranges[-1] = DayRange(ranges[-1].first, day)
            held += days[day]
        else:
            ranges.append(DayRange(day, day))
            held = days[day]
    return ranges


def _checked(subject: Subject, span: DayRange) -> tuple[datetime, datetime]:
    """The instants between which readings are looked at: of an open day, up to now."""
    start, stop = span.bounds(subject.estate.zone)
    return start, min(stop, max(subject.now, start))
