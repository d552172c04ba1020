"""What a check has found as metadata: counts, samples as a table, and a plot of readings around the first of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_platform.defs import facts

if TYPE_CHECKING:
    import polars as pl

    from energy_platform.domain.quality.outcomes import Outcome

_TYPES = {bool: "bool", int: "int", float: "float"}


def outcome_metadata(outcome: Outcome, days: Sequence[date]) -> dict[str, Any]:
    """All that people should know of a verdict.

    Args:
        outcome: the verdict.
        days: that were looked at; none where the whole is.
    """
    metadata: dict[str, Any] = {
        "checked": outcome.checked,
        "unexpected_count": outcome.unexpected,
        "unexpected_percent": outcome.percent,
        "severity": outcome.severity,
    }
    if outcome.problem:
        metadata["problem"] = outcome.problem
    if days:
        metadata |= {"first_day": min(days).isoformat(), "last_day": max(days).isoformat(), "days": len(days)}
    if outcome.samples:
        metadata["samples"] = samples_table(outcome.samples)
    metadata |= {name: value for name, value in outcome.facts.items() if value is not None}
    if outcome.excerpt is not None:
        metadata |= facts.plot_metadata(readings_plot(outcome.excerpt))
    return metadata


def samples_table(samples: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Samples as a table with the columns of the first one."""
    names = list(samples[0])
    columns = [dg.TableColumn(name, _TYPES.get(type(samples[0][name]), "string")) for name in names]
    records = [dg.TableRecord({name: _cell(sample.get(name)) for name in names}) for sample in samples]
    return dg.MetadataValue.table(records, dg.TableSchema(columns=columns))


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def readings_plot(excerpt: pl.DataFrame) -> bytes | None:
    """Readings over time as a PNG; None where there are fewer than two."""
    if excerpt.height < 2:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.8), dpi=72, layout="constrained")
    axes = figure.add_subplot()
    times = excerpt.get_column("time").dt.replace_time_zone(None).to_numpy()
    axes.plot(times, excerpt.get_column("value").to_numpy(), color="#4c78a8", linewidth=1, marker=".", markersize=3)
    axes.set_ylabel("value")
    axes.set_xlabel("UTC", fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()
