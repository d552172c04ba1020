"""`energy-platform sample`: makes an estate of any size."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from energy_platform.sample.generate import Sample, make_sample
from energy_platform.sample.options import SampleOptions


def sample(
    directory: Annotated[Path, typer.Argument(help="Folder to make it in; made where it is missing.")],
    buildings: Annotated[int, typer.Option(help="How many buildings, each with four sensors.")] = 3,
    days: Annotated[int, typer.Option(help="How many local days.")] = 90,
    seed: Annotated[int, typer.Option(help="Of all random numbers: the same options give the same rows.")] = 1,
    start: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First local day.", show_default="the sample ends on 2025-05-29"),
    ] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone in which its times are local.")] = "Asia/Seoul",
    interval_minutes: Annotated[
        int,
        typer.Option(help="Minutes between readings of power and occupancy; the others read half as often."),
    ] = 30,
    estate: Annotated[str, typer.Option(help="Code of the estate.")] = "sample",
    tenant: Annotated[str, typer.Option(help="Code of its tenant.")] = "sample",
    clean: Annotated[bool, typer.Option("--clean", help="Plant no flaws.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the sample in a folder that is not empty.")] = False,
) -> None:
    """Make an estate of any size to try things with: SQLite, CSV, JSON and PKL files, and their estate.yaml.

    Weather, occupancy, weekends, Korean holidays and sensor faults shape the numbers.

    A few rows are broken on purpose: manifest.json lists each, with what must become of it.
    """
    options = SampleOptions(
        buildings=buildings,
        days=days,
        seed=seed,
        first_day=start.date() if start else None,
        timezone=timezone,
        interval_minutes=interval_minutes,
        flaws=not clean,
        estate=estate,
        tenant=tenant,
    )
    # progress is for people: without a terminal nothing is drawn
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task("days", total=days)
        made = make_sample(directory, options, force=force, on_day=lambda done: progress.update(task, completed=done))
    _report(made)


def _report(made: Sample) -> None:
    console = Console()
    table = Table()
    table.add_column("source", overflow="fold")
    for name in ("rows", "good", "duplicates", "broken"):
        table.add_column(name, justify="right", no_wrap=True)
    for source, account in made.accounts.items():
        table.add_row(
            source, f"{account.read:,}", f"{account.loaded:,}", f"{account.duplicates:,}", f"{account.quarantined:,}"
        )
    console.print(table)
    console.print(
        f"{made.rows:,} rows, {made.size_bytes / 1e6:,.1f} MB in {made.seconds:,.1f} s "
        f"({made.rows / max(made.seconds, 1e-9):,.0f} rows/s), {made.flaws} planted flaws.",
        highlight=False,
    )
    console.print(f"Next: energy-platform migrate {made.directory}", highlight=False, soft_wrap=True)
