"""Whether all readings are there, and at their time: completeness, gaps, clock jumps, freshness."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import polars as pl

from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.quality.series import SERIES, Readings, outcome_of

#: Share of the expected readings below which a series is incomplete.
LEAST_SHARE = 0.95
#: A gap is longer than this, and than so many intervals.
GAP, GAP_INTERVALS = timedelta(hours=1), 3.5
#: Time from the newest reading to now; a night and the morning after it, so that nobody is called for nothing.
LATE = timedelta(hours=26)
#: By which share of an interval a clock jumps at least; and how steady the readings around the jump are.
JUMP, STEADY = 0.1, 0.05
#: Over more intervals than this a step says nothing of the clock any more.
JUMP_INTERVALS = 100

_SECOND = 1_000_000


def completeness(readings: Readings) -> Outcome:
    """Expected against present intervals of every series, and of every registered sensor that said nothing at all.

    A reading counts for the interval that it is nearest to, by the series' own clock: a little late is no loss.
    """
    length = (readings.stop - readings.start) // timedelta(microseconds=1)
    known = readings.intervals.filter(pl.col("interval_us").is_not_null()).drop("step_us")
    points = readings.within(readings.points).join(known, on=SERIES, how="inner")
    microseconds = pl.col("time").dt.epoch("us")
    angle = (microseconds % pl.col("interval_us")) / pl.col("interval_us") * (2 * math.pi)
    turn = pl.arctan2(angle.sin().mean().over(SERIES), angle.cos().mean().over(SERIES)) / (2 * math.pi)
    slot = ((microseconds - turn * pl.col("interval_us")) / pl.col("interval_us")).round()
    present = points.with_columns(slot.alias("slot")).group_by(SERIES).agg(pl.col("slot").n_unique().alias("present"))
    silent = (
        readings.register.filter(pl.col("interval_seconds") > 0)
        .join(readings.intervals, on=["tenant_id", "device"], how="anti")
        .select(*SERIES, (pl.col("interval_seconds") * _SECOND).cast(pl.Int64).alias("interval_us"))
    )
    counted = (
        pl.concat([known, silent])
        .join(present, on=SERIES, how="left")
        .with_columns((length / pl.col("interval_us")).round().cast(pl.Int64).alias("expected"))
        .filter(pl.col("expected") > 0)
        .with_columns(pl.min_horizontal(pl.col("present").fill_null(0).cast(pl.Int64), "expected").alias("present"))
        .with_columns(
            (pl.col("expected") - pl.col("present")).alias("missing"),
            (100.0 * pl.col("present") / pl.col("expected")).round(2).alias("percent"),
        )
    )
    expected, missing = int(counted["expected"].sum()), int(counted["missing"].sum())
    incomplete = counted.filter(pl.col("percent") < 100 * LEAST_SHARE).sort("percent", *SERIES)
    return outcome_of(
        "completeness",
        readings,
        incomplete,
        checked=expected,
        unexpected=missing,
        shown=("expected", "present", "missing", "percent"),
        series=counted.height,
        incomplete_series=incomplete.height,
    )


def gaps(readings: Readings) -> Outcome:
    """Stretches in which a series said nothing, between two of its readings."""
    before = pl.col("time").shift(1).over(SERIES)
    step = (pl.col("time") - pl.col("from")).dt.total_microseconds()
    found = (
        readings.points.with_columns(before.alias("from"))
        .join(readings.intervals.drop("step_us"), on=SERIES, how="left")
        .with_columns(step.alias("step_us"))
        .filter(
            pl.col("step_us") >= GAP_INTERVALS * pl.col("interval_us"),
            pl.col("step_us") > GAP // timedelta(seconds=1) * _SECOND,
        )
        .with_columns(
            ((pl.col("step_us") / pl.col("interval_us")).round() - 1).cast(pl.Int64).alias("missing"),
            (pl.col("step_us") / (3600 * _SECOND)).round(2).alias("hours"),
            pl.col("time").alias("to"),
        )
        .sort("hours", *SERIES, descending=[True, *(False for _ in SERIES)])
    )
    within = readings.within(found)
    return outcome_of(
        "gaps",
        readings,
        within,
        checked=readings.within(readings.points).height,
        shown=("from", "to", "hours", "missing"),
        missing_readings=int(within["missing"].sum()),
    )


def clock_jumps(readings: Readings) -> Outcome:
    """Steps that are no whole number of intervals, between steady readings before and after.

    A clock that was set reads on at another minute. One that moves by a whole interval cannot be told from a gap.
    """
    found = (
        readings.points.join(readings.intervals.drop("interval_us"), on=SERIES, how="left")
        .filter(pl.col("step_us") > 0)
        .with_columns((pl.col("time") - pl.col("time").shift(1)).dt.total_microseconds().over(SERIES).alias("step"))
        .with_columns((pl.col("step") / pl.col("step_us")).alias("steps"))
        .with_columns((pl.col("steps") - pl.col("steps").round()).alias("moved"))
        .with_columns(
            pl.all_horizontal(
                (pl.col("moved").shift(offset).over(SERIES).abs() < STEADY) for offset in (-2, -1, 1, 2)
            ).alias("steady"),
            (pl.col("moved") * pl.col("step_us") / _SECOND).round().alias("moved_seconds"),
        )
        .filter(pl.col("steady"), pl.col("moved").abs() > JUMP, pl.col("steps") < JUMP_INTERVALS)
    )
    return outcome_of(
        "clock_jumps",
        readings,
        readings.within(found),
        checked=readings.within(readings.points).height,
        shown=("time", "moved_seconds"),
    )


def freshness(newest: pl.DataFrame, now: datetime, *, is_open: bool) -> Outcome:
    """How old the newest reading of each series is.

    Args:
        newest: of `POINTS_SCHEMA`, the newest reading of each series.
        now: an aware time.
        is_open: more is to come; of a closed estate nothing is asked.
    """
    late = newest.filter(pl.col("time") < now - LATE).sort("time", *SERIES)
    readings = Readings(newest, pl.DataFrame(), now - LATE, now, pl.DataFrame())
    if not is_open:
        facts = {"asked_for": "nothing: the estate has a last day"}
        return Outcome("freshness", passed=True, checked=newest.height, facts=facts)
    late = late.with_columns(((now - pl.col("time")).dt.total_seconds() / 3600).round(1).alias("hours_old"))
    outcome = outcome_of("freshness", readings, late, checked=newest.height, shown=("time", "hours_old"), at="")
    return outcome if newest.height else Outcome("freshness", passed=False, problem="There is no reading at all.")
