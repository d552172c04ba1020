"""`energy-platform quarantine`: the rows that a contract refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from energy_platform.cli.opening import Directory, EstateFile, settings_for
from energy_platform.cli.terminal import terminal

if TYPE_CHECKING:
    from energy_platform.quarantine.listing import Listing
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
    from energy_platform.quarantine.listing import without_personal_data

    console = terminal()
    served, listing = _listing(directory, estate, source, reason, limit)
    if not listing.total:
        console.print("The quarantine is empty.")
        return
    title = f"{listing.total} rows in quarantine"
    table = Table("source", "row", "day", "reason", "content", title=title, title_justify="left")
    for row in listing.rows.iter_rows(named=True):
        content = without_personal_data(served, row["source"], row["raw"])
        why = f"{row['reason']}: {row['detail']}" if row["detail"] else row["reason"]
        table.add_row(row["source"], row["row_key"], row["partition"], why, content)
    console.print(table)
    for code in sorted(set(listing.rows.get_column("reason"))):
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
    _, listing = _listing(directory, estate, source, reason, None)
    # a byte order mark makes spreadsheets read UTF-8
    listing.rows.write_csv(file, include_bom=True)
    terminal().print(f"{listing.total} rows written to {file}")


def _listing(
    directory: Path | None, estate_file: Path | None, source: str | None, reason: str | None, limit: int | None
) -> tuple[Estate, Listing]:
    from energy_platform.local.stores import resolve_settings
    from energy_platform.quarantine.listing import refused_rows
    from energy_platform.sources.estate import read_estate
    from energy_platform.stores.postgres.connection import PostgresStore

    settings = settings_for(directory, estate_file)
    estate = read_estate(settings.estate, settings.estate_file)
    store = PostgresStore(resolve_settings(settings).postgres_url)
    return estate, refused_rows(store, estate, source=source, reason=reason, limit=limit)
