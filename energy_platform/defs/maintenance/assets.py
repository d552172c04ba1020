"""Maintenance: the jobs that load all, compare all, list what is not proven, and forget what is old; their clocks."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from energy_platform.defs import facts
from energy_platform.defs.clocks import schedule_status
from energy_platform.defs.loading import PROOF, LoadEvent, ledger_of, readable_failures
from energy_platform.defs.maintenance.history import HISTORY, history_asset
from energy_platform.defs.maintenance.mending import repair_job, replay_job
from energy_platform.defs.maintenance.notices import failure_notices
from energy_platform.defs.maintenance.unproven import UNPROVEN, unproven_asset
from energy_platform.defs.names import OWNERS, assets_of, key_of
from energy_platform.defs.partitions import RANGE_END, RANGE_START, last_complete_day
from energy_platform.defs.resources import PlatformResource
from energy_platform.domain.accounts import UNDATED, WHOLE
from energy_platform.domain.days import DayRange
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate

if TYPE_CHECKING:
    from energy_platform.stores.postgres.ledger import LedgerEntry
    from energy_platform.transfer.context import Platform

GROUP = "maintenance"
VERIFICATION = dg.AssetKey(["maintenance", "verification"])
NIGHT = "30 2 * * *"
LATER_THAT_NIGHT = "30 3 * * *"
MORNING = "30 5 * * *"
SUNDAY_MORNING = "30 4 * * 0"


class VerifyConfig(dg.Config):
    """What a verification does with what it finds."""

    fail_run: bool = Field(
        default=True, description="Fail the run where a target differs; otherwise only the check turns red."
    )


def definitions(estate: Estate, settings: Settings) -> dg.Definitions:
    """The verification, the jobs `migrate` and `verify`, and their schedules."""
    keys = [key_of(asset) for asset in assets_of(estate)]
    # the proof belongs to the load; the checks of quality have a job of their own
    proofs = dg.AssetSelection.checks(*(dg.AssetCheckKey(key, PROOF) for key in keys))
    loads = dg.AssetSelection.assets(*keys).without_checks() | proofs
    migrate = dg.define_asset_job(
        "migrate",
        selection=loads,
        description="Moves every source into its target and proves it. What is proven already is left alone.",
    )
    verify = dg.define_asset_job(
        "verify",
        selection=dg.AssetSelection.assets(VERIFICATION),
        description="Compares every source with every target again, content included: go or no-go.",
    )
    list_unproven = dg.define_asset_job(
        "list_unproven",
        selection=dg.AssetSelection.assets(UNPROVEN),
        description="Lists every partition that is not proven, and what to do about it.",
    )
    prune_history = dg.define_asset_job(
        "prune_history",
        selection=dg.AssetSelection.assets(HISTORY),
        description="Forgets runs, events and ticks that are older than `ENERGY_KEEP_RUNS_DAYS`; no status changes.",
    )
    return dg.Definitions(
        assets=[verification_asset(estate), unproven_asset(), history_asset()],
        jobs=[migrate, verify, repair_job(), replay_job(), list_unproven, prune_history],
        schedules=[
            nightly_load(estate, settings, migrate),
            _at(estate, settings, verify, "nightly_verification", LATER_THAT_NIGHT),
            _at(estate, settings, list_unproven, "unproven_every_morning", MORNING),
            _at(estate, settings, prune_history, "weekly_maintenance", SUNDAY_MORNING),
        ],
        sensors=[failure_notices(settings)],
    )


def verification_asset(estate: Estate) -> dg.AssetsDefinition:
    """The comparison of every source with every target."""

    @dg.asset(
        key=VERIFICATION,
        deps=[key_of(asset) for asset in assets_of(estate)],
        group_name=GROUP,
        kinds={"python"},
        owners=OWNERS,
        description="Every source compared with every target: rows changed, added or removed behind the platform's "
        "back, in any day, building or field.",
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(PROOF, asset=VERIFICATION, description="Every target holds what the sources hold.")
        ],
    )
    def verification(
        context: dg.AssetExecutionContext, config: VerifyConfig, platform: PlatformResource
    ) -> Iterator[LoadEvent]:
        from energy_platform.transfer.progress import announce, logged
        from energy_platform.transfer.verify import verify

        with readable_failures(), logged(context.log.info):
            report = verify(platform.opened(), context.log.info, announce)
        metadata = facts.findings_metadata(report)
        yield dg.AssetCheckResult(check_name=PROOF, passed=report.proved, metadata=metadata)
        if not report.proved and config.fail_run:
            raise dg.Failure(
                description=f"Verification: {facts.findings_text(report)}", metadata=metadata, allow_retries=False
            )
        yield dg.MaterializeResult(metadata=metadata)

    return verification


def nightly_load(estate: Estate, settings: Settings, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Every night the day that has just ended, and every earlier one that is not proven."""

    @dg.schedule(
        name="nightly_load",
        cron_schedule=NIGHT,
        execution_timezone=str(estate.zone),
        job=job,
        default_status=schedule_status(settings),
        description="Loads the day that has ended, and every earlier one that is not proven.",
    )
    def schedule(context: dg.ScheduleEvaluationContext, platform: PlatformResource) -> dg.RunRequest | dg.SkipReason:
        opened = platform.opened()
        entries = [
            entry
            for asset in assets_of(estate)
            if asset.startswith("timeseries/")
            for entry in ledger_of(opened, asset)
        ]
        last = last_complete_day(estate, context.scheduled_execution_time)
        touched = touched_since(opened)
        days = days_due(entries, estate.first_day, last, closed=estate.last_day is not None, touched=touched)
        if days is None:
            return dg.SkipReason("All days of the estate are proven, and nothing more comes.")
        return dg.RunRequest(run_key=None, tags={RANGE_START: days.first.isoformat(), RANGE_END: days.last.isoformat()})

    return schedule


def touched_since(platform: "Platform") -> set[date]:
    """The days whose rows have changed since they were loaded, as far as files can be read: the load says of others."""
    from energy_platform.transfer.arrivals.days import touched_days
    from energy_platform.transfer.timeseries.load import measurements_of

    return {day for name in measurements_of(platform) for day in touched_days(platform, name)}


def _at(
    estate: Estate, settings: Settings, job: UnresolvedAssetJobDefinition, name: str, cron: str
) -> dg.ScheduleDefinition:
    """A job at a time of the estate's zone."""
    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        execution_timezone=str(estate.zone),
        job=job,
        default_status=schedule_status(settings),
        description=job.description,
    )


def days_due(
    entries: Sequence["LedgerEntry"], first: date, last: date, *, closed: bool, touched: Collection[date] = ()
) -> DayRange | None:
    """The days that a nightly run has to load.

    Args:
        entries: of the time series in the ledger.
        first: the estate's first day.
        last: its last complete day.
        closed: nothing more comes, so that only what is not proven is due.
        touched: days whose rows have changed since.

    Returns:
        from the first day that is not proven for good, or that is newer than all in the ledger, to the last complete
        one; None where no day is due.
    """
    if last < first:
        return None
    of_days = [(date.fromisoformat(e.partition), e) for e in entries if e.partition not in {UNDATED, WHOLE}]
    if not of_days:
        return DayRange(first, last)
    due = [day for day, entry in of_days if not entry.proven or (entry.open and day <= last)]
    due += [day for day in touched if day <= last]
    if not closed:
        due.append(min(max(day for day, _ in of_days) + timedelta(days=1), last))
    return DayRange(min(due), max(last, *due)) if due else None
