"""`energy-platform migrate --dry-run`: everything but the writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from energy_platform.cli.terminal import bars
from energy_platform.domain.accounts import Account
from energy_platform.domain.days import DayRange

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.options import LoadOptions
    from energy_platform.transfer.reports.prediction import Prediction

#: Withheld days of one target that a terminal names.
SHOWN = 5


def dry_run(platform: Platform, days: DayRange | None, options: LoadOptions) -> tuple[dict[str, Any], list[Prediction]]:
    """What a migration would do: as JSON, and asset by asset."""
    from dataclasses import replace

    from energy_platform.domain.errors import TooManySeriesError
    from energy_platform.transfer.assets import assets_of, predict_asset
    from energy_platform.transfer.reports.prediction import Prediction

    began = time.monotonic()
    found: list[Prediction] = []
    with bars() as shown:
        for asset in assets_of(platform.estate):
            try:
                prediction = predict_asset(platform, asset, days, replace(options, progress=shown))
            except TooManySeriesError as error:
                prediction = Prediction(asset, problem=error.what)
            found += [prediction] if prediction is not None else []
    accounts: dict[tuple[str, str], Account] = {}
    for prediction in found:
        for source, account in prediction.accounts.items():
            accounts[source, prediction.asset.split("/", 1)[1]] = account
    facts = {
        "estate": platform.estate.code,
        "environment": platform.settings.environment,
        "dry_run": True,
        "seconds": round(time.monotonic() - began, 3),
        "sources": [
            {"source": spec.name, "target": spec.target} | accounts.get((spec.name, spec.target), Account()).as_facts()
            for spec in platform.estate.sources
        ],
        "targets": [prediction.as_facts() for prediction in found],
    }
    return facts, found


def print_prediction(console: Console, facts: dict[str, Any], found: list[Prediction]) -> None:
    """What would be written where, and what stands in its way."""
    table = Table(title="What the targets would be given", title_justify="left")
    table.add_column("target", overflow="fold")
    for name in ("rows", "partitions", "series", "bytes", "about"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        series = "" if each.series is None else f"{each.series:,}"
        size = decimal(each.bytes) if each.rows else ""
        seconds = f"{each.seconds:,.1f} s" if each.rows else ""
        table.add_row(each.asset, f"{each.rows:,}", f"{each.partitions:,}", series, size, seconds)
    console.print(table)
    for each in found:
        if each.problem:
            console.print(f"  {each.asset}: {each.problem}", highlight=False, markup=False, soft_wrap=True)
        for partition, reason in list(each.withheld.items())[:SHOWN]:
            console.print(f"  {each.asset} {partition}: {reason}", highlight=False, markup=False, soft_wrap=True)
        if len(each.withheld) > SHOWN:
            console.print(f"  {each.asset}: {len(each.withheld) - SHOWN} more partitions", highlight=False)
    rows = sum(each.rows for each in found)
    seconds = sum(each.seconds for each in found)
    where = f"Estate {facts['estate']} ({facts['environment']}), looked through in {facts['seconds']:,.1f} s."
    what = f"{rows:,} rows would be written and proven in about {seconds:,.0f} s." if rows else "Nothing is left to do."
    verdict = "[bold red]It would stop.[/]" if any(each.problem for each in found) else f"[bold green]{what}[/]"
    console.print(f"{verdict} {where} Nothing was written.", highlight=False)
