"""`energy-platform quarantine`: the rows that a contract refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from energy_platform.cli.opening import Directory, EstateFile, settings_for

if TYPE_CHECKING:
    import polars as pl

    from energy_platform.sources.estate import Estate

app = typer.Typer(
    help="Show and export rows that a contract refused.", no_args_is_help=True, pretty_exceptions_enable=False
)

Source = Annotated[str | None, typer.Option("--source", help="Only of this source, e.g. building_data.csv.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only with this reason code, e.g. out_of_range.")]


@app.callback()
def group() -> None:
    """Show and export rows that a contract refused."""


@app.command("list")
def list_rows(
    directory: Directory = None,
    estate: EstateFile = None,
    source: Source = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")] = 50,
) -> None:
    """List refused rows: where each stands, why it was refused, and what it holds."""
    from energy_platform.domain.contracts import REASONS

    console = Console()
    with _entries(directory, estate, source, reason, limit) as (served, rows, total):
        if not total:
            console.print("The quarantine is empty.")
            return
        table = Table(
            "source", "row", "day", "reason", "content", title=f"{total} rows in quarantine", title_justify="left"
        )
        for row in rows.iter_rows(named=True):
            content = _without_personal_data(served, row["source"], row["raw"])
            table.add_row(row["source"], row["row_key"], row["partition"], row["reason"], content)
        console.print(table)
        for code in sorted(set(rows.get_column("reason"))):
            console.print(f"  {code}: {REASONS.get(code, '')}", highlight=False)


@app.command("export")
def export_rows(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    directory: Directory = None,
    estate: EstateFile = None,
    source: Source = None,
    reason: Reason = None,
) -> None:
    """Write refused rows as CSV that opens in a spreadsheet: their content is one JSON column."""
    with _entries(directory, estate, source, reason, None) as (_estate, rows, total):
        # a byte order mark makes spreadsheets read UTF-8
        rows.write_csv(file, include_bom=True)
        Console().print(f"{total} rows written to {file}")


def _without_personal_data(estate: Estate, source: str, content: str) -> str:
    """The content of a refused row, with personal data masked: terminals are logged and photographed."""
    from energy_platform.domain.tables import TABLES

    spec = next((spec for spec in estate.sources if spec.name == source), None)
    if spec is None or spec.target not in TABLES:
        return content
    masked = json.loads(content)
    for column in TABLES[spec.target].columns:
        role = spec.roles.get(column.name)
        if column.personal and role is not None and role.column in masked:
            masked[role.column] = "•••"
    return json.dumps(masked, ensure_ascii=False)


@contextmanager
def _entries(
    directory: Path | None, estate_file: Path | None, source: str | None, reason: str | None, limit: int | None
) -> Iterator[tuple[Estate, pl.DataFrame, int]]:
    import polars as pl

    from energy_platform.local.stores import resolve_settings
    from energy_platform.sources.estate import read_estate
    from energy_platform.stores.postgres import quarantine
    from energy_platform.stores.postgres.connection import PostgresStore

    settings = settings_for(directory, estate_file)
    estate = read_estate(settings.estate, settings.estate_file)
    store = PostgresStore(resolve_settings(settings).postgres_url)
    with store.connection() as connection:
        rows = quarantine.entries(connection, estate.code, source=source, reason=reason, limit=limit)
        counts = quarantine.counts(connection, estate.code)
    if source is not None:
        counts = counts.filter(pl.col("source") == source)
    if reason is not None:
        counts = counts.filter(pl.col("reason") == reason)
    yield estate, rows, int(counts.get_column("rows").sum())
