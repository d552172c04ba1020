"""Points of a measurement with their tags told once per series: a series' tags are checked, escaped and hashed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

    from energy_platform.domain.contracts import Measurement

#: The column of `SeriesPoints.rows` that names the series of a point.
SERIES: Final = "@series"


@dataclass(frozen=True, slots=True)
class SeriesPoints:
    """Points of one measurement.

    Attributes:
        series: the measurement's tags, String, '' where absent; one row per series, each combination once. What a
            store holds beyond that (tags that the measurement does not know) stands in further columns.
        rows: `@series` (UInt32: the row number in `series`), `time` (UTC, microseconds) and the fields in canonical
            types; a field that is null, or whose column is missing, is absent.
    """

    series: pl.DataFrame
    rows: pl.DataFrame

    @property
    def height(self) -> int:
        """How many points."""
        return self.rows.height

    @classmethod
    def of(cls, points: pl.DataFrame, measurement: Measurement) -> SeriesPoints:
        """The same points, told by series.

        Args:
            points: canonical: all tags (null counts as ''), `time`, fields.
            measurement: whose points.
        """
        import polars as pl

        tags = list(measurement.tags)
        points = points.with_columns(pl.col(tag).fill_null("") for tag in tags)
        series = points.select(tags).unique(maintain_order=True)
        numbered = points.join(series.with_row_index(SERIES), on=tags, how="left", maintain_order="left")
        return cls(
            series, numbered.select(pl.col(SERIES).cast(pl.UInt32), pl.col("time"), pl.exclude(SERIES, "time", *tags))
        )

    def frame(self) -> pl.DataFrame:
        """The same points as one frame: the columns of `series`, then those of `rows` without `@series`."""
        tags = self.series[self.rows.get_column(SERIES)]
        return tags.hstack(self.rows.drop(SERIES))

    def compact(self) -> SeriesPoints:
        """The same points with the series that they need, where the others are many."""
        import polars as pl

        if self.series.height <= self.rows.height:
            return self
        used = self.rows.get_column(SERIES).unique().sort()
        numbers = used.search_sorted(self.rows.get_column(SERIES)).cast(pl.UInt32)
        return SeriesPoints(self.series[used], self.rows.with_columns(numbers.alias(SERIES)))

    def slices(self, rows: int) -> Iterator[SeriesPoints]:
        """The same points in pieces of at most so many."""
        for part in self.rows.iter_slices(rows):
            yield SeriesPoints(self.series, part)
