"""InfluxDB's line protocol, rendered column by column; what all points of a series begin with, once per series.

A line is `measurement,tag=value,… field=value,… time`. What it cannot hold, `checked_series_points` has refused before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np
import polars as pl

from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.points import SERIES, SeriesPoints

if TYPE_CHECKING:
    import pyarrow as pa

#: Arrow's view of a text that is longer than what fits into the view:
#: https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
_VIEW: Final = np.dtype([("length", "<i4"), ("begin", "V4"), ("buffer", "<i4"), ("offset", "<i4")])
_INLINE_BYTES: Final = 12
_KEY_SPECIALS = [",", "=", " "]
_NAME_SPECIALS = [",", " "]
_TEXT_SPECIALS = ["\\", '"']


def heads(measurement: Measurement, series: pl.DataFrame) -> pl.Series:
    """What the lines of each series begin with: measurement and tags, and the blank behind them."""
    # in the order of names, as the server keeps them
    tags = [_tag(name) for name in sorted(measurement.tags)]
    head = pl.concat_str(pl.lit(_escaped(measurement.name, _NAME_SPECIALS)), *tags, pl.lit(" "))
    return series.select(head=head).get_column("head")


def lines(measurement: Measurement, points: SeriesPoints) -> pl.Series:
    """One line per point, as text, with the time in microseconds since 1970, UTC.

    Args:
        measurement: whose points.
        points: as `checked_series_points` gives them.

    Returns:
        Lines without line end, in the order of points.
    """
    line = _line(measurement, heads(measurement, points.series), points.rows)
    return points.rows.select(line=line).get_column("line")


def body(measurement: Measurement, heads: pl.Series, rows: pl.DataFrame) -> list[memoryview]:
    """The lines of all points, each with its line end, in parts that follow each other.

    Args:
        measurement: whose points.
        heads: see `heads`.
        rows: those of `checked_series_points`, or some of them.
    """
    # no line ever becomes an object of its own
    return joined(rows.select(line=_line(measurement, heads, rows, pl.lit("\n"))).to_series())


def joined(texts: pl.Series) -> list[memoryview]:
    """The bytes of texts (at least one, none of them null), one behind the other, in parts.

    They are not copied where they stand like that in memory already.
    """
    array = cast("pa.StringViewArray", texts.rename("").to_arrow(compat_level=pl.CompatLevel.newest()))
    _, held, *buffers = array.buffers()
    views = np.frombuffer(held, _VIEW, len(array), array.offset * _VIEW.itemsize)
    lengths = views["length"].astype(np.int64)
    sizes = np.array([buffer.size for buffer in buffers], dtype=np.int64)
    ends = np.cumsum(lengths)
    # texts that fit into their views stand nowhere else
    if sizes.size and lengths.min() > _INLINE_BYTES and ends[-1] == sizes.sum():
        places = (np.cumsum(sizes) - sizes)[views["buffer"]] + views["offset"]
        if (places == ends - lengths).all():
            return [memoryview(buffer) for buffer in buffers]
    return [memoryview(texts.str.join("").cast(pl.Binary).item())]


def _line(measurement: Measurement, heads: pl.Series, rows: pl.DataFrame, *behind: pl.Expr) -> pl.Expr:
    # one flat concatenation: each inner one would copy its texts once more
    return pl.concat_str(
        pl.lit(heads).gather(pl.col(SERIES)),
        *_fields(measurement, rows),
        pl.lit(" "),
        pl.col("time").to_physical().cast(pl.String),
        *behind,
        ignore_nulls=True,
    )


def _fields(measurement: Measurement, rows: pl.DataFrame) -> list[pl.Expr]:
    columns = [column for column in measurement.fields if column.name in rows.columns]
    nulls = {column.name: rows.get_column(column.name).null_count() for column in columns}
    # those that all points have go first: nothing needs to be asked about the commas behind them
    whole = [column for column in columns if not nulls[column.name]]
    partly = [column for column in columns if 0 < nulls[column.name] < rows.height]
    if not whole:
        fields = [pl.concat_str(_field(column, rows)) for column in partly]
        return [pl.concat_str(fields, separator=",", ignore_nulls=True)]
    parts = _field(whole[0], rows)
    for column in whole[1:]:
        parts += _field(column, rows, ",")
    # a null makes the text of its field null, and that is left out
    return parts + [pl.concat_str(_field(column, rows, ",")) for column in partly]


def _tag(name: str) -> pl.Expr:
    value = pl.col(name).str.replace_many(_KEY_SPECIALS, [f"\\{special}" for special in _KEY_SPECIALS])
    present = pl.concat_str(pl.lit(f",{_escaped(name, _KEY_SPECIALS)}="), value)
    return pl.when(pl.col(name) == "").then(pl.lit("")).otherwise(present)


def _field(column: Column, rows: pl.DataFrame, before: str = "") -> list[pl.Expr]:
    """The parts of `name=value`, which are to be concatenated."""
    value = pl.col(column.name)
    start = f"{before}{_escaped(column.name, _KEY_SPECIALS)}="
    if column.type == "boolean":
        return [pl.lit(start), value.cast(pl.String)]
    if column.type in {"float", "integer"}:
        # the shortest text that reads back as the same double; without the mark of an integer it is a float field
        return [pl.lit(start), value.cast(pl.Float64).cast(pl.String)]
    # most texts have no special characters, and are taken as they are
    if rows.get_column(column.name).str.contains_any(_TEXT_SPECIALS).any():
        value = value.str.replace_many(_TEXT_SPECIALS, [f"\\{special}" for special in _TEXT_SPECIALS])
    return [pl.lit(f'{start}"'), value, pl.lit('"')]


def _escaped(text: str, specials: list[str]) -> str:
    for special in specials:
        text = text.replace(special, f"\\{special}")
    return text
