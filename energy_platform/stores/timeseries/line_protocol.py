"""InfluxDB's line protocol, rendered from frames column by column.

A line is `measurement,tag=value,… field=value,… time`. What it cannot hold, `checked_points` has refused before.
"""

from __future__ import annotations

import polars as pl

from energy_platform.domain.contracts import Column, Measurement

_KEY_SPECIALS = [",", "=", " "]
_NAME_SPECIALS = [",", " "]
_TEXT_SPECIALS = ["\\", '"']


def lines(measurement: Measurement, points: pl.DataFrame) -> pl.Series:
    """One line per point, as text, with the time in microseconds since 1970, UTC.

    Args:
        measurement: whose points.
        points: as `checked_points` gives them.

    Returns:
        Lines without line end, in the order of points.
    """
    return points.select(line=line_expression(measurement, points)).get_column("line")


def body(measurement: Measurement, points: pl.DataFrame) -> bytes:
    """The lines of all points, as the server takes them."""
    return "\n".join(lines(measurement, points).to_list()).encode()


def line_expression(measurement: Measurement, points: pl.DataFrame) -> pl.Expr:
    """The expression of one line. Texts without special characters, and that is most, are taken as they are."""
    # in the order of names, as the server keeps them
    tags = [_tag(name, points.get_column(name)) for name in sorted(measurement.tags)]
    fields = [_field(column, points) for column in measurement.fields if column.name in points.columns]
    return pl.concat_str(
        pl.lit(_escaped(measurement.name, _NAME_SPECIALS)),
        *tags,
        pl.lit(" "),
        # a null is left out, its comma too
        pl.concat_str(fields, separator=",", ignore_nulls=True),
        pl.lit(" "),
        pl.col("time").dt.epoch("us").cast(pl.String),
    )


def _tag(name: str, values: pl.Series) -> pl.Expr:
    value = pl.col(name)
    if values.str.contains_any(_KEY_SPECIALS).any():
        value = value.str.replace_many(_KEY_SPECIALS, [f"\\{special}" for special in _KEY_SPECIALS])
    present = pl.concat_str(pl.lit(f",{_escaped(name, _KEY_SPECIALS)}="), value)
    if (values == "").any():
        return pl.when(pl.col(name) == "").then(pl.lit("")).otherwise(present)
    return present


def _field(column: Column, points: pl.DataFrame) -> pl.Expr:
    value = pl.col(column.name)
    start = f"{_escaped(column.name, _KEY_SPECIALS)}="
    if column.type == "boolean":
        return pl.concat_str(pl.lit(start), value.cast(pl.String))
    if column.type in {"float", "integer"}:
        # the shortest text that reads back as the same double; without the mark of an integer it is a float field
        return pl.concat_str(pl.lit(start), value.cast(pl.Float64).cast(pl.String))
    if points.get_column(column.name).str.contains_any(_TEXT_SPECIALS).any():
        value = value.str.replace_many(_TEXT_SPECIALS, [f"\\{special}" for special in _TEXT_SPECIALS])
    return pl.concat_str(pl.lit(f'{start}"'), value, pl.lit('"'))


def _escaped(text: str, specials: list[str]) -> str:
    for special in specials:
        text = text.replace(special, f"\\{special}")
    return text
