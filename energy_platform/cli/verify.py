"""`energy-platform verify`: compares every source with every target again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from energy_platform.cli.opening import (
    Directory,
    EstateFile,
    HtmlFile,
    ReportFile,
    check_report_file,
    opened,
    write_reports,
)
from energy_platform.cli.repair import print_unaccounted
from energy_platform.cli.terminal import bars, terminal

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.repair import Unaccounted
    from energy_platform.transfer.verify import VerifyReport

#: Findings of one target that a terminal shows.
LISTED = 10


def verify(
    directory: Directory = None, estate: EstateFile = None, report: ReportFile = None, html: HtmlFile = None
) -> None:
    """Compare every source with every target again: go (exit 0) or no-go (exit 1).

    Nothing is written but the verdicts in the ledger: what differs is marked unproven, and the next `migrate` loads it
    again. Points that no source accounts for are listed; `energy-platform repair` removes them when told to.
    """
    from energy_platform.transfer.reports.details import details_of
    from energy_platform.transfer.verify import verify as verify_estate

    check_report_file(report)
    check_report_file(html)
    console = terminal()
    with opened(directory, estate) as platform:
        with bars() as drawn, drawn.working("verifying"):
            result = verify_estate(platform, progress=drawn)
        facts = report_facts(platform, result)
        details = details_of(platform) if html is not None else None
        leftovers = _leftovers(platform, result)
        facts["unaccounted"] = {item.asset: item.points.height for item in leftovers}
    write_reports(facts, report, html, details)
    for warning in result.warnings:
        console.print(f"[yellow]warning[/yellow]: {warning}")
    if result.proved:
        console.print(
            f"[green]go[/green]: all {len(result.assets)} targets hold what their sources hold", highlight=False
        )
        return
    console.print("[red]no-go[/red]")
    shown: Counter[str] = Counter()
    for finding in result.findings:
        shown[finding.asset] += 1
        if shown[finding.asset] <= LISTED:
            line = f"  {finding.asset} {finding.partition} (from {finding.source}): {finding.reason}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for asset, count in shown.items():
        if count > LISTED:
            console.print(f"  {asset}: {count - LISTED} more; --report FILE has them all", highlight=False)
    for item in leftovers:
        print_unaccounted(console, item)
    raise typer.Exit(1)


def _leftovers(platform: Platform, result: VerifyReport) -> list[Unaccounted]:
    """What no source accounts for, in the partitions that were found to differ."""
    from energy_platform.transfer.repair import unaccounted

    doubted: dict[str, set[str]] = {}
    for finding in result.findings:
        doubted.setdefault(finding.asset, set()).add(finding.partition)
    return unaccounted(platform, doubted) if doubted else []


def report_facts(platform: Platform, result: VerifyReport) -> dict[str, Any]:
    """The report of a verification as JSON, in the shape of every report."""
    from energy_platform.transfer.reports.report import report_of

    facts = report_of(platform, seconds=result.seconds)
    facts["proved"] = result.proved
    wrong = {finding.asset for finding in result.findings}
    for target in facts["targets"]:
        target["proved"] = target["proved"] and target["asset"] not in wrong
    facts["findings"] = [
        {"asset": f.asset, "source": f.source, "partition": f.partition, "reason": f.reason} for f in result.findings
    ]
    facts["warnings"] = result.warnings
    return facts
