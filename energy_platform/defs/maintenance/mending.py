"""Jobs that a person starts with a word of their own: remove what no source accounts for, take mended rows back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from energy_platform.defs.loading import enumerate_some, readable_failures
from energy_platform.defs.names import key_of
from energy_platform.defs.resources import LoadLimits, PlatformResource
from energy_platform.domain.errors import ProofError, UsageError

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.repair import Unaccounted
    from energy_platform.transfer.reports.verdicts import LoadReport

#: Derived from the time series: nothing of it is filled while those are not proven.
_DERIVED = "redis/"


class RepairConfig(dg.Config):
    """What becomes of points and rows that no source accounts for."""

    remove: bool = Field(default=False, description="Remove them; otherwise they are only listed.")
    confirm: str = Field(default="", description="The estate's code, typed: nothing is removed without it.")


class ReplayConfig(dg.Config):
    """Which mended rows are taken back."""

    file: str = Field(description="The mended CSV, as `energy-platform quarantine export` wrote it: its path.")
    withdraw: bool = Field(default=False, description="Undo: these rows are again what their files hold.")


@dg.op(description="Lists what no source accounts for; with `remove` and the estate's code, removes it.")
def remove_unaccounted(
    context: dg.OpExecutionContext, config: RepairConfig, platform: PlatformResource, limits: LoadLimits
) -> None:
    """Remove, and prove the partitions again."""
    from energy_platform.transfer.repair import remove, unaccounted

    with readable_failures():
        opened = platform.opened()
        items = unaccounted(opened)
        context.add_output_metadata(_listed(items))
        if not config.remove or not items:
            return
        code = opened.estate.code
        if config.confirm != code:
            raise UsageError(
                "The estate's code was not typed: nothing was removed.",
                where="confirm",
                remedy=f"Set `confirm` to {code!r} in the launchpad.",
            )
        context.log.info("%d points and rows removed", remove(opened, items))
        _prove(context, opened, limits)


@dg.op(description="Takes mended rows back: the same contracts, the same proof.")
def take_back(
    context: dg.OpExecutionContext, config: ReplayConfig, platform: PlatformResource, limits: LoadLimits
) -> None:
    """Take back, load and prove."""
    from dataclasses import replace

    from energy_platform.transfer import replay
    from energy_platform.transfer.reading.mending import with_mended_rows

    with readable_failures():
        opened = platform.opened()
        lines = replay.read_lines(Path(config.file))
        if config.withdraw:
            context.add_output_metadata({"withdrawn": replay.withdraw(opened, lines)})
            refused = []
        else:
            result = replay.propose(opened, lines)
            replay.keep(opened, result.accepted, context.run_id)
            refused = result.refused
            context.add_output_metadata(
                {
                    "taken_back": result.lines,
                    "taken_back_before": result.already,
                    "not_touched": result.untouched,
                    "refused": len(refused),
                }
            )
        # the sources hold other rows now than when this run began
        _prove(context, replace(opened, estate=with_mended_rows(opened.estate, opened.postgres)), limits)
        if refused:
            named = [f"line {each.line} ({each.reason or each.explanation})" for each in refused]
            raise UsageError(
                f"Still refused: {enumerate_some(named)}.",
                where=config.file,
                remedy="Mend these lines and start the job again; the others were taken back.",
            )


def repair_job() -> dg.JobDefinition:
    """The job `repair`."""

    @dg.job(
        name="repair",
        description="Lists points and rows that no source accounts for; removes them when told to, and proves again.",
    )
    def repair() -> None:
        remove_unaccounted()

    return repair


def replay_job() -> dg.JobDefinition:
    """The job `replay`."""

    @dg.job(
        name="replay",
        description="Takes a mended export of the quarantine back, loads its rows and proves their partitions.",
    )
    def replay() -> None:
        take_back()

    return replay


def _listed(items: "list[Unaccounted]") -> dict[str, Any]:
    schema = dg.TableSchema(columns=[dg.TableColumn("asset", "string"), dg.TableColumn("points", "int")])
    records = [dg.TableRecord({"asset": item.asset, "points": item.points.height}) for item in items]
    return {"unaccounted": dg.MetadataValue.table(records, schema)}


def _prove(context: dg.OpExecutionContext, platform: "Platform", limits: LoadLimits) -> None:
    """Load and prove all that is not proven, and show the days of which that is new."""
    from energy_platform.transfer.assets import assets_of, load_asset

    unproven: list[str] = []
    for asset in assets_of(platform.estate):
        if asset.startswith(_DERIVED) and unproven:
            continue
        report = load_asset(platform, asset, None, limits.options(), context.run_id, context.log.info)
        unproven += [f"{asset} {item.partition} ({item.reason})" for item in report.unproven]
        _show(context, asset, report)
    if unproven:
        raise ProofError(
            f"Not proven: {enumerate_some(unproven)}.",
            where="the ledger",
            remedy="What is left over in a target is listed and removed by the job `repair`.",
        )


def _show(context: dg.OpExecutionContext, asset: str, report: "LoadReport") -> None:
    for item in report.verdicts:
        if item.proven and item.rows and not item.skipped:
            day = item.partition if item.partition[:1].isdigit() else None
            rows = {"dagster/partition_row_count" if day else "dagster/row_count": item.rows}
            context.log_event(dg.AssetMaterialization(key_of(asset), partition=day, metadata=rows))
