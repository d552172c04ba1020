"""Facts of a load as metadata: accounts and verdicts as tables, numbers, and plots. Never a row's own values."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from energy_platform.domain.accounts import UNDATED, WHOLE

if TYPE_CHECKING:
    from energy_platform.stores.postgres.ledger import LedgerEntry
    from energy_platform.transfer.reports.verdicts import LoadReport
    from energy_platform.transfer.verify import VerifyReport

#: Partitions that a table in the metadata names.
SHOWN = 50
_REMEDY = "Mend what the reason says, then materialize these partitions again."


def run_metadata(report: LoadReport, rows_of: Callable[[str], int | None]) -> dict[str, Any]:
    """What a load did: the account of every source, time and speed, as a whole and by phase, warnings.

    Args:
        report: of the load.
        rows_of: rows that a phase told of; None where it told of none.
    """
    metadata: dict[str, Any] = {
        "rows_written": report.rows_written,
        "seconds": round(report.seconds, 3),
        "rows_per_second": round(report.rows_written / report.seconds) if report.seconds > 0 else 0,
    }
    if report.phases:
        metadata["phases"] = phases_table(report, rows_of)
    if report.accounts:
        metadata["accounts"] = accounts_table(report)
    if report.warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in report.warnings[:SHOWN]))
    return metadata


def phases_table(report: LoadReport, rows_of: Callable[[str], int | None]) -> dg.TableMetadataValue:
    """Seconds, rows and rows per second of every phase of a load."""
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("phase", "string"),
            dg.TableColumn("seconds", "float"),
            dg.TableColumn("rows", "int"),
            dg.TableColumn("rows_per_second", "int"),
        ]
    )
    records = []
    for phase, seconds in report.phases.items():
        rows = rows_of(phase)
        rate = None if rows is None or seconds <= 0 else round(rows / seconds)
        records.append(
            dg.TableRecord({"phase": phase, "seconds": round(seconds, 3), "rows": rows, "rows_per_second": rate})  # pyright: ignore[reportArgumentType]
        )
    return dg.MetadataValue.table(records, schema)


def accounts_table(report: LoadReport) -> dg.TableMetadataValue:
    """Read = loaded + duplicates + quarantined, a line per source."""
    counts = ("read", "loaded", "duplicates", "quarantined", "undated")
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("source", "string"),
            *(dg.TableColumn(name, "int") for name in counts),
            dg.TableColumn("reasons", "string"),
        ]
    )
    records = [
        dg.TableRecord(
            {
                "source": source,
                **{name: getattr(account, name) for name in counts},
                "reasons": ", ".join(f"{reason}: {count}" for reason, count in sorted(account.reasons.items())),
            }
        )
        for source, account in report.accounts.items()
    ]
    return dg.MetadataValue.table(records, schema)


def proof_metadata(entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    """How many partitions are proven, and which are not and why."""
    unproven = [entry for entry in entries if not entry.proven]
    metadata: dict[str, Any] = {"proven": len(entries) - len(unproven), "unproven": len(unproven)}
    if unproven:
        schema = dg.TableSchema(columns=[dg.TableColumn("partition", "string"), dg.TableColumn("reason", "string")])
        records = [dg.TableRecord({"partition": e.partition, "reason": e.reason}) for e in unproven[:SHOWN]]
        metadata["unproven_partitions"] = dg.MetadataValue.table(records, schema)
        metadata["remedy"] = _REMEDY
    return metadata


def plot_metadata(png: bytes | None) -> dict[str, Any]:
    """A picture that the UI shows in place."""
    if png is None:
        return {}
    return {"plot": dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")}


def by_day(entries: Sequence[LedgerEntry]) -> dict[date, LedgerEntry]:
    """The ledger entries that are days, in order."""
    return {
        date.fromisoformat(entry.partition): entry
        for entry in sorted(entries, key=lambda entry: entry.partition)
        if entry.partition not in {UNDATED, WHOLE}
    }


def bars_by_day(values: dict[date, float], label: str) -> bytes | None:
    """A small bar chart over days as a PNG; None where there are fewer than two days."""
    if len(values) < 2:
        return None
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first = min(values)
    heights = np.zeros((max(values) - first).days + 1)
    for day, value in values.items():
        heights[(day - first).days] = value
    edges = np.arange(len(heights) + 1) + np.datetime64(first, "D")
    figure = Figure(figsize=(6.4, 1.8), dpi=72, layout="constrained")
    axes = figure.add_subplot()
    # one shape for all days: a bar each takes a second for two years
    axes.stairs(heights, edges, fill=True, color="#4c78a8")
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def findings_metadata(report: VerifyReport) -> dict[str, Any]:
    """What a verification found, a line per difference."""
    names = ("asset", "source", "partition", "reason")
    metadata: dict[str, Any] = {"proved": report.proved, "findings": len(report.findings)}
    if report.findings:
        schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in names])
        records = [
            dg.TableRecord({name: str(getattr(finding, name) or "") for name in names})
            for finding in report.findings[:SHOWN]
        ]
        metadata["differences"] = dg.MetadataValue.table(records, schema)
    return metadata


def findings_text(report: VerifyReport) -> str:
    """The first findings in a sentence."""
    found = [f"{item.asset} {item.partition} ({item.reason})" for item in report.findings[:5]]
    more = len(report.findings) - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")
