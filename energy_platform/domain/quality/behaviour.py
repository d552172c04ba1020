"""Whether readings behave: flatlines, spikes, zeros and marks for what is missing, other units, own limits."""

from __future__ import annotations

from functools import reduce

import polars as pl

from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.domain.quality.series import SERIES, Readings, of_quantity, outcome_of
from energy_platform.domain.quantities import QUANTITIES, MeasuredQuantity
from energy_platform.domain.units import Unit, unit_named

#: A flatline has at least so many readings, and so many times those that commonly do not change.
FLAT_READINGS, FLAT_RATIO = 6, 4
#: Readings around each one that tell what it should be.
AROUND = 7
#: How many times the common distance from its neighbours a spike has.
SPIKE_RATIO = 8 * 1.4826
#: Numbers that devices and exports put in place of nothing.
MARKS = (-32768.0, -9999.0, -999.0, -99.0, 999.0, 9999.0, 32767.0, 65535.0)
#: A series with more zeros than this has them often.
FEW_ZEROS = 0.2
#: How near a number of another unit comes to the others once it is converted, and how far it was: °C.
NEAR_DEGREES, FAR_DEGREES = 6.0, 15.0
#: The same for a whole series against those of the same tenant: °C; at least so many other ones.
NEAR_PEERS, FAR_PEERS, PEERS = 10.0, 25.0, 2
#: The same for power: factors.
NEAR_FACTOR, FAR_FACTOR = 2.5, 100.0


def flatlines(readings: Readings) -> Outcome:
    """Stretches in which a reading never changes; zeros are looked at elsewhere."""
    changed = (pl.col("value") != pl.col("value").shift(1)).fill_null(value=True).over(SERIES)
    runs = (
        readings.points.with_columns(changed.alias("changed"))
        .with_columns(pl.col("changed").cum_sum().over(SERIES).alias("run"))
        .group_by(*SERIES, "run")
        .agg(
            pl.col("time").min().alias("from"),
            pl.col("time").max().alias("to"),
            pl.col("value").first(),
            pl.len().cast(pl.Int64).alias("readings"),
        )
        .with_columns(
            ((pl.col("to") - pl.col("from")).dt.total_seconds() / 3600).round(2).alias("hours"),
            pl.col("readings").median().over(SERIES).alias("common"),
        )
    )
    found = readings.within(runs, "to").filter(
        pl.col("value") != 0,
        pl.col("hours") >= of_quantity("flatline_hours"),
        pl.col("readings") >= FLAT_READINGS,
        pl.col("readings") >= FLAT_RATIO * pl.col("common"),
    )
    found = found.sort("hours", *SERIES, descending=[True, *(False for _ in SERIES)])
    return outcome_of(
        "flatline",
        readings,
        found,
        checked=readings.within(readings.points).height,
        unexpected=int(found["readings"].sum()),
        shown=("from", "to", "hours", "readings", "value"),
        at="from",
        flatlines=found.height,
    )


def spikes(readings: Readings) -> Outcome:
    """Single readings far from those before and after them."""
    usual = pl.col("value").rolling_median(AROUND, min_samples=4, center=True).over(SERIES)
    found = (
        readings.points.with_columns(usual.alias("usual"))
        .with_columns((pl.col("value") - pl.col("usual")).abs().alias("distance"))
        .with_columns(
            pl.max_horizontal(
                of_quantity("spike"),
                of_quantity("spike_ratio") * pl.col("usual").abs(),
                SPIKE_RATIO * pl.col("distance").median().over(SERIES),
            ).alias("allowed")
        )
        .filter(pl.col("distance") > pl.col("allowed"), of_quantity("spike").is_not_null())
        .sort("distance", *SERIES, descending=[True, *(False for _ in SERIES)])
    )
    return outcome_of(
        "spikes",
        readings,
        readings.within(found),
        checked=readings.within(readings.points).height,
        shown=("time", "value", "usual"),
    )


def zeros_and_marks(readings: Readings) -> Outcome:
    """Zeros in a series that is never near zero, and numbers such as 9999 that stand for nothing."""
    value = pl.col("value")
    others = pl.when(value != 0, ~value.is_in(MARKS)).then(value)
    low, high, usual = (others.quantile(share).over(SERIES) for share in (0.05, 0.95, 0.5))
    far = of_quantity("spike") * 10
    judged = readings.points.with_columns(
        low.alias("low"),
        high.alias("high"),
        usual.alias("usual"),
        (value == 0).mean().over(SERIES).alias("zeros"),
        others.abs().quantile(0.05).over(SERIES).alias("least"),
    )
    doubtful = (
        (value == 0)
        & (of_quantity("often_zero") == 0)
        & (pl.col("zeros") < FEW_ZEROS)
        & (pl.col("least") > pl.max_horizontal(of_quantity("doubtful_zero"), 0.1 * pl.col("usual").abs()))
    )
    distance = (value - pl.col("usual")).abs()
    mark = value.is_in(MARKS) & (distance > pl.max_horizontal(far, 5 * (pl.col("high") - pl.col("low"))))
    found = readings.within(judged.filter(doubtful | mark))
    grouped = (
        found.group_by(*SERIES, "value")
        .agg(pl.col("time").min(), pl.len().cast(pl.Int64).alias("readings"), pl.col("usual").first())
        .sort("readings", *SERIES, descending=[True, *(False for _ in SERIES)])
    )
    return outcome_of(
        "zero_or_missing",
        readings,
        grouped,
        checked=readings.within(readings.points).height,
        unexpected=found.height,
        shown=("time", "value", "readings", "usual"),
    )


