"""`energy-platform replay`: takes mended rows back, loads them and proves their partitions again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from energy_platform.cli.opening import Directory, EstateFile, opened
from energy_platform.cli.proving import DEFAULT_MAX_ERROR_RATIO, MaxErrorRatio, prove_again
from energy_platform.cli.terminal import terminal

#: Refused lines that a terminal names.
SHOWN = 20


def replay(
    file: Annotated[Path, typer.Argument(help="The mended CSV, as `energy-platform quarantine export` wrote it.")],
    directory: Directory = None,
    estate: EstateFile = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Undo: these rows are again what their files hold.")
    ] = False,
    max_error_ratio: MaxErrorRatio = DEFAULT_MAX_ERROR_RATIO,
) -> None:
    """Take mended rows back: judged by the same contracts, loaded, and proven like all others.

    Lines that were not touched stay in the quarantine; a line that is still refused is named, and nothing of it kept.
    Exits 0 where every mended line was taken back and all is proved.
    """
    from energy_platform.transfer import replay as mending

    console = terminal()
    lines = mending.read_lines(file)
    with opened(directory, estate) as platform:
        if withdraw:
            count = mending.withdraw(platform, lines)
            console.print(f"{count} rows are again what their files hold.", highlight=False)
            if count and not prove_again(platform, console, max_error_ratio):
                console.print("What they had become still stands there: `energy-platform repair` lists and removes it.")
                raise typer.Exit(1)
            return
        result = mending.propose(platform, lines)
        mending.keep(platform, result.accepted, run_id=f"replay {file.name}")
        console.print(
            f"{result.lines} mended lines taken back, {result.already} were before, {result.untouched} not touched, "
            f"{len(result.refused)} refused",
            highlight=False,
        )
        for refused in result.refused[:SHOWN]:
            why = f"{refused.reason}: {refused.explanation}" if refused.reason else refused.explanation
            place = f"  line {refused.line} ({refused.source}, row {refused.row_key})"
            console.print(f"{place}: {why}", highlight=False, markup=False, soft_wrap=True)
        if len(result.refused) > SHOWN:
            console.print(f"  {len(result.refused) - SHOWN} more refused lines", highlight=False)
        # also where nothing is new: a command that was killed before has kept its rows already
        proved = prove_again(platform, console, max_error_ratio) if result.lines or result.already else True
    if result.refused or not proved:
        raise typer.Exit(1)
