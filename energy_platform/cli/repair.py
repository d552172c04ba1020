"""`energy-platform repair`: lists what no source accounts for, and removes it when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from energy_platform.cli.opening import Directory, EstateFile, opened
from energy_platform.cli.proving import DEFAULT_MAX_ERROR_RATIO, MaxErrorRatio, prove_again
from energy_platform.cli.terminal import terminal

if TYPE_CHECKING:
    from energy_platform.transfer.repair import Unaccounted

#: How many points are listed for each target.
LISTED = 20


def repair(
    directory: Directory = None,
    estate: EstateFile = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove them, after a typed confirmation.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --remove: do not ask.")] = False,
    confirm: Annotated[str, typer.Option("--confirm", help="With --remove: the estate's code, for scripts.")] = "",
    max_error_ratio: MaxErrorRatio = DEFAULT_MAX_ERROR_RATIO,
) -> None:
    """List points and rows that no source accounts for; with --remove, take them out of the targets.

    The partitions that they stood in are loaded and proven again at once. Exits 0 where all is accounted for.
    """
    from energy_platform.transfer.repair import remove as remove_all
    from energy_platform.transfer.repair import unaccounted

    console = terminal()
    with opened(directory, estate) as platform:
        items = unaccounted(platform)
        if not items:
            console.print("Every point and row is accounted for.")
            return
        for item in items:
            print_unaccounted(console, item)
        if not remove:
            console.print("Nothing was removed: `energy-platform repair --remove` does it.")
            raise typer.Exit(1)
        code = platform.estate.code
        typed = code if yes else confirm or typer.prompt(f"Type the estate's code ({code}) to remove them")
        if typed != code:
            console.print("That is not the estate's code: nothing was removed.")
            raise typer.Exit(2)
        count = remove_all(platform, items)
        console.print(f"{count} removed; their partitions are proven again.", highlight=False)
        if not prove_again(platform, console, max_error_ratio):
            raise typer.Exit(1)


def print_unaccounted(console: Console, item: Unaccounted) -> None:
    """What tells the first points or rows apart, and how many there are."""
    points = item.identities()
    title = f"{item.asset}: {points.height:,} that no source accounts for"
    table = Table(*points.columns, title=title, title_justify="left")
    for row in points.head(LISTED).iter_rows():
        table.add_row(*(Text(str(value)) for value in row))
    console.print(table)
    if points.height > LISTED:
        console.print(f"  {points.height - LISTED:,} more", highlight=False)
