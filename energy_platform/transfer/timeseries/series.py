"""Series: all points that share their tags. They are what an estate lays claim to in a shared store."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.points import SERIES, SeriesPoints

#: Stands between the tags of a series' name; no tag can hold it unescaped in practice, being a control character.
_SEPARATOR = "\x1f"


def series_name(measurement: Measurement) -> pl.Expr:
    """Name of the series that a point belongs to: its tags but the tenant."""
    return pl.concat_str([pl.col(tag) for tag in measurement.tags if tag != "tenant_id"], separator=_SEPARATOR).alias(
        "series"
    )


def tags_of(series: pl.DataFrame, measurement: Measurement) -> pl.DataFrame:
    """The tags of series, a column each.

    Args:
        series: tenant_id, and series: a name as `series_name` makes it.
        measurement: whose series these are.
    """
    names = [tag for tag in measurement.tags if tag != "tenant_id"]
    tags = series.get_column("series").str.splitn(_SEPARATOR, len(names)).struct.rename_fields(names).struct.unnest()
    return series.select("tenant_id").hstack(tags)


def spans(rows: pl.DataFrame) -> pl.DataFrame:
    """First and last time of each series: frame @series, first_time, last_time.

    Args:
        rows: `@series` and time.
    """
    return rows.group_by(SERIES).agg(pl.col("time").min().alias("first_time"), pl.col("time").max().alias("last_time"))


def widest(parts: Sequence[pl.DataFrame], series: pl.DataFrame, measurement: Measurement) -> pl.DataFrame:
    """Spans of several frames as one: frame tenant_id, series, first_time, last_time.

    Args:
        parts: of `spans`.
        series: the tags of all series, by number.
        measurement: whose series these are.
    """
    together = pl.concat(parts).group_by(SERIES).agg(pl.col("first_time").min(), pl.col("last_time").max())
    named = series[together.get_column(SERIES)].select("tenant_id", series_name(measurement))
    return named.hstack(together.drop(SERIES))


def without_claimed(points: SeriesPoints, measurement: Measurement, claimed: pl.DataFrame) -> SeriesPoints:
    """The points that lie in no span that another estate has claimed."""
    if claimed.is_empty() or not points.height:
        return points
    named = points.series.select("tenant_id", series_name(measurement)).with_row_index(SERIES)
    theirs = named.join(claimed, on=["tenant_id", "series"], how="inner").select(SERIES, "first_time", "last_time")
    if theirs.is_empty():
        return points
    numbered = points.rows.with_row_index("@row")
    covered = (
        numbered.select("@row", SERIES, "time")
        .join(theirs, on=SERIES, how="inner")
        .filter(pl.col("time").is_between(pl.col("first_time"), pl.col("last_time")))
    )
    return SeriesPoints(points.series, numbered.join(covered, on="@row", how="anti").drop("@row"))
