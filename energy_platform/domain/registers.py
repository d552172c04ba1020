"""Registers of meters: from a counter of energy to mean power by interval, with a record of every correction.

An interval ends at a reading and begins at the one before, of the same meter. Its energy is what the register has
gained; where the register fell or jumped, the rule below says why, and the record says what must be added to it from
there on so that it runs on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from energy_platform.domain.contracts import Column
from energy_platform.domain.measurements import ENERGY_CONSUMPTION

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["rollover", "reset", "exchange", "gap"]
KINDS: Final[tuple[Kind, ...]] = ("rollover", "reset", "exchange", "gap")

#: The field that a register is kept in as it was read, and the table of corrections.
REGISTER: Final = Column("register_kwh", "float", unit="kWh", description="Register of the meter, as it was read.")
CORRECTIONS_TABLE: Final = "register_corrections"

_HOUR_MICROSECONDS: Final = 3_600_000_000
#: Readings that are looked at together.
_PIECE_ROWS: Final = 250_000
#: No mean power beyond this is believed: the contract would refuse it.
HIGHEST_KW: Final[float] = ENERGY_CONSUMPTION.column("power_kw").maximum or 0.0


@dataclass(frozen=True, slots=True)
class RegisterRule:
    """What is known of the registers of a source.

    Attributes:
        rolls_over_at: kWh at which they start again at zero; None where they do not, or nobody knows.
        longest_gap_hours: an interval that is longer has no power; None where none is too long.
        highest_kw: mean power that is still believed.
    """

    rolls_over_at: float | None = None
    longest_gap_hours: float | None = None
    highest_kw: float = HIGHEST_KW


class Intervals(NamedTuple):
    """What the readings of meters come to.

    Attributes:
        power: mean power in kW of the interval that ends at each reading, in the order of the readings; null where it
            is the first of its meter, was passed over, or where nobody knows.
        corrections: frame of the meter's columns, time, kind, before_kwh, after_kwh, added_kwh; a row for each
            correction, by meter and time.
    """

    power: pl.Series
    corrections: pl.DataFrame


def intervals(readings: pl.DataFrame, meter: Sequence[str], rule: RegisterRule) -> Intervals:
    """Mean power by interval.

    Args:
        readings: of any meters, in any order: the meter's columns, `time`, `register_kwh`, and `order`, which says
            which of two readings of one time came first. One without a finite register is passed over.
        meter: names of the columns that tell meters apart.
        rule: what is known of them.
    """
    import polars as pl

    counted = (
        readings.with_row_index("@row")
        .filter(pl.col("register_kwh").is_finite())
        .sort(*meter, "time", "order", maintain_order=True)
        .drop("order")
    )
    begins = _differs(*meter)
    again = counted.select((~(begins | _differs("time"))).alias("again")).to_series()
    chain = counted.filter(~again) if again.any() else counted
    powers = [pl.Series("power", [], dtype=pl.Float64)]
    corrections = [chain.clear().with_columns(_intervals(begins, rule)).pipe(_judged, meter, rule)]
    for start in range(0, chain.height, _PIECE_ROWS):
        # a piece begins with the last reading of the one before, which is counted there
        overlap = min(start, 1)
        piece = chain.slice(start - overlap, _PIECE_ROWS + overlap).with_columns(_intervals(begins, rule))
        judged = _judged(piece[overlap:], meter, rule)
        powers.append(judged.get_column("power"))
        corrections.append(judged.filter(pl.col("kind").is_not_null()))
    power = pl.concat(powers)
    rows = chain.get_column("@row")
    if again.any():
        # the same reading twice is the same point twice; another one of the same time is refused in any case
        first = (~again).cum_sum() - 1
        same = counted.get_column("register_kwh") == chain.get_column("register_kwh").gather(first)
        rows, power = counted.get_column("@row"), power.gather(first).set(~same, None)
    found = pl.repeat(None, readings.height, dtype=pl.Float64, eager=True)
    found = found.scatter(rows, power) if rows.len() else found
    return Intervals(found.alias("power_kw"), pl.concat(corrections).drop("power"))


def running(readings: pl.DataFrame, corrections: pl.DataFrame, meter: Sequence[str]) -> pl.DataFrame:
    """The readings, and their register as it would read had it never been corrected: `running_kwh`."""
    import polars as pl

    added = _added_so_far(readings, corrections, meter)
    return readings.with_columns((pl.col("register_kwh") + added).alias("running_kwh"))


def as_read(readings: pl.DataFrame, corrections: pl.DataFrame, meter: Sequence[str]) -> pl.Series:
    """The way back: the register as it was read, from `running_kwh` and the record of corrections."""
    added = _added_so_far(readings, corrections, meter)
    return (readings.get_column("running_kwh") - added).alias("register_kwh")


def _added_so_far(readings: pl.DataFrame, corrections: pl.DataFrame, meter: Sequence[str]) -> pl.Series:
    """What the corrections up to each reading add up to."""
    import polars as pl

    sums = corrections.sort(*meter, "time").select(
        *meter, "time", pl.col("added_kwh").cum_sum().over(*meter).alias("added")
    )
    numbered = readings.with_row_index("@row").sort("time")
    found = numbered.join_asof(sums.sort("time"), on="time", by=list(meter), check_sortedness=False).sort("@row")
    return found.get_column("added").fill_null(0.0)


# -- the rule, on readings that are sorted by meter and time -------------------------------------------------------


def _judged(readings: pl.DataFrame, meter: Sequence[str], rule: RegisterRule) -> pl.DataFrame:
    """What each reading shows; `kind` is null where there is nothing to correct."""
    import polars as pl

    return (
        readings.with_columns(_power(rule))
        .with_columns(_kind(rule))
        .select(
            *meter,
            "time",
            "kind",
            pl.col("before").alias("before_kwh"),
            pl.col("register_kwh").alias("after_kwh"),
            _added(rule).alias("added_kwh"),
            "power",
        )
    )


def _differs(*names: str) -> pl.Expr:
    """Whether a reading differs from the one before in one of these columns."""
    import polars as pl

    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in names) | (
        pl.int_range(pl.len()) == 0
    )


def _intervals(begins: pl.Expr, rule: RegisterRule) -> list[pl.Expr]:
    import polars as pl

    before = pl.when(~begins).then(pl.col("register_kwh").shift())
    time = pl.col("time").cast(pl.Int64)
    return [
        before.alias("before"),
        pl.when(~begins).then((time - time.shift()) / _HOUR_MICROSECONDS).alias("hours"),
        (pl.col("register_kwh") - before).alias("gained"),
        # what was left up to the rollover, and what came after it
        ((pl.lit(rule.rolls_over_at, dtype=pl.Float64) - before) + pl.col("register_kwh")).alias("wrapped"),
    ]


def _power(rule: RegisterRule) -> list[pl.Expr]:
    import polars as pl

    found = {"gained": "gained", "wrapped": "wrapped", "reset": "register_kwh"}
    believed: list[pl.Expr] = []
    for name, energy in found.items():
        power = pl.col(energy) / pl.col("hours")
        is_sound = power.is_between(0.0, rule.highest_kw)
        if name == "wrapped" and rule.rolls_over_at is not None:
            # neither reading can have stood beyond the rollover
            is_sound &= pl.col("before").is_between(0.0, rule.rolls_over_at)
            is_sound &= pl.col("register_kwh").is_between(0.0, rule.rolls_over_at, closed="left")
        if name != "gained":
            is_sound &= pl.col("gained") < 0.0
        believed.append(pl.when(is_sound).then(power).alias(f"{name}_kw"))
    return believed


def _kind(rule: RegisterRule) -> list[pl.Expr]:
    """What a reading shows, and the power that follows."""
    import polars as pl

    kind = (
        pl.when(pl.col("before").is_null() | pl.col("gained_kw").is_not_null())
        .then(pl.lit(None, dtype=pl.String))
        .when(pl.col("wrapped_kw").is_not_null())
        .then(pl.lit("rollover"))
        .when(pl.col("reset_kw").is_not_null())
        .then(pl.lit("reset"))
        .otherwise(pl.lit("exchange"))
    )
    power = pl.coalesce("gained_kw", "wrapped_kw", "reset_kw")
    if rule.longest_gap_hours is None:
        return [kind.alias("kind"), power.alias("power")]
    is_gap = (pl.col("hours") > rule.longest_gap_hours).fill_null(value=False)
    gap = pl.when(is_gap).then(pl.lit("gap"))
    return [pl.coalesce(kind, gap).alias("kind"), pl.when(~is_gap).then(power).alias("power")]


def _added(rule: RegisterRule) -> pl.Expr:
    """What must be added to this and all later readings, so that the register runs on."""
    import polars as pl

    kind = pl.col("kind")
    return (
        pl.when(kind == "rollover")
        .then(pl.lit(rule.rolls_over_at, dtype=pl.Float64))
        .when(kind == "reset")
        .then("before")
        .when(kind == "exchange")
        .then(pl.col("before") - pl.col("register_kwh"))
        .otherwise(0.0)
    )