def own_limits(readings: Readings) -> Outcome:
    """Readings outside of the limits that the register holds for their device."""
    limits = readings.register.group_by("tenant_id", "device").agg(
        pl.col("minimum").drop_nulls().first(), pl.col("maximum").drop_nulls().first()
    )
    points = readings.within(readings.points).join(limits, on=["tenant_id", "device"], how="inner")
    points = points.filter(pl.col("minimum").is_not_null() | pl.col("maximum").is_not_null())
    found = points.filter((pl.col("value") < pl.col("minimum")) | (pl.col("value") > pl.col("maximum")))
    return outcome_of(
        "own_limits",
        readings,
        found.sort("time", *SERIES),
        checked=points.height,
        shown=("time", "value", "minimum", "maximum"),
        devices_with_limits=points.select("tenant_id", "device").n_unique(),
    )


def unit_mix_ups(readings: Readings) -> Outcome:
    """Readings, or whole series, that make sense in another unit and in their own do not."""
    points = _with_usual(readings)
    parts = [
        found.with_columns(pl.lit(unit.name).alias("looks_like"))
        for quantity in QUANTITIES.values()
        for unit in quantity.other_units()
        for found in [_mixed_up(points.filter(pl.col("quantity") == quantity.name), quantity, unit)]
    ]
    found = readings.within(pl.concat(parts)).unique([*SERIES, "time"])
    grouped = (
        found.sort("time")
        .group_by(*SERIES, "looks_like")
        .agg(pl.col("time").min(), pl.len().cast(pl.Int64).alias("readings"), pl.col("value", "usual").first())
        .sort("readings", *SERIES, descending=[True, *(False for _ in SERIES)])
    )
    return outcome_of(
        "unit_mix_up",
        readings,
        grouped,
        checked=readings.within(readings.points).height,
        unexpected=found.height,
        shown=("looks_like", "readings", "time", "value", "usual"),
    )


def _with_usual(readings: Readings) -> pl.DataFrame:
    """Readings whose unit nobody has declared to be another, with the median of their series and of its peers."""
    declared = [
        unit
        for unit in readings.register.get_column("unit").drop_nulls().unique().to_list()
        if (named := unit_named(unit)) is not None and named.name != named.canonical
    ]
    register = readings.register.group_by("tenant_id", "device").agg(
        pl.col("unit").first(), pl.col("minimum").drop_nulls().first(), pl.col("maximum").drop_nulls().first()
    )
    usual = readings.points.group_by(SERIES).agg(
        pl.col("value").median().alias("usual"), pl.col("value").quantile(0.25).alias("low")
    )
    peers = usual.join(usual.select("tenant_id", "quantity", "usual"), on=["tenant_id", "quantity"], suffix="_peer")
    peers = peers.group_by(SERIES).agg(
        pl.col("usual_peer").median().alias("peers"), (pl.len() - 1).cast(pl.Int64).alias("others")
    )
    return (
        readings.points.join(register, on=["tenant_id", "device"], how="left")
        .filter(pl.col("unit").is_null() | ~pl.col("unit").is_in(declared))
        .join(usual, on=SERIES, how="left")
        .join(peers, on=SERIES, how="left")
    )


def _mixed_up(points: pl.DataFrame, quantity: MeasuredQuantity, unit: Unit) -> pl.DataFrame:
    value, usual = pl.col("value"), pl.col("usual")
    converted, usual_converted = (_converted(number, unit) for number in (value, usual))
    within = pl.col("minimum") <= pl.col("maximum")
    outside_limits = within & ~usual.is_between(pl.col("minimum"), pl.col("maximum"))
    inside_once_converted = usual_converted.is_between(pl.col("minimum"), pl.col("maximum"))
    if unit.quantity == "temperature":
        single = ((converted - usual).abs() <= NEAR_DEGREES) & ((value - usual).abs() >= FAR_DEGREES)
        by_register = outside_limits & inside_once_converted & ((usual_converted - usual).abs() >= FAR_DEGREES)
        peers = pl.col("peers")
        by_peers = ((usual_converted - peers).abs() <= NEAR_PEERS) & ((usual - peers).abs() >= FAR_PEERS)
        whole = by_register | (by_peers & (pl.col("others") >= PEERS))
    else:
        near = (converted / usual).is_between(1 / NEAR_FACTOR, NEAR_FACTOR)
        ratio = value / usual
        far = (ratio > FAR_FACTOR) | ((ratio < 1 / FAR_FACTOR) & (pl.col("low") > 0.2 * usual))
        single = (value > 0) & (usual > 0) & near & far
        # far beyond the limits, so that a meter of another size is not taken for another unit
        beyond = (usual > FAR_FACTOR / 5 * pl.col("maximum")) if unit.denominator > 1 else pl.lit(value=False)
        whole = (usual > 0) & outside_limits & inside_once_converted & beyond
    return points.filter((single | whole).fill_null(value=False)).select(*SERIES, "time", "value", "usual")


def _converted(number: pl.Expr, unit: Unit) -> pl.Expr:
    return (number - unit.zero) * unit.numerator / unit.denominator


def check_series(readings: Readings) -> list[Outcome]:
    """All checks on the behaviour of readings that need nothing but the readings and the register."""
    from energy_platform.domain.quality import coverage

    checks = (
        coverage.completeness,
        coverage.gaps,
        flatlines,
        spikes,
        coverage.clock_jumps,
        unit_mix_ups,
        zeros_and_marks,
        own_limits,
    )
    return reduce(lambda outcomes, check: [*outcomes, check(readings)], checks, [])
