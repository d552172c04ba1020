"""`energy-platform quarantine`: the rows that a contract refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from energy_platform.cli.opening import Directory, EstateFile, settings_for
from energy_platform.cli.terminal import terminal
from energy_platform.domain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from energy_platform.sources.estate import Estate
    from energy_platform.stores.postgres.connection import PostgresStore
    from energy_platform.stores.postgres.mended import MendedRow

app = typer.Typer(
    help="Show and export rows that a contract refused.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Source = Annotated[str | None, typer.Option("--source", help="Only of this source, e.g. building_data.csv.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only with this reason code, e.g. out_of_range.")]
Day = Annotated[
    str | None, typer.Option("--day", help="Only of this local day (ISO), `undated`, or `all` (rows of tables).")
]

_MINUTES = "%Y-%m-%d %H:%M"


@app.callback()
def group() -> None:
    """Show and export rows that a contract refused."""


@app.command("list")
def list_rows(
    directory: Directory = None,
    estate: EstateFile = None,
    source: Source = None,
    reason: Reason = None,
    day: Day = None,
    rows: Annotated[bool, typer.Option("--rows", help="Row by row, and not counted.")] = False,
    mended: Annotated[bool, typer.Option("--mended", help="The rows that were mended: the history.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many lines.")] = 50,
) -> None:
    """Count refused rows by source, reason and day; with --rows, list them. Times are UTC."""
    from energy_platform.domain.contracts import REASONS
    from energy_platform.quarantine.listing import Chosen, mended_rows, refused_counts, refused_rows

    console = terminal()
    served, store = _served(directory, estate)
    if mended:
        _print_mended(console, served, mended_rows(store, served, source), limit)
        return
    chosen = Chosen(source, reason, day)
    counts = refused_counts(store, served, chosen)
    if counts.is_empty():
        console.print("The quarantine is empty." if chosen == Chosen() else "The quarantine holds no such row.")
        return
    total = int(counts.get_column("rows").sum())
    if rows:
        _print_rows(console, served, refused_rows(store, served, chosen, limit), total)
    else:
        _print_counts(console, counts, total, limit)
    for code in sorted(set(counts.get_column("reason"))):
        console.print(f"  {code}: {REASONS.get(code, '')}", highlight=False, soft_wrap=True)
    console.print("  Mend them: `energy-platform quarantine export FILE`, then `energy-platform replay FILE`.")


@app.command("show")
def show_row(
    source: Annotated[str, typer.Argument(help="The source, e.g. building_data.csv.")],
    row: Annotated[str, typer.Argument(help="The row, as `quarantine list --rows` names it.")],
    directory: Directory = None,
    estate: EstateFile = None,
) -> None:
    """Show one refused row whole: why, since when, and every column of it (personal data is masked)."""
    from energy_platform.domain.contracts import REASONS
    from energy_platform.quarantine.listing import Chosen, mended_rows, refused_rows, without_personal_data

    console = terminal()
    served, store = _served(directory, estate)
    found = refused_rows(store, served, Chosen(source, keys=(row,)))
    before = [each for each in mended_rows(store, served, source) if each.row_key == row]
    if found.is_empty() and not before:
        raise UsageError(
            f"The quarantine holds no row {row!r} of {source!r}.",
            where="quarantine",
            remedy="`energy-platform quarantine list --rows` names those that it holds.",
        )
    for entry in found.iter_rows(named=True):
        table = Table("", "", title=f"{source}, row {row}", title_justify="left", show_header=False)
        table.add_row("reason", f"{entry['reason']}: {REASONS.get(entry['reason'], '')}")
        if entry["detail"]:
            table.add_row("the store said", entry["detail"])
        table.add_row("day", entry["partition"])
        table.add_row("for", entry["asset"])
        table.add_row("first seen", f"{entry['first_seen']:{_MINUTES}} UTC")
        table.add_row("last seen", f"{entry['last_seen']:{_MINUTES}} UTC, run {entry['run_id'] or '-'}")
        table.add_section()
        for name, value in json.loads(without_personal_data(served, source, entry["raw"])).items():
            table.add_row(name, "(nothing)" if value is None else str(value))
        _print_plain(console, table)
    if before:
        _print_mended(console, served, before, len(before))


@app.command("export")
def export_rows(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    directory: Directory = None,
    estate: EstateFile = None,
    source: Source = None,
    reason: Reason = None,
    day: Day = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="A file that is there already.")] = False,
) -> None:
    """Write refused rows as CSV that opens in a spreadsheet: mend them there, and `energy-platform replay` the file.

    The columns of the source stand there as they came, personal data too: only you may read the file.
    """
    from energy_platform.quarantine.export import write_export
    from energy_platform.quarantine.listing import Chosen, refused_rows

    served, store = _served(directory, estate)
    rows = refused_rows(store, served, Chosen(source, reason, day))
    write_export(file, served, rows, overwrite=overwrite)
    terminal().print(f"{rows.height} rows written to {file}", soft_wrap=True)


def _served(directory: Path | None, estate_file: Path | None) -> tuple[Estate, PostgresStore]:
    from energy_platform.local.stores import resolve_settings
    from energy_platform.sources.estate import read_estate
    from energy_platform.stores.postgres.connection import PostgresStore

    settings = settings_for(directory, estate_file)
    estate = read_estate(settings.estate, settings.estate_file)
    return estate, PostgresStore(resolve_settings(settings).postgres_url)


def _print_counts(console: Console, counts: pl.DataFrame, total: int, limit: int) -> None:
    table = Table("source", "reason", "day", title=f"{total:,} rows in quarantine", title_justify="left")
    table.add_column("rows", justify="right")
    table.add_column("first seen", no_wrap=True)
    for row in counts.head(limit).iter_rows(named=True):
        seen = f"{row['first_seen']:{_MINUTES}}"
        table.add_row(row["source"], row["reason"], row["partition"], f"{row['rows']:,}", seen)
    _print_plain(console, table)
    if counts.height > limit:
        console.print(f"  {counts.height - limit} more lines: --limit, --source, --reason, --day", highlight=False)


def _print_rows(console: Console, estate: Estate, rows: pl.DataFrame, total: int) -> None:
    from energy_platform.quarantine.listing import without_personal_data

    title = f"{total:,} rows in quarantine"
    table = Table("source", "row", "day", "reason", title=title, title_justify="left")
    table.add_column("content", overflow="fold")
    for row in rows.iter_rows(named=True):
        content = without_personal_data(estate, row["source"], row["raw"])
        why = f"{row['reason']}: {row['detail']}" if row["detail"] else row["reason"]
        table.add_row(row["source"], row["row_key"], row["partition"], why, content)
    _print_plain(console, table)
    if rows.height < total:
        console.print(f"  {total - rows.height:,} more rows: --limit, --source, --reason, --day", highlight=False)


def _print_mended(console: Console, estate: Estate, rows: list[MendedRow], limit: int) -> None:
    from energy_platform.quarantine.listing import without_personal_data

    if not rows:
        console.print("No row was mended.")
        return
    title = f"{len(rows):,} mended rows"
    table = Table("source", "row", "refused as", "mended at", "changes", title=title, title_justify="left")
    for row in rows[:limit]:
        raw, mended = (
            json.loads(without_personal_data(estate, row.source, json.dumps(dict(content))))
            for content in (row.raw, row.mended)
        )
        changes = [
            f"{name}: {raw.get(name)} → {mended.get(name)}"
            for name in mended
            if row.raw.get(name) != row.mended.get(name)
        ]
        table.add_row(row.source, row.row_key, row.reasons, f"{row.mended_at:{_MINUTES}}", "\n".join(changes))
    _print_plain(console, table)


def _print_plain(console: Console, table: Table) -> None:
    """What rows hold is shown as it is, and not taken for markup."""
    from rich.text import Text

    for column in table.columns:
        column._cells = [Text(cell) if isinstance(cell, str) else cell for cell in column._cells]
    console.print(table)
