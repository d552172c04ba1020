"""Series: all points that share their tags. They are what an estate lays claim to in a shared store."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from energy_platform.domain.contracts import Measurement

#: Stands between the tags of a series' name; no tag can hold it unescaped in practice, being a control character.
_SEPARATOR = "\x1f"


def series_name(measurement: Measurement) -> pl.Expr:
    """Name of the series that a point belongs to: its tags but the tenant."""
    return pl.concat_str([pl.col(tag) for tag in measurement.tags if tag != "tenant_id"], separator=_SEPARATOR).alias(
        "series"
    )


def spans(points: pl.DataFrame, measurement: Measurement) -> pl.DataFrame:
    """First and last time of each series: frame tenant_id, series, first_time, last_time."""
    return points.group_by("tenant_id", series_name(measurement)).agg(
        pl.col("time").min().alias("first_time"), pl.col("time").max().alias("last_time")
    )


def widest(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Spans of several frames as one."""
    return pl.concat(parts).group_by("tenant_id", "series").agg(pl.col("first_time").min(), pl.col("last_time").max())


def without_claimed(points: pl.DataFrame, measurement: Measurement, claimed: pl.DataFrame) -> pl.DataFrame:
    """The points that lie in no span that another estate has claimed."""
    if claimed.is_empty() or points.is_empty():
        return points
    numbered = points.with_row_index("@row").with_columns(series_name(measurement))
    covered = (
        numbered.join(claimed, on=["tenant_id", "series"], how="inner")
        .filter(pl.col("time").is_between(pl.col("first_time"), pl.col("last_time")))
        .select("@row")
    )
    return numbered.join(covered, on="@row", how="anti").drop("@row", "series")
