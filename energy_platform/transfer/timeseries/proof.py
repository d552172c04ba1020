"""The proof of a time series: what the target gives back, summed up by local day, against what the sources hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import cast

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import local_day
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.domain.summaries import UNKNOWN_FIELD, Summary
from energy_platform.transfer.concurrency import prefetched
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reading.mapping import DAY
from energy_platform.transfer.timeseries.series import without_claimed

Window = tuple[datetime, datetime]


def explain(differences: Sequence[str], expected: Summary, found: Summary | None) -> str:
    """Why a partition is not proven, as one sentence; empty where there are no differences."""
    if not differences:
        return ""
    remedy = ""
    if found is not None and found.rows > expected.rows:
        remedy = "; the target holds points that no source accounts for: see `energy-platform repair`"
    return f"the target differs from its sources: {'; '.join(differences[:4])}{remedy}"


def target_summaries(
    platform: Platform,
    contract: Measurement,
    tenants: Sequence[str],
    others: pl.DataFrame,
    window: Window | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[date, Summary]:
    """What the target holds of the estate's tenants per local day, points that other estates claim left out.

    Fields that the contract does not know count too: they are part of a row's fingerprint where they hold a value.

    Args:
        platform: the estate and its stores.
        contract: of the measurement.
        tenants: of the estate.
        others: spans that other estates claim, see `claims.others`.
        window: start and end, half open; all of time where it is not given.
        progress: told how many points have come.
    """
    found: dict[date, Summary] = {}
    for points in prefetched(target_points(platform, contract, tenants, window)):
        for day, summary in day_summaries(without_claimed(points, contract, others), contract, platform).items():
            found[day] = found[day] + summary if day in found else summary
        if progress is not None:
            progress(points.height)
    return found


def target_points(
    platform: Platform, contract: Measurement, tenants: Sequence[str], window: Window | None
) -> Iterator[SeriesPoints]:
    """The points of these tenants in a window of time."""
    start, stop = window or (None, None)
    return platform.timeseries.read_points(contract, list(tenants), start, stop)


def day_summaries(points: SeriesPoints, contract: Measurement, platform: Platform) -> dict[date, Summary]:
    """Summaries of points by local day. A point with a value in an unknown field or tag is summed with that."""
    if not points.height:
        return {}
    days = points.rows.select(local_day("time", platform.estate.zone).alias(DAY))
    summaries = Summary.of_points(points, contract, days)
    result = {cast(date, day): summary for (day,), summary in summaries.items()}
    for name, strangers in _strangers(points, contract):
        for day, rows in days.filter(strangers).group_by(DAY).len().iter_rows():
            # no fingerprint knows this column: it adds what nothing can cancel
            result[day] = result[day] + Summary(fingerprint=rows, sums={f"{UNKNOWN_FIELD}{name}": rows})
    return result


def _strangers(points: SeriesPoints, contract: Measurement) -> Iterator[tuple[str, pl.Series]]:
    """Columns that the contract does not know, and which points hold a value in them."""
    known = {SERIES, *contract.column_names}
    for name in points.rows.columns:
        if name not in known:
            yield name, points.rows.get_column(name).is_not_null()
    for name in points.series.columns:
        if name not in known:
            yield name, points.series.get_column(name).is_not_null().gather(points.rows.get_column(SERIES))
