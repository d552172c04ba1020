"""`energy-platform migrate`: the whole graph over a range of days, in one run, with a progress bar and a report."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from energy_platform.cli.inspect import Timezone, prepare_estate
from energy_platform.cli.opening import (
    Directory,
    EstateFile,
    HtmlFile,
    ReportFile,
    check_report_file,
    settings_for,
    started,
    write_reports,
)
from energy_platform.cli.terminal import bars, terminal
from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import UsageError
from energy_platform.local.environment import environment, project_root
from energy_platform.local.stores import store_status
from energy_platform.settings import Settings

if TYPE_CHECKING:
    from energy_platform.sources.estate import Estate
    from energy_platform.transfer.context import Platform

JOB = "migrate"
#: Digits of a fingerprint that a terminal shows; the report file has all.
SHORT_FINGERPRINT = 12
#: Unproven partitions of one target that a terminal names.
SHOWN = 5


def migrate(
    directory: Directory = None,
    estate_file: EstateFile = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First local day, included.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local day, included.")
    ] = None,
    report_file: ReportFile = None,
    html_file: HtmlFile = None,
    max_error_ratio: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of refused rows of one source above which the run stops.")
    ] = 0.01,
    max_series: Annotated[
        int,
        typer.Option(min=1, help="Series of one measurement in the store above which its load stops, nothing written."),
    ] = 1_000_000,
    force: Annotated[bool, typer.Option("--force", help="Load again what is proven already.")] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but the writes, and say what they would be.")
    ] = False,
    timezone: Timezone = None,
) -> None:
    """Move an estate into the stores, and prove that nothing was lost.

    A folder without an estate file is inspected first: where nothing is in doubt, it is loaded; else the questions are
    listed. What is proven already is left alone. Exits 0 where all is loaded and proved, else 1 with the reasons.
    """
    began = time.monotonic()
    chosen = _chosen_days(first, last)
    check_report_file(report_file)
    check_report_file(html_file)
    if dry and html_file is not None:
        raise UsageError("A dry run has no page.", where="--html", remedy="Give --report, or leave --dry-run out.")
    console = terminal()
    settings = prepare_estate(settings_for(directory, estate_file), console, timezone)
    settings, estate = started(settings, say=console.print)
    if dry:
        _print_what_would_be(console, settings, estate, chosen, report_file, max_error_ratio, max_series, force=force)
        return
    run = MigrationRun(settings, estate)
    with _platform(settings, estate) as platform:
        from energy_platform.transfer.reports.details import details_of
        from energy_platform.transfer.reports.report import report_of

        run.execute(platform, chosen, max_error_ratio=max_error_ratio, max_series=max_series, force=force)
        report = report_of(platform, chosen, time.monotonic() - began)
        new_partitions = _partitions_of_runs(platform, run.run_ids)
        details = details_of(platform, chosen) if html_file is not None else None
    report["proved"] = report["proved"] and not run.failures
    report |= {"phases": run.phases, "failures": run.failures, "warnings": run.warnings}
    write_reports(report, report_file, html_file, details)
    print_report(console, report, run, new_partitions)
    _print_places(console, settings)
    if not report["proved"]:
        raise typer.Exit(1)


def _print_what_would_be(
    console: Console,
    settings: Settings,
    estate: Estate,
    chosen: DayRange | None,
    report_file: Path | None,
    max_error_ratio: float,
    max_series: int,
    *,
    force: bool,
) -> None:
    from energy_platform.cli.dry_run import dry_run, print_prediction
    from energy_platform.transfer.options import LoadOptions

    with _platform(settings, estate) as platform:
        facts, found = dry_run(platform, chosen, LoadOptions(max_error_ratio, max_series, force))
    write_reports(facts, report_file, None, None)
    console.print(sources_table(facts))
    print_prediction(console, facts, found)
    if any(each.problem for each in found):
        raise typer.Exit(1)


def _chosen_days(first: datetime | None, last: datetime | None) -> DayRange | None:
    """The days that were asked for; None: all."""
    if first is None and last is None:
        return None
    days = DayRange(first.date() if first else date.min, last.date() if last else date.max)
    if days.last < days.first:
        raise UsageError(
            f"{days.first} is later than {days.last}.", where="--from, --to", remedy="Give the earlier day first."
        )
    return days


@contextmanager
def _platform(settings: Settings, estate: Estate) -> Iterator[Platform]:
    from energy_platform.transfer.context import open_platform

    with open_platform(settings, estate) as platform:
        yield platform


@dataclass
class MigrationRun:
    """One run of the job `migrate` in this process, recorded where the Dagster UI looks.

    Attributes:
        settings: with the addresses of all stores.
        estate: what is migrated.
        run_ids: of its runs.
        failures: by step, what the failed ones said.
        speeds: by asset, rows per second of what was written.
        phases: by asset, the seconds that each phase of its load took.
        warnings: by asset, what people should know of its load.
    """

    settings: Settings
    estate: Estate
    run_ids: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    speeds: dict[str, float] = field(default_factory=dict)
    phases: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)

    def execute(
        self, platform: Platform, chosen: DayRange | None, *, max_error_ratio: float, max_series: int, force: bool
    ) -> None:
        """Run the job over the chosen days that hold data."""
        os.environ.setdefault("DAGSTER_HOME", environment(self.settings)["DAGSTER_HOME"])
        os.environ.update({k: v for k, v in environment(self.settings).items() if k != "DAGSTER_HOME"})
        import dagster as dg

        from energy_platform.definitions import build_definitions
        from energy_platform.defs.launching import give_up_dead_runs, process_tags
        from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START
        from energy_platform.defs.resources import LoadLimits
        from energy_platform.transfer.progress import listening

        job = build_definitions(self.settings).resolve_job_def(JOB)
        with dg.DagsterInstance.get() as instance, bars() as shown, listening(shown):
            give_up_dead_runs(instance)
            with shown.working("looking for what has changed"):
                days = self._days_to_load(platform, instance, chosen, force=force)
            keys = {"/".join(key.path): key for key in job.asset_layer.executable_asset_keys}
            config = dg.RunConfig(
                resources={"limits": LoadLimits(max_error_ratio=max_error_ratio, max_series=max_series, force=force)},
                loggers={"console": {"config": {"log_level": "CRITICAL"}}},
            )
            # Dagster plans every asset of a run for each of its days, those without days too: hence a run each
            graph = job.asset_layer.asset_graph
            failed: set[dg.AssetKey] = set()
            for stage in self._stages(keys, days):
                # what failed stops all that lies below it, and nothing else
                able = [asset for asset in stage if not failed & graph.get_ancestor_asset_keys(keys[asset])]
                together = sorted({day for asset in able for day in days.get(asset, [])})
                if not able:
                    continue
                run_id = str(uuid.uuid4())
                self.run_ids.add(run_id)
                instance.add_event_listener(run_id, self._note)
                selected = {keys[asset] for asset in able}
                # named, since those of other jobs would come along with the assets
                proofs = {check for check in graph.asset_check_keys if check.asset_key in selected}
                job.get_subset(asset_selection=selected, asset_check_selection=proofs).execute_in_process(
                    run_config=config,
                    instance=instance,
                    run_id=run_id,
                    raise_on_error=False,
                    tags=process_tags()
                    | ({RANGE_START: str(together[0]), RANGE_END: str(together[-1])} if together else {}),
                )
                failed = {key for asset, key in keys.items() if asset in self.failures}

    def _days_to_load(
        self, platform: Platform, instance: Any, chosen: DayRange | None, *, force: bool
    ) -> dict[str, list[date]]:
        """Per time series the chosen days that are not proven for the sources as they are, or unknown to Dagster."""
        import dagster as dg

        from energy_platform.transfer.timeseries.load import days_with_data, pending_days

        with_data = days_with_data(platform)
        pending = with_data if force else pending_days(platform, with_data)
        days: dict[str, list[date]] = {}
        for asset, found in with_data.items():
            known = instance.get_materialized_partitions(dg.AssetKey(asset.split("/")))
            # a killed run may have lost its event, though not its ledger entry
            wanted = {*pending[asset], *(day for day in found if day.isoformat() not in known)}
            days[asset] = sorted(day for day in wanted if chosen is None or day in chosen)
        return days

    @staticmethod
    def _stages(keys: Iterable[str], days: dict[str, list[date]]) -> list[list[str]]:
        """Tables and model files, then the time series that have days to load, then what derives from them."""
        places = {asset: asset.split("/", 1)[0] for asset in keys}
        tables = [asset for asset, place in places.items() if place in {"postgres", "models"}]
        series = [asset for asset, place in places.items() if place == "timeseries" and days.get(asset)]
        derived = [asset for asset, place in places.items() if place == "redis"]
        return [stage for stage in (tables, series, derived) if stage]

    def _note(self, entry: Any) -> None:
        """Take down what an event of the run says."""
        event = entry.dagster_event
        if event is None:
            return
        kind = event.event_type_value
        if kind == "STEP_FAILURE":
            self.failures[event.step_key.replace("__", "/")] = _what_failed(event.step_failure_data)
        if kind == "ASSET_MATERIALIZATION":
            speed = event.materialization.metadata.get("rows_per_second")
            if speed is not None and speed.value:
                self.speeds["/".join(event.asset_key.path)] = speed.value
            phases = event.materialization.metadata.get("phases")
            if phases is not None:
                found = {str(record.data["phase"]): float(record.data["seconds"]) for record in phases.records}
                self.phases["/".join(event.asset_key.path)] = found
            warnings = event.materialization.metadata.get("warnings")
            if warnings is not None:
                said = [line.removeprefix("- ") for line in str(warnings.value).splitlines()]
                self.warnings["/".join(event.asset_key.path)] = said


def _what_failed(data: Any) -> str:
    """What a person needs to know of a failed step."""
    told = data.user_failure_data
    if told is not None and told.description:
        return str(told.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "It failed without a message."


def _partitions_of_runs(platform: Platform, run_ids: set[str]) -> int:
    """How many days these runs have written a verdict for."""
    from energy_platform.stores.postgres import ledger

    with platform.postgres.connection() as connection:
        entries = ledger.read(connection, platform.estate.code)
    return sum(1 for entry in entries if entry.run_id in run_ids and entry.asset.startswith("timeseries/"))


def print_report(console: Console, report: dict[str, Any], run: MigrationRun, new_partitions: int) -> None:
    """What the sources held, what the targets hold, and whether that is proved."""
    console.print(sources_table(report))
    console.print(_targets_table(report, run.speeds))
    partitions = sum(t["partitions"] for t in report["targets"] if t["asset"].startswith("timeseries/"))
    for warning in dict.fromkeys(chain.from_iterable(run.warnings.values())):
        console.print(f"[yellow]warning[/]: {escape(warning)}", highlight=False, soft_wrap=True)
    where = f"Estate {report['estate']} ({run.settings.environment}), {report['seconds']:,.1f} s."
    if report["proved"]:
        again = f" All {partitions} partitions were proven already." if partitions and not new_partitions else ""
        console.print(f"[bold green]Proved.[/] {where}{again}", highlight=False)
        return
    console.print(f"[bold red]Not proved.[/] {where}", highlight=False)
    for step, said in run.failures.items():
        console.print(f"  {step}: {said}", highlight=False, markup=False, soft_wrap=True)
    for target in report["targets"]:
        if target["asset"] in run.failures or target["proved"]:
            continue
        unproven = target.get("unproven", {})
        for partition, reason in list(unproven.items())[:SHOWN]:
            line = f"  {target['asset']} {partition}: {reason}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if len(unproven) > SHOWN:
            console.print(f"  {target['asset']}: {len(unproven) - SHOWN} more partitions", highlight=False)


def sources_table(report: dict[str, Any]) -> Table:
    """What became, or would become, of the rows of each source."""
    table = Table(title="What the sources held", title_justify="left")
    table.add_column("source", overflow="fold")
    counts = ("read", "loaded", "duplicates", "quarantined", "undated")
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reasons", overflow="fold")
    for source in report["sources"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(source["reasons"].items()))
        table.add_row(source["source"], *(f"{source[name]:,}" for name in counts), reasons)
    return table


def _targets_table(report: dict[str, Any], speeds: dict[str, float]) -> Table:
    table = Table(title="What the targets hold", title_justify="left")
    table.add_column("target", overflow="fold")
    for name in ("rows", "partitions"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fingerprint", no_wrap=True)
    table.add_column("proved")
    table.add_column("rows/s", justify="right", no_wrap=True)
    for target in report["targets"]:
        speed = speeds.get(target["asset"])
        table.add_row(
            target["asset"],
            f"{target['rows']:,}",
            f"{target['partitions']:,}",
            target["fingerprint"][:SHORT_FINGERPRINT],
            "[green]yes[/]" if target["proved"] else "[red]no[/]",
            f"{speed:,.0f}" if speed else "",
        )
    return table


def _print_places(console: Console, settings: Settings) -> None:
    """Where to look further."""
    for store in store_status(settings):
        console.print(f"  {store.name}: {store.implementation}, {store.url}", highlight=False, soft_wrap=True)
    # in a container the UI is there already, and there is no make
    if (project_root() / "Makefile").exists():
        console.print("  The Dagster UI over these stores: make ui", highlight=False)
