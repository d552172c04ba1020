"""What Dagster remembers: old runs, events and ticks go, and nothing that a status is made of.

The status of a partition is its last materialization event, so that deleting the run of that event would empty it. Runs
that hold the last event of a partition, or the last verdict of a check, stay; of old ones only their log lines go.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from pydantic import Field

from energy_platform.defs.loading import PROOF
from energy_platform.defs.names import OWNERS
from energy_platform.domain.errors import ProofError
from energy_platform.settings import get_settings

if TYPE_CHECKING:
    from dagster._core.storage.event_log import SqlEventLogStorage

GROUP = "maintenance"
HISTORY = dg.AssetKey(["maintenance", "history"])

_Type = dg.DagsterEventType
#: What statuses, data versions and freshness are made of.
_STATUS_TYPES = (
    _Type.ASSET_MATERIALIZATION,
    _Type.ASSET_MATERIALIZATION_PLANNED,
    _Type.ASSET_FAILED_TO_MATERIALIZE,
    _Type.ASSET_OBSERVATION,
    _Type.ASSET_CHECK_EVALUATION,
    _Type.ASSET_CHECK_EVALUATION_PLANNED,
)
#: What the page of a run shows at the least: that it ran, and how it ended.
_RUN_TYPES = (_Type.RUN_START, _Type.RUN_SUCCESS, _Type.RUN_FAILURE, _Type.RUN_CANCELED, _Type.STEP_FAILURE)
_KEPT_TYPES = [kind.value for kind in (*_STATUS_TYPES, *_RUN_TYPES)]


@dataclass(slots=True)
class Pruned:
    """What went, and what stayed for the sake of a status.

    Attributes:
        runs: old runs that went with all their events.
        kept: old runs that hold a status.
        log_lines: events of those that went.
        ticks: of schedules and sensors that went.
    """

    runs: int = 0
    kept: int = 0
    log_lines: int = 0
    ticks: int = 0


class HistoryConfig(dg.Config):
    """What is pruned."""

    keep_days: int = Field(default=0, ge=0, description="Age in days; 0: what ENERGY_KEEP_RUNS_DAYS says.")


def prune(instance: dg.DagsterInstance, before: datetime) -> Pruned:
    """Remove runs that were created before a time, with their events and logs, and ticks of that age.

    Raises:
        ProofError: a status is not what it was.
    """
    statuses = statuses_of(instance)
    pruned = Pruned()
    holding = runs_with_a_status(instance)
    for run_id in instance.get_run_ids(dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)):
        if run_id in holding:
            pruned.kept += 1
            pruned.log_lines += _prune_log_lines(instance, run_id)
        else:
            pruned.runs += 1
            instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    pruned.ticks = _prune_ticks(instance, before)
    now = statuses_of(instance)
    changed = [key for key in statuses if not statuses[key] <= now.get(key, frozenset())]
    if changed:
        raise ProofError(
            f"The status of {', '.join(sorted(changed))} is not what it was before.",
            where="Dagster's history",
            remedy="Materialize what is missing again (nothing is written twice), and report this.",
        )
    return pruned


def runs_with_a_status(instance: dg.DagsterInstance) -> set[str]:
    """Ids of runs that hold the last event of its kind of a partition, or the last verdict of a check."""
    # the storage's tables bring SQLAlchemy and Alembic along, which definitions need not wait for
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
    from sqlalchemy import func, select

    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    last_events = (
        select(func.max(events.id))
        .where(events.asset_key.is_not(None))
        .group_by(events.asset_key, events.partition, events.dagster_event_type)
    )
    last_checks = select(func.max(checks.id)).group_by(
        checks.asset_key, checks.check_name, checks.partition, checks.execution_status
    )
    with _storage(instance).index_connection() as connection:
        of_events = connection.execute(select(events.run_id).where(events.id.in_(last_events)).distinct()).scalars()
        holding = {str(run_id) for run_id in of_events}
        of_checks = connection.execute(select(checks.run_id).where(checks.id.in_(last_checks)).distinct()).scalars()
        return holding | {str(run_id) for run_id in of_checks}


def statuses_of(instance: dg.DagsterInstance) -> dict[str, frozenset[str]]:
    """What Dagster shows of each asset: materialized partitions, its last materialization, verdicts of its checks."""
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
    from sqlalchemy import func, select

    shown: dict[str, frozenset[str]] = {}
    storage = instance.event_log_storage
    for key in instance.all_asset_keys():
        by_partition = storage.get_latest_storage_id_by_partition(key, _Type.ASSET_MATERIALIZATION)
        facts = {f"{partition} {number}" for partition, number in by_partition.items()}
        facts |= {f"materialized {partition}" for partition in storage.get_materialized_partitions(key)}
        last = instance.get_latest_materialization_event(key)
        facts |= {f"last {last.run_id}"} if last is not None else set()
        shown[key.to_user_string()] = frozenset(facts)
    checks = AssetCheckExecutionsTable.c
    with _storage(instance).index_connection() as connection:
        last_checks = select(func.max(checks.id)).group_by(checks.asset_key, checks.check_name, checks.partition)
        rows = connection.execute(
            select(checks.asset_key, checks.check_name, checks.partition, checks.execution_status, checks.run_id).where(
                checks.id.in_(last_checks)
            )
        ).fetchall()
    for asset, check, partition, status, run_id in rows:
        shown[f"{check} of {asset} {partition or ''}"] = frozenset({f"{status} {run_id}"})
    return shown


def history_asset() -> dg.AssetsDefinition:
    """What Dagster remembers, without what is too old."""

    @dg.asset(
        key=HISTORY,
        group_name=GROUP,
        kinds={"python"},
        owners=OWNERS,
        description="What Dagster remembers of runs, events and ticks. What is older than `ENERGY_KEEP_RUNS_DAYS` "
        "goes, but for what the status of a partition or of a check is made of.",
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(PROOF, asset=HISTORY, description="The status of every partition is what it was before.")
        ],
    )
    def history(context: dg.AssetExecutionContext, config: HistoryConfig) -> dg.MaterializeResult:
        keep_days = config.keep_days or get_settings().keep_runs_days
        before = datetime.now().astimezone() - timedelta(days=keep_days)
        try:
            pruned = prune(context.instance, before)
        except ProofError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        metadata = {
            "before": before.isoformat(timespec="seconds"),
            "runs_removed": pruned.runs,
            "runs_kept_for_a_status": pruned.kept,
            "log_lines_removed": pruned.log_lines,
            "ticks_removed": pruned.ticks,
        }
        return dg.MaterializeResult(
            metadata=metadata, check_results=[dg.AssetCheckResult(check_name=PROOF, passed=True, metadata=metadata)]
        )

    return history


def _storage(instance: dg.DagsterInstance) -> "SqlEventLogStorage":
    from dagster._core.storage.event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    return storage


def _prune_log_lines(instance: dg.DagsterInstance, run_id: str) -> int:
    """Remove what a run said, but not what a status or the page of the run is made of."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
    from sqlalchemy import and_, or_

    events = SqlEventLogStorageTable.c
    said = SqlEventLogStorageTable.delete().where(
        and_(
            events.run_id == run_id,
            or_(events.dagster_event_type.is_(None), events.dagster_event_type.not_in(_KEPT_TYPES)),
        )
    )
    with _storage(instance).run_connection(run_id) as connection:
        return connection.execute(said).rowcount


def _prune_ticks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Remove ticks of that age; the last one of each clock says from when on it owes something, and stays."""
    removed = 0
    for state in instance.all_instigator_state():
        origin, selector = state.instigator_origin_id, state.selector_id
        last = instance.get_ticks(origin, selector, limit=1)
        if not last:
            continue
        until = min(before.timestamp(), last[0].timestamp)
        old = instance.get_ticks(origin, selector, before=until)
        if old:
            for tick in old:
                if tick.log_key:
                    instance.compute_log_manager.delete_logs(log_key=tick.log_key)
            instance.purge_ticks(origin, selector, until)
            removed += len(old)
    return removed
