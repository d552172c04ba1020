"""Registers of meters: the rule reading by reading, and that nothing is lost or made up on the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy_platform.domain import registers
from energy_platform.domain.registers import KINDS, RegisterRule, as_read, intervals, running

START = datetime(2024, 1, 1, tzinfo=UTC)
METER = ("meter",)
SCHEMA = {"meter": pl.String, "time": pl.Datetime("us", "UTC"), "register_kwh": pl.Float64, "order": pl.Int64}


def readings_of(*rows: tuple[str, float, float | None]) -> pl.DataFrame:
    """Readings by meter, hours since the start, and register; in their order."""
    full = [(meter, START + timedelta(hours=hours), kwh, order) for order, (meter, hours, kwh) in enumerate(rows)]
    return pl.DataFrame(full, schema=SCHEMA, orient="row")


def hourly(*values: float | None) -> pl.DataFrame:
    """Readings of one meter, hour by hour."""
    return readings_of(*(("m", hour, value) for hour, value in enumerate(values)))


def told(readings: pl.DataFrame, **rule: Any) -> tuple[list[float | None], list[tuple[Any, ...]]]:
    """Powers, and kind, before, after and added of the corrections."""
    found = intervals(readings, METER, RegisterRule(**rule))
    return found.power.to_list(), found.corrections.select("kind", "before_kwh", "after_kwh", "added_kwh").rows()


@pytest.mark.parametrize(
    ("values", "rule", "powers", "corrections"),
    [
        ([100, 101.5, 101.5], {}, [None, 1.5, 0], []),
        ([], {}, [], []),
        ([5], {}, [None], []),
        ([998, 3, 4], {"rolls_over_at": 1000}, [None, 5, 1], [("rollover", 998, 3, 1000)]),
        # it would have been 990 kWh in an hour: no meter of 100 kW does that
        ([10, 0.5], {"rolls_over_at": 1000, "highest_kw": 100}, [None, 0.5], [("reset", 10, 0.5, 10)]),
        ([998, 3, 4], {}, [None, 3, 1], [("reset", 998, 3, 998)]),
        # a reading beyond the rollover is of another meter, or the rollover is another
        ([1000.5, 3], {"rolls_over_at": 1000, "highest_kw": 2}, [None, None], [("exchange", 1000.5, 3, 997.5)]),
        ([10, 1000, 3], {"rolls_over_at": 1000}, [None, 990, 3], [("rollover", 1000, 3, 1000)]),
        ([500, 450, 451], {"highest_kw": 100}, [None, None, 1], [("exchange", 500, 450, 50)]),
        ([1, 90_001, 190_002], {}, [None, 90_000, None], [("exchange", 90_001, 190_002, -100_001)]),
        ([5, -2, -1], {}, [None, None, 1], [("exchange", 5, -2, 7)]),
        # what cannot be read is passed over: its energy is counted with the next one's
        ([10, None, 14], {}, [None, None, 2], []),
        ([10, float("inf"), float("nan"), 16], {}, [None, None, None, 2], []),
    ],
)
def test_the_rule(
    values: list[float], rule: dict[str, Any], powers: list[float | None], corrections: list[tuple[Any, ...]]
) -> None:
    assert told(hourly(*values), **rule) == (powers, corrections)


def test_an_interval_that_is_too_long_has_no_power() -> None:
    readings = readings_of(("m", 0, 1), ("m", 6, 7), ("m", 12.5, 8), ("m", 13.5, 9), ("m", 20, 2), ("m", 21, 4))
    powers, corrections = told(readings, longest_gap_hours=6)
    assert powers == [None, 1, None, 1, None, 2]
    # a register that fell meanwhile is corrected all the same
    assert corrections == [("gap", 7, 8, 0), ("reset", 9, 2, 9)]


def test_each_meter_by_itself_in_the_order_of_time() -> None:
    rows = [("b", 3, 9.0), ("a", 1, 3.0), ("b", 0, 3.0), ("a", 0, 1.0), ("a", 4, 9.0), ("b", 1, 8.0)]
    assert told(readings_of(*rows)) == ([0.5, 2, None, None, 2, 5], [])


def test_of_readings_of_one_time_the_first_counts() -> None:
    rows = [("a", 0, 1.0), ("a", 1, 2.0), ("a", 1, 7.0), ("a", 1, 2.0), ("a", 2, 5.0), ("a", 0, 1.0)]
    assert told(readings_of(*rows)) == ([None, 1, None, 1, 3, None], [])
    later_first = readings_of(*rows).with_columns(order=-pl.col("order"))
    assert told(later_first)[0] == [None, 1, None, 1, 3, None]
    with_other_first = readings_of(*rows).with_columns(order=pl.Series([0, 3, 1, 2, 4, 5]))
    assert told(with_other_first) == ([None, None, 6, None, 5, None], [("reset", 7, 5, 7)])


def test_pieces_are_one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [n * 3.0 % 50 for n in range(100)]
    whole = intervals(hourly(*values), METER, RegisterRule(rolls_over_at=50))
    monkeypatch.setattr(registers, "_PIECE_ROWS", 7)
    pieces = intervals(hourly(*values), METER, RegisterRule(rolls_over_at=50))
    assert pieces.power.equals(whole.power, null_equal=True)
    assert pieces.corrections.equals(whole.corrections)
    assert whole.power.to_list() == [None, *[3.0] * 99]
    assert whole.corrections.height == 5


EIGHTHS = st.integers(0, 80).map(lambda eighths: eighths / 8)
HOURS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])
STEPS = st.lists(st.tuples(EIGHTHS, HOURS, st.booleans()), min_size=1, max_size=40)


@given(st.integers(0, 7999).map(lambda eighths: eighths / 8), STEPS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_energies_add_up_to_what_was_used(start: float, steps: list[tuple[float, float, bool]], rolls: bool) -> None:
    register, hours, used = start, 0.0, 0.0
    rows, truth, planted = [("m", 0.0, start)], [start], 0
    for gain, length, resets in steps:
        before = register
        # a reset behind which more is used than had been counted leaves no trace in the readings
        if not rolls and resets and gain < before:
            register, planted = gain, planted + 1
        else:
            register += gain
        if rolls and register >= 1000:
            register, planted = register - 1000, planted + 1
        hours, used = hours + length, used + gain
        rows.append(("m", hours, register))
        truth.append(start + used)
    readings = readings_of(*rows)
    found = intervals(readings, METER, RegisterRule(rolls_over_at=1000.0 if rolls else None, highest_kw=50))

    lengths = [0.0, *(length for _, length, _ in steps)]
    assert sum((p or 0) * h for p, h in zip(found.power, lengths, strict=True)) == used
    assert found.corrections.get_column("kind").to_list() == ["rollover" if rolls else "reset"] * planted
    run_on = running(readings, found.corrections, METER)
    assert run_on.get_column("running_kwh").to_list() == truth
    assert as_read(run_on, found.corrections, METER).equals(readings.get_column("register_kwh"))


ANYTHING = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 30).map(lambda n: n / 4),
        st.none() | st.sampled_from([float("inf"), float("nan")]) | st.integers(-800, 80_000).map(lambda n: n / 8),
    ),
    max_size=40,
)
RULES = st.builds(
    RegisterRule, st.none() | st.just(1000.0), st.none() | st.just(1.0), st.sampled_from([100_000.0, 20.0])
)


@given(ANYTHING, RULES, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_every_correction_can_be_taken_back(
    rows: list[tuple[str, float, float | None]], rule: RegisterRule, random: Any
) -> None:
    readings = readings_of(*rows)
    found = intervals(readings, METER, rule)
    run_on = running(readings, found.corrections, METER)
    back = as_read(run_on, found.corrections, METER)
    finite = readings.get_column("register_kwh").is_finite().fill_null(value=False)
    assert back.filter(finite).equals(readings.get_column("register_kwh").filter(finite))
    assert set(found.corrections.get_column("kind")) <= set(KINDS)
    assert found.corrections.null_count().sum_horizontal().item() == 0
    assert found.power.drop_nulls().is_between(0, rule.highest_kw).all()
    # no reading follows from where it stands in its file
    order = list(range(len(rows)))
    random.shuffle(order)
    again = intervals(readings[order], METER, rule)
    assert again.power.equals(found.power[order], null_equal=True)
    assert again.corrections.equals(found.corrections)
