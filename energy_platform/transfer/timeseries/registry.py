"""The series of a load: each combination of tags is met once and known by a number from then on."""

from __future__ import annotations

import threading

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.errors import TooManySeriesError
from energy_platform.domain.points import SERIES


class SeriesRegistry:
    """Numbers of series, in the order in which they were met. Safe to use from several threads.

    Args:
        measurement: whose tags make a series.
        most: how many series there may be.
    """

    def __init__(self, measurement: Measurement, most: int) -> None:
        self._measurement = measurement
        self._tags = list(measurement.tags)
        self._most = most
        self._numbers: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many series there are."""
        return len(self._numbers)

    def numbers(self, points: pl.DataFrame) -> pl.Series:
        """The number of each point's series, `@series`, UInt32.

        Raises:
            TooManySeriesError: there are more than allowed.
        """
        tags = points.select(self._tags)
        distinct = tags.unique()
        rows = distinct.rows()
        with self._lock:
            known = self._numbers
            found = [known.setdefault(row, len(known)) for row in rows]
            if len(known) > self._most:
                raise too_many_series(self._measurement, self.frame(), len(known), self._most)
        numbered = distinct.with_columns(pl.Series(SERIES, found, dtype=pl.UInt32))
        if numbered.height == 1:
            return pl.repeat(found[0], tags.height, dtype=pl.UInt32, eager=True).alias(SERIES)
        return tags.join(numbered, on=self._tags, how="left", maintain_order="left").get_column(SERIES)

    def frame(self) -> pl.DataFrame:
        """The tags of all series, by number."""
        return pl.DataFrame(list(self._numbers), schema=dict.fromkeys(self._tags, pl.String), orient="row")


def too_many_series(measurement: Measurement, series: pl.DataFrame, found: int, most: int) -> TooManySeriesError:
    """The error of a load that would pass --max-series, with the tag that makes the most of them."""
    distinct = {tag: series.get_column(tag).n_unique() for tag in measurement.tags}
    worst = max(distinct, key=lambda tag: distinct[tag])
    example = series.get_column(worst).tail(1).item()
    return TooManySeriesError(
        f"At least {found:,} series would stand in the store, and --max-series allows {most:,}; nothing was written."
        f" The column mapped to {worst} alone has {distinct[worst]:,} values, e.g. {str(example)[:80]!r}.",
        where=f"{measurement.name}.{worst}",
        remedy=f"Map {worst} to a column that names things, not events; or allow more with --max-series.",
    )
