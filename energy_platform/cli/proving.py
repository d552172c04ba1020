"""What verbs do after they have changed what a source or a target holds: load it, prove it, and say how that went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform

MaxErrorRatio = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of refused rows of one source above which the load stops.")
]
DEFAULT_MAX_ERROR_RATIO = 0.01
#: Unproven partitions that a terminal names.
SHOWN = 10


def prove_again(platform: Platform, console: Console, max_error_ratio: float) -> bool:
    """Load and prove whatever is not proven for the sources as they are now, where the Dagster UI shows it."""
    from energy_platform.cli.migrate import MigrationRun
    from energy_platform.transfer.context import open_platform
    from energy_platform.transfer.reports.report import report_of

    run = MigrationRun(platform.settings, platform.estate)
    # opened anew: the sources may hold other rows than when this command began
    with open_platform(platform.settings, platform.estate) as opened:
        run.execute(opened, None, max_error_ratio=max_error_ratio, max_series=1_000_000, force=False)
        report = report_of(opened)
    for step, said in run.failures.items():
        console.print(f"  {step}: {said}", highlight=False, markup=False, soft_wrap=True)
    unproven = [
        f"  {target['asset']} {partition}: {reason}"
        for target in report["targets"]
        if target["asset"] not in run.failures
        for partition, reason in target["unproven"].items()
    ]
    for line in unproven[:SHOWN]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if len(unproven) > SHOWN:
        console.print(f"  {len(unproven) - SHOWN} more partitions", highlight=False)
    proved = bool(report["proved"]) and not run.failures
    console.print("[green]Proved.[/]" if proved else "[red]Not proved.[/]", highlight=False)
    return proved
