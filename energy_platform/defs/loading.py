"""What every asset does when it is materialized: ask the ledger, load, prove, show the verdict.

The ledger holds the verdict of every partition; Dagster shows it. A partition is materialized when it is proven and
holds data, and no other one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id

from energy_platform.defs import facts
from energy_platform.defs.legacy import DATA_VERSION, look_at_models, made_from, observe_now, version_of
from energy_platform.defs.names import MADE_FROM_MODELS, MODEL_FILES, key_of, legacy_key
from energy_platform.defs.partitions import days_of
from energy_platform.defs.resources import LoadLimits, PlatformResource
from energy_platform.domain.accounts import WHOLE
from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import EnergyPlatformError, ProofError, SourceError, StoreUnavailableError
from energy_platform.failpoints import failpoint
from energy_platform.sources.estate import SourceSpec

if TYPE_CHECKING:
    from energy_platform.stores.postgres.ledger import LedgerEntry
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.reports.verdicts import LoadReport, PartitionVerdict

#: The name of the check that every loaded asset carries.
PROOF = "proof"

#: One result of a partitioned asset makes its whole range green, days that failed or hold nothing included. Dagster
#: (1.13) keeps quiet about a result that carries this key, while what lies downstream still runs: the days that are
#: proven are logged one by one instead.
NO_OWN_EVENT = {"__source_asset_observation__": True}

#: The fingerprint of a day that is proven to be empty.
NO_ROWS = "0" * 32

#: Stands on every run that a backfill launched.
BACKFILL_TAG = "dagster/backfill"

#: Partitions that a message or a table names before it says how many more there are.
SHOWN = 50

LoadEvent = dg.MaterializeResult | dg.AssetCheckResult
LedgerEntries = Sequence["LedgerEntry"]
#: Draws a PNG from what the ledger says of an asset; None where there is nothing to see.
Plot = Callable[[LedgerEntries], bytes | None]


def load_asset(
    context: dg.AssetExecutionContext,
    resource: PlatformResource,
    limits: LoadLimits,
    *,
    asset: str,
    after: Sequence[str],
    sources: Sequence[SourceSpec],
    plot: Plot | None,
) -> Iterator[LoadEvent]:
    """Load one asset over the days of the run and show what the ledger says of it.

    Args:
        context: of the step.
        resource: gives the stores.
        limits: gives the options of the load.
        asset: its name in the ledger.
        after: assets that must be proven first.
        sources: what is read; their data versions are reported as observations.
        plot: see `Target.plot`.
    """
    # in a run over a range, assets without partitions are told the range too
    days = days_of(context) if context.assets_def.partitions_def is not None else None
    from energy_platform.transfer import assets as transfer
    from energy_platform.transfer.progress import logged

    with readable_failures():
        platform = resource.opened()
        require_proven(platform, after, days)
        observe(context, platform, asset, sources)
        with logged(context.log.info) as progress:
            report = transfer.load_asset(platform, asset, days, limits.options(), context.run.run_id, context.log.info)
        failpoint("ledger_before_event")
        entries = ledger_of(platform, asset)
    for warning in report.warnings:
        context.log.warning(warning)
    about_the_run = facts.run_metadata(report, progress.rows_of)
    if plot is not None and report.rows_written:
        about_the_run |= facts.plot_metadata(plot(entries))
    yield from show(context, asset, days, report, entries, about_the_run)


@contextmanager
def readable_failures() -> Iterator[None]:
    """Turn errors that people are meant to read into failures that say just that.

    They have a reason that stays until somebody acts, so that trying again is of no use, except where a store is down.
    """
    try:
        yield
    except EnergyPlatformError as error:
        raise dg.Failure(description=str(error), allow_retries=isinstance(error, StoreUnavailableError)) from error


def ledger_of(platform: Platform, asset: str) -> list[LedgerEntry]:
    """What the ledger says of an asset of this estate, partition by partition."""
    from energy_platform.stores.postgres import ledger

    with platform.postgres.connection() as connection:
        return ledger.read(connection, platform.estate.code, asset)


def require_proven(platform: Platform, after: Sequence[str], days: DayRange | None) -> None:
    """Refuse to go on where something above is not proven: in the run's own days, or as a whole.

    Raises:
        ProofError: names the assets and partitions, and what to do.
    """
    missing: list[str] = []
    unproven: list[str] = []
    for asset in after:
        entries = ledger_of(platform, asset)
        if not entries:
            missing.append(asset)
        unproven += [f"{asset} {entry.partition}" for entry in entries if not entry.proven and _concerns(entry, days)]
    if missing:
        raise ProofError(f"Not loaded yet: {', '.join(missing)}.", where="upstream", remedy="Materialize it first.")
    if unproven:
        raise ProofError(
            f"Not proven: {enumerate_some(unproven)}.",
            where="upstream",
            remedy="Materialize these partitions again once what they complain of is mended.",
        )


def _concerns(entry: LedgerEntry, days: DayRange | None) -> bool:
    """Whether a partition above matters to a load of these days."""
    if days is None:
        return True
    try:
        return date.fromisoformat(entry.partition) in days
    except ValueError:
        return True


def observe(context: dg.AssetExecutionContext, platform: Platform, asset: str, sources: Sequence[SourceSpec]) -> None:
    """Report the data version of every source before it is read, so that Dagster shows what is out of date."""
    versions: dict[dg.AssetKey, tuple[str, dict[str, int]]] = {}
    for source in sources:
        try:
            versions[legacy_key(source.name)] = version_of(source), {}
        except SourceError:
            # gone or broken: the load says what is the matter
            continue
    folder = platform.estate.models_folder
    if asset in MADE_FROM_MODELS and folder is not None and folder.is_dir():
        versions[MODEL_FILES] = look_at_models(platform.estate)
    observe_now(context.op_execution_context.get_step_execution_context(), versions)


def show(
    context: dg.AssetExecutionContext,
    asset: str,
    days: DayRange | None,
    report: LoadReport,
    entries: Sequence[LedgerEntry],
    about_the_run: dict[str, Any],
) -> Iterator[LoadEvent]:
    """Materialize what is proven, give the check's verdict, and fail where this run left something unproven."""
    verdict = dg.AssetCheckResult(
        check_name=PROOF,
        passed=all(entry.proven for entry in entries) and report.proved,
        metadata=facts.proof_metadata(entries),
    )
    rows = sum(entry.rows for entry in entries)
    if days is None:
        metadata = _whole_metadata(entries, rows) | about_the_run
    else:
        metadata = materialize_days(context, asset, days, report, rows, about_the_run)
    if report.unproven:
        yield verdict
        unproven = [f"{item.partition} ({item.reason})" for item in report.unproven]
        raise dg.Failure(
            description=f"{asset}: not proven: {enumerate_some(unproven)}",
            metadata={**about_the_run, **facts.proof_metadata(entries)},
            allow_retries=False,
        )
    # of a table the fingerprint says whether it holds something else than before, whatever happened to its files
    version = dg.DataVersion(metadata["fingerprint"]) if days is None and metadata["fingerprint"] else None
    yield dg.MaterializeResult(metadata=metadata, check_results=[verdict], data_version=version)


