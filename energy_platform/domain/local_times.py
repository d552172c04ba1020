"""From local times to instants. Where clocks change, the rule is stated, and what it applied to is counted.

A local time that exists twice is the earlier instant, or the later one where that is asked for; one that does not exist
goes by the offset that held before the gap (as with fold=0 of Python's zoneinfo).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.time_forms import Ambiguous

UTC_MICROSECONDS = pl.Datetime("us", "UTC")
NAIVE_MICROSECONDS = pl.Datetime("us")
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
_YEAR = 366 * _DAY
#: Local times that are at least so far from any change of clocks go by an offset that is beyond doubt.
_NEAR_A_CHANGE = 2 * _DAY
#: The changes of clocks are looked up for batches that span at most so much.
_LONGEST_SPAN = 50 * _YEAR

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ParsedTimes:
    """Times of a batch.

    Attributes:
        times: UTC, in microseconds; null where nothing readable stood.
        ambiguous: how many local times exist twice.
        nonexistent: how many local times do not exist.
        twice: a mask of the local times that exist twice; None where there are none.
    """

    times: pl.Series
    ambiguous: int = 0
    nonexistent: int = 0
    twice: pl.Series | None = None

    def scattered(self, into: pl.Series, places: pl.Series) -> ParsedTimes:
        """These times as a part of more times: those at the places are replaced by them.

        Args:
            into: the times of all rows.
            places: numbers of the rows that these are.
        """
        times = into.scatter(places, self.times)
        if self.twice is None:
            return ParsedTimes(times, self.ambiguous, self.nonexistent)
        none = pl.repeat(value=False, n=into.len(), eager=True)
        return ParsedTimes(times, self.ambiguous, self.nonexistent, none.scatter(places, self.twice))

    def counting(self, other: ParsedTimes) -> ParsedTimes:
        """The same times, with what another part of the same rows has counted."""
        masks = [mask for mask in (self.twice, other.twice) if mask is not None]
        twice = masks[0] | masks[1] if len(masks) == 2 else masks[0] if masks else None
        ambiguous, nonexistent = self.ambiguous + other.ambiguous, self.nonexistent + other.nonexistent
        return ParsedTimes(self.times, ambiguous, nonexistent, twice)


def localize(naive: pl.Series, zone: ZoneInfo, ambiguous: Ambiguous = "earliest") -> ParsedTimes:
    """The instants of local times; of those that are to be quarantined the earlier one."""
    numbers = naive.to_physical()
    low, high = numbers.min(), numbers.max()
    if not isinstance(low, int) or not isinstance(high, int) or high - low > _LONGEST_SPAN:
        return localize_one_by_one(naive, zone, ambiguous)
    # by whole years, so that the next batches find them looked up
    first, last = (low - 2 * _NEAR_A_CHANGE) // _YEAR, (high + 2 * _NEAR_A_CHANGE) // _YEAR
    changes, offsets = _changes(first * _YEAR, (last + 1) * _YEAR, zone)
    if changes.size == 0:
        return ParsedTimes((numbers - int(offsets[0])).cast(NAIVE_MICROSECONDS).dt.replace_time_zone("UTC"))
    local = numbers.fill_null(low).to_numpy()
    era = np.searchsorted(changes, local)
    edges = np.concatenate(([low - _LONGEST_SPAN], changes, [high + _LONGEST_SPAN]))
    near = (local - edges[era] < _NEAR_A_CHANGE) | (edges[era + 1] - local < _NEAR_A_CHANGE)
    times = pl.Series(naive.name, local - offsets[era]).cast(NAIVE_MICROSECONDS).dt.replace_time_zone("UTC")
    if naive.null_count():
        times = times.set(naive.is_null(), None)
    if not near.any():
        return ParsedTimes(times)
    doubtful = pl.Series(near)
    judged = localize_one_by_one(naive.filter(doubtful), zone, ambiguous)
    return judged.scattered(times, doubtful.arg_true())


def localize_one_by_one(naive: pl.Series, zone: ZoneInfo, ambiguous: Ambiguous = "earliest") -> ParsedTimes:
    """The same as `localize`, without a short way."""
    name = str(zone)
    earliest = naive.dt.replace_time_zone(name, ambiguous="earliest", non_existent="null")
    latest = naive.dt.replace_time_zone(name, ambiguous="latest", non_existent="null")
    twice = (earliest != latest).fill_null(value=False)
    times = (latest if ambiguous == "latest" else earliest).dt.convert_time_zone("UTC")
    in_gap = naive.is_not_null() & times.is_null()
    nonexistent = int(in_gap.sum())
    if nonexistent:
        # rare, so one by one: these local times lie in the hour that clocks skip
        instants = [stamp.replace(tzinfo=zone).astimezone(UTC) for stamp in naive.filter(in_gap)]
        times = times.scatter(in_gap.arg_true(), pl.Series(instants, dtype=UTC_MICROSECONDS))
    return ParsedTimes(times, int(twice.sum()), nonexistent, twice if twice.any() else None)


@lru_cache(maxsize=64)
def _changes(start: int, stop: int, zone: ZoneInfo) -> tuple[_Numbers, _Numbers]:
    """The hours in which clocks change between two instants, and the offsets before, between and behind them."""
    instants = pl.Series(np.arange(start, stop, _HOUR)).cast(UTC_MICROSECONDS)
    local = instants.dt.convert_time_zone(str(zone)).dt.replace_time_zone(None)
    offsets = local.to_physical().to_numpy() - instants.to_physical().to_numpy()
    places = np.flatnonzero(np.diff(offsets))
    return instants.to_physical().to_numpy()[places], offsets[np.concatenate((places, [offsets.size - 1]))]
