"""The numbers look like buildings: weather, people, weekends, holidays, faults."""

from __future__ import annotations

import csv
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import correlation, fmean
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from energy_platform.sample.clock import existing_minutes
from energy_platform.sample.generate import make_sample
from energy_platform.sample.korean_calendar import day_kind, is_holiday
from energy_platform.sample.options import SampleOptions
from energy_platform.sample.weather import make_weather


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("year")
    # 2024, three buildings: an office, a school, a shop
    make_sample(folder, SampleOptions(days=366, first_day=date(2024, 1, 1), interval_minutes=60, flaws=False))
    return folder


@pytest.fixture(scope="module")
def energy(year: Path) -> list[dict[str, str]]:
    with (year / "building_data.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def daily_power(energy: list[dict[str, str]], building: str) -> dict[date, float]:
    days: dict[date, list[float]] = defaultdict(list)
    for row in energy:
        if row["building_id"] == building:
            days[date.fromisoformat(row["timestamp"][:10])].append(float(row["power_consumption"]))
    return {day: fmean(values) for day, values in days.items()}


def test_offices_and_schools_rest_on_weekends_and_holidays_and_shops_do_not(energy: list[dict[str, str]]) -> None:
    for building, ratio in (("B001", 0.6), ("B002", 0.6)):
        power = daily_power(energy, building)
        # months with little heating and cooling, so that people make the difference
        mild = {day: mean for day, mean in power.items() if day.month in (4, 5, 9, 10)}
        work = fmean(mean for day, mean in mild.items() if day_kind(day) == "workday")
        sunday = fmean(mean for day, mean in mild.items() if day.weekday() == 6)
        holiday = fmean(mean for day, mean in mild.items() if day.weekday() < 5 and is_holiday(day))
        assert sunday < ratio * work
        assert holiday < ratio * work
    shop = daily_power(energy, "B003")
    assert fmean(v for d, v in shop.items() if d.weekday() == 5) > fmean(v for d, v in shop.items() if d.weekday() == 1)


def test_summer_and_winter_cost_more_than_spring(energy: list[dict[str, str]]) -> None:
    power = daily_power(energy, "B001")
    month = {
        number: fmean(v for d, v in power.items() if d.month == number and d.weekday() < 5) for number in (1, 5, 8)
    }
    assert month[1] > 1.1 * month[5]
    assert month[8] > 1.1 * month[5]


def test_power_follows_people_and_stays_above_zero(energy: list[dict[str, str]]) -> None:
    office = [row for row in energy if row["building_id"] == "B001"]
    power = [float(row["power_consumption"]) for row in office]
    assert min(power) == 0.0  # a meter that was out
    assert sum(value == 0.0 for value in power) < 0.02 * len(power)
    assert correlation(power, [float(row["occupancy"]) for row in office]) > 0.8
    assert all(float(row["occupancy"]) >= 0 for row in energy)
    assert all(5 <= float(row["humidity"]) <= 100 for row in energy)


def test_sensors_have_faults_and_raise_alerts(year: Path) -> None:
    with closing(sqlite3.connect(f"file:{year / 'sensor_readings.db'}?mode=ro", uri=True)) as database:
        per_day = [row[0] for row in database.execute(
            "SELECT count(*) FROM sensor_readings WHERE sensor_id = 'power_001' GROUP BY substr(timestamp, 1, 10)"
        )]  # fmt: skip
        temperatures = [row[0] for row in database.execute(
            "SELECT value FROM sensor_readings WHERE sensor_id = 'temp_001' ORDER BY timestamp"
        )]  # fmt: skip
        warnings = database.execute("SELECT count(*) FROM sensor_readings WHERE status = 'warning'").fetchone()[0]
        kinds = {row[0] for row in database.execute("SELECT DISTINCT alert_type FROM alerts")}
        messages = [row[0] for row in database.execute("SELECT message FROM alerts")]
    assert max(per_day) == 24
    assert min(per_day) < 24, "a sensor falls silent now and then"
    assert warnings > 100
    assert {"센서 응답 없음", "온도 임계값 초과", "습도 임계값 초과", "재실 인원 초과", "전력 소비 증가"} == kinds
    assert all("층" in message for message in messages)
    longest = run = 1
    for before, value in pairwise(temperatures):
        run = run + 1 if value == before else 1
        longest = max(longest, run)
    assert longest >= 4, "a value is stuck now and then"
    assert 30.0 < max(temperatures) < 100.0, "spikes stay physical"


def test_weather_has_a_year_and_a_day_and_dry_heat() -> None:
    weather = make_weather(date(2024, 1, 1), 366, 1)
    assert weather.temperature[190:230].mean() > 20.0
    assert weather.temperature[5:40].mean() < 3.0
    assert weather.temperature[:, 15].mean() > weather.temperature[:, 4].mean() + 6.0
    # within a day, and from day to day of one season, warm hours are dry ones
    july = slice(182, 213)
    assert np.corrcoef(weather.temperature[july].ravel(), weather.humidity[july].ravel())[0, 1] < -0.5
    assert np.array_equal(weather.temperature[:-1, 24], weather.temperature[1:, 0])


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2025-03-01", "holiday"),  # independence movement day, a Saturday
        ("2025-03-03", "holiday"),  # its substitute, a Monday
        ("2025-05-05", "holiday"),
        ("2025-05-06", "holiday"),
        ("2025-10-08", "holiday"),
        ("2023-01-24", "holiday"),
        ("2024-09-17", "holiday"),
        ("2026-02-17", "holiday"),
        ("2027-09-15", "holiday"),
        ("2025-03-02", "holiday"),  # a Sunday
        ("2025-03-08", "saturday"),
        ("2025-03-04", "workday"),
        ("2031-12-25", "holiday"),
    ],
)
def test_korean_calendar(day: str, kind: str) -> None:
    assert day_kind(date.fromisoformat(day)) == kind


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        ("2025-03-01", "Asia/Seoul", 24),
        ("2024-03-31", "Europe/Berlin", 23),
        ("2024-10-27", "Europe/Berlin", 24),
        ("2018-11-04", "America/Sao_Paulo", 23),  # midnight itself does not exist
        ("2011-12-30", "Pacific/Apia", 0),  # a day that never was
    ],
)
def test_times_that_never_were_are_left_out(day: str, zone: str, hours: int) -> None:
    minutes = existing_minutes(date.fromisoformat(day), ZoneInfo(zone), 60)
    assert len(minutes) == hours
    instants = {
        (datetime.fromisoformat(day) + timedelta(minutes=minute)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for minute in minutes.tolist()
    }
    assert len(instants) == hours