def materialize_days(
    context: dg.AssetExecutionContext,
    asset: str,
    days: DayRange,
    report: LoadReport,
    rows: int,
    about_the_run: dict[str, Any],
) -> dict[str, Any]:
    """Materialize the days of this run that are proven and hold data; what was proven before is not logged twice.

    A day that is proven in the ledger and unknown to Dagster is logged too: a killed run may have lost its event.
    A backfill counts a day that it asked for and that was not materialized as failed: in a backfill all of its days
    are materialized, those that were proven before and those that are proven to be empty.

    Returns:
        the metadata of the step's own result.
    """
    key = key_of(asset)
    wanted = [day.isoformat() for day in days]
    with_data = {item.partition: item for item in report.verdicts if item.proven and item.rows > 0}
    asked_for = BACKFILL_TAG in context.run.tags and report.proved
    if not asked_for and any(item.skipped for item in with_data.values()):
        known = context.instance.get_materialized_partitions(key)
        with_data = {day: item for day, item in with_data.items() if not item.skipped or day not in known}
    last = max(with_data, default="")
    metadata = {
        partition: _day_metadata(with_data.get(partition), rows) | (about_the_run if partition == last else {})
        for partition in wanted
        if partition in with_data or asked_for
    }
    origin = made_from(context.op_execution_context.get_step_execution_context(), key)
    if report.proved and len(metadata) == len(wanted) and origin:
        # one result for the whole range goes to the event log in one batch
        for partition, described in metadata.items():
            context.add_asset_metadata(described, partition_key=partition)
        return {}
    log_together(
        context,
        [
            dg.AssetMaterialization(
                key,
                partition=partition,
                metadata=described,
                tags=origin | {DATA_VERSION: described.get("fingerprint", NO_ROWS)},
            )
            for partition, described in metadata.items()
        ],
    )
    return {**NO_OWN_EVENT, **about_the_run}


def log_together(context: dg.AssetExecutionContext, materializations: Sequence[dg.AssetMaterialization]) -> None:
    """What `context.log_event` does with each of them, as one batch: one by one they take longer than their load."""
    step = context.op_execution_context
    batch = generate_event_batch_id()
    for left, materialization in zip(range(len(materializations) - 1, -1, -1), materializations, strict=True):
        event = DagsterEvent.asset_materialization(
            step.get_step_execution_context(), materialization, DagsterEventBatchMetadata(batch, is_end=left == 0)
        )
        step._events.append(event)


def _whole_metadata(entries: Sequence[LedgerEntry], rows: int) -> dict[str, Any]:
    fingerprints = [entry.fingerprint for entry in entries if entry.partition == WHOLE]
    return {"dagster/row_count": rows, "fingerprint": fingerprints[0] if fingerprints else ""}


def _day_metadata(item: PartitionVerdict | None, rows: int) -> dict[str, Any]:
    if item is None:
        return {"dagster/partition_row_count": 0, "dagster/row_count": rows}
    return {
        "dagster/partition_row_count": item.rows,
        "dagster/row_count": rows,
        "fingerprint": item.fingerprint,
        "open": item.open,
    }


def enumerate_some(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
