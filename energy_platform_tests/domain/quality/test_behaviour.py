"""Readings that are there, and cannot be believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energy_platform.domain.quality.behaviour import (
    check_series,
    flatlines,
    own_limits,
    spikes,
    unit_mix_ups,
    zeros_and_marks,
)
from energy_platform.domain.quality.checks import SERIES_CHECKS, series_checks_of
from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.quality.series import Readings
from energy_platform_tests.domain.quality.readings import DAY, START, moving, read, register, sample, series


def replaced(values: list[float], **at: float) -> list[float]:
    """The same readings with others at some places: `_7=0.0`."""
    changed = list(values)
    for place, value in at.items():
        changed[int(place[1:])] = value
    return changed


def test_readings_that_behave_pass_all_checks() -> None:
    limits = register(interval_seconds=1800.0, minimum=10.0, maximum=40.0)
    readings = read(
        series(moving(48)),
        series([3 + number % 7 for number in range(48)], "power", device="m"),
        series([0] * 16 + [4, 9, 7, 12, 8, 6, 9, 5] * 2 + [0] * 16, "occupancy", device="o"),
        series([1, 0] * 24, "door", device="unknown quantity"),
        devices=limits,
    )

    assert [outcome.name for outcome in check_series(readings) if not outcome.passed] == []
    assert {outcome.name for outcome in check_series(readings)} == SERIES_CHECKS.keys() - {"freshness"}


def test_a_reading_that_never_changes_is_a_flatline() -> None:
    values = moving(48)
    values[10:20] = [20.7] * 10
    outcome = flatlines(read(series(values)))

    assert outcome.unexpected == 10
    assert sample(outcome)["from"] == "2025-05-01T05:00:00+00:00"
    assert (sample(outcome)["hours"], sample(outcome)["readings"], sample(outcome)["value"]) == (4.5, 10, 20.7)
    assert outcome.excerpt is not None
    assert outcome.excerpt.columns == ["time", "value"]


def test_a_flatline_that_began_the_day_before_is_seen() -> None:
    values = moving(96)
    values[44:54] = [20.7] * 10
    values[60:64] = [19.1] * 4

    found = sample(flatlines(read(series(values, start=START - DAY))))
    assert found["from"] == "2025-04-30T22:00:00+00:00"


def test_what_rests_at_zero_or_moves_in_large_steps_is_no_flatline() -> None:
    coarse = [20.0] * 8 + [21.0] * 8 + [20.0] * 8 + [21.0] * 8 + [22.0] * 8 + [21.0] * 8

    assert flatlines(read(series([0.0] * 48, "power"))).passed
    assert flatlines(read(series(coarse))).passed


@pytest.mark.parametrize(
    ("quantity", "values", "spike"),
    [
        ("temperature", moving(48), 36.0),
        ("humidity", moving(48, 45.0), 80.0),
        ("power", moving(48, 10.0), 25.0),
        ("occupancy", moving(48, 20.0), 60.0),
    ],
)
def test_a_single_reading_far_from_its_neighbours_is_a_spike(quantity: str, values: list[float], spike: float) -> None:
    outcome = spikes(read(series(replaced(values, _20=spike), quantity)))

    assert sample(outcome)["time"] == "2025-05-01T10:00:00+00:00"
    assert sample(outcome)["value"] == spike
    assert (outcome.checked, outcome.unexpected) == (48, 1)


def test_a_level_that_stays_is_no_spike() -> None:
    assert spikes(read(series(moving(24, 5.0) + moving(24, 40.0), "power"))).passed


def test_a_zero_where_nothing_is_near_zero_is_a_missing_value() -> None:
    outcome = zeros_and_marks(read(series(replaced(moving(48, 22.0), _7=0.0, _8=0.0))))

    assert (outcome.unexpected, sample(outcome)["value"], sample(outcome)["readings"]) == (2, 0.0, 2)


@pytest.mark.parametrize(("quantity", "mark"), [("power", -999.0), ("power", 9999.0), ("occupancy", 65535.0)])
def test_a_mark_for_what_is_missing_is_found(quantity: str, mark: float) -> None:
    outcome = zeros_and_marks(read(series(replaced(moving(48, 20.0), _7=mark), quantity)))

    assert sample(outcome)["value"] == mark


def test_zeros_that_are_real_pass() -> None:
    frost = [4.0 - number / 5 for number in range(48)]
    night = [0.0] * 20 + moving(28, 12.0)
    large_meter = replaced(moving(48, 950.0, 60.0), _7=999.0)

    assert zeros_and_marks(read(series(frost))).passed
    assert zeros_and_marks(read(series(night, "power"), series(night, "occupancy", device="o"))).passed
    assert zeros_and_marks(read(series(large_meter, "power"))).passed


def test_a_reading_beyond_the_limits_of_its_sensor_is_found_and_names_them() -> None:
    devices = register(minimum=14.0, maximum=33.0)
    outcome = own_limits(read(series(replaced(moving(48), _3=35.0)), devices=devices))

    assert (sample(outcome)["value"], sample(outcome)["minimum"], sample(outcome)["maximum"]) == (35.0, 14.0, 33.0)
    assert outcome.facts["devices_with_limits"] == 1
    assert own_limits(read(series([99.0]), devices=register())).passed


def test_limits_of_another_tenant_do_not_count() -> None:
    assert own_limits(read(series([99.0]), devices=register(tenant_id="other", maximum=33.0))).checked == 0


@pytest.mark.parametrize(
    ("quantity", "usual", "mixed", "unit"),
    [
        ("temperature", 21.0, 69.8, "°F"),
        ("temperature", -5.0, 23.0, "°F"),
        ("power", 12.0, 12_400.0, "W"),
        ("power", 40.0, 0.041, "MW"),
    ],
)
def test_single_readings_in_another_unit_are_found(quantity: str, usual: float, mixed: float, unit: str) -> None:
    outcome = unit_mix_ups(read(series(replaced(moving(48, usual), _5=mixed, _6=mixed), quantity)))

    assert sample(outcome)["looks_like"] == unit
    assert (outcome.unexpected, sample(outcome)["readings"]) == (2, 2)


def test_a_whole_series_in_fahrenheit_is_known_by_its_limits_or_by_its_peers() -> None:
    fahrenheit = moving(48, 70.0, 3.0)
    by_limits = unit_mix_ups(read(series(fahrenheit), devices=register(minimum=14.0, maximum=33.0)))
    peers = [series(moving(48), device=f"peer{number}") for number in range(3)]
    by_peers = unit_mix_ups(read(series(fahrenheit), *peers))

    assert (by_limits.unexpected, sample(by_limits)["looks_like"]) == (48, "°F")
    assert (by_peers.unexpected, sample(by_peers)["device"]) == (48, "s1")


def test_a_whole_series_in_watts_is_known_by_its_limits() -> None:
    watts = series(moving(48, 9000.0, 500.0), "power", device="m")
    limits = register(device="m", quantity="power", minimum=0.0, maximum=20.0)

    assert sample(unit_mix_ups(read(watts, devices=limits)))["looks_like"] == "W"


def test_what_is_declared_or_merely_large_is_no_mix_up() -> None:
    fahrenheit = series(moving(48, 70.0, 3.0))
    declared = register(unit="fahrenheit", minimum=14.0, maximum=33.0)
    meters = [series(moving(48, size), "power", device=f"m{size}") for size in (3, 40, 5000)]
    nights = series([0.2, 0.3] * 20 + [40.0, 45.0] * 4, "power", device="school")

    assert unit_mix_ups(read(fahrenheit, devices=declared)).passed
    assert unit_mix_ups(read(*meters, nights)).passed


@pytest.mark.parametrize("check", [flatlines, spikes, zeros_and_marks, own_limits, unit_mix_ups])
def test_nothing_at_all_is_no_finding(check: Callable[[Readings], Outcome]) -> None:
    assert check(read()).passed
    assert check(read(series([20.0]))).passed


def test_only_what_lies_within_the_days_is_found() -> None:
    spiked = series(replaced(moving(96), _20=60.0), start=START - DAY)

    assert spikes(read(spiked)).passed
    assert not spikes(read(spiked, start=START - DAY, days=2)).passed


def test_verdicts_over_pieces_add_up() -> None:
    first = spikes(read(series(replaced(moving(48), _20=60.0))))
    second = spikes(read(series(moving(48), start=START + DAY), start=START + DAY))

    assert (first + second).passed is False
    assert ((first + second).checked, (first + second).unexpected, (first + second).percent) == (96, 1, 1.0417)
    assert list((second + first).samples) == list(first.samples)
    assert (second + first).excerpt is first.excerpt


def test_what_comes_as_it_likes_has_no_series_to_check() -> None:
    assert series_checks_of("alerts") == {}
    assert "own_limits" in series_checks_of("sensor_data")
    assert "own_limits" not in series_checks_of("energy_consumption")
