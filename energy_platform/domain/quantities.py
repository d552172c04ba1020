"""What is measured: unit, physical limits, and how a reading that can be believed behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from energy_platform.domain.units import Unit, unit_named


@dataclass(frozen=True, slots=True)
class MeasuredQuantity:
    """A quantity that sensors and meters measure.

    Attributes:
        name: also the sensor type that measures it.
        unit: its own, in which limits are given.
        minimum: physical limit, included.
        maximum: physical limit, included.
        mixed_up_with: names of units that exports are known to use in place of its own.
        spike: how far a single reading lies from those around it, at least, to be called a spike.
        spike_ratio: the same as a share of the readings around it; both must be exceeded.
        flatline_hours: how long no change at all is, to be called a flatline.
        often_zero: nothing at all is a common reading: no flatline, and no sign of a missing value.
        doubtful_zero: how far from zero all other readings lie, at least, for a zero to be doubted.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    mixed_up_with: tuple[str, ...]
    spike: float
    spike_ratio: float
    flatline_hours: float
    often_zero: bool
    doubtful_zero: float

    def other_units(self) -> tuple[Unit, ...]:
        """The units of `mixed_up_with`."""
        return tuple(unit for unit in map(unit_named, self.mixed_up_with) if unit is not None)

    def limits_in(self, unit: str) -> tuple[float, float]:
        """The physical limits in another unit by its name; in the own one where the name says nothing."""
        named = unit_named(unit)
        own = unit_named(self.unit)
        if named is None or own is None or named.quantity != own.quantity:
            return self.minimum, self.maximum
        ends = (self.minimum, self.maximum)
        low, high = (number * named.denominator / named.numerator + named.zero for number in ends)
        return low, high


QUANTITIES: Mapping[str, MeasuredQuantity] = {
    quantity.name: quantity
    for quantity in (
        MeasuredQuantity(
            "temperature",
            "°C",
            -60.0,
            100.0,
            mixed_up_with=("°F",),
            spike=8.0,
            spike_ratio=0.0,
            flatline_hours=3.0,
            often_zero=False,
            doubtful_zero=4.0,
        ),
        MeasuredQuantity(
            "humidity",
            "%",
            0.0,
            100.0,
            mixed_up_with=(),
            spike=18.0,
            spike_ratio=0.0,
            flatline_hours=3.0,
            often_zero=False,
            doubtful_zero=4.0,
        ),
        MeasuredQuantity(
            "occupancy",
            "",
            0.0,
            100_000.0,
            mixed_up_with=(),
            spike=12.0,
            spike_ratio=1.0,
            flatline_hours=12.0,
            often_zero=True,
            doubtful_zero=0.0,
        ),
        MeasuredQuantity(
            "power",
            "kW",
            -100_000.0,
            100_000.0,
            mixed_up_with=("W", "MW"),
            spike=3.0,
            spike_ratio=1.0,
            flatline_hours=3.0,
            often_zero=False,
            doubtful_zero=0.2,
        ),
    )
}
