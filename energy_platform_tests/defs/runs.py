"""Runs of the graph over a folder, and what the event log says after them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from energy_platform.defs.loading import BACKFILL_TAG, PROOF
from energy_platform.defs.maintenance.assets import RANGE_END, RANGE_START
from energy_platform.defs.names import key_of
from energy_platform.defs.resources import LoadLimits

EVALUATION = "ASSET_CHECK_EVALUATION"
FIRST, LAST = "2025-05-24", "2025-05-29"


@dataclass
class Runs:
    folder: Path
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def migrate(
        self,
        first: str = FIRST,
        last: str = LAST,
        *,
        assets: Sequence[str] = (),
        max_error_ratio: float = 1.0,
        max_series: int = 1_000_000,
        force: bool = False,
        backfill: str = "",
    ) -> dg.ExecuteInProcessResult:
        """Run the job over a range of days; of some assets only, where they are named."""
        job = self.definitions.resolve_job_def("migrate")
        if assets:
            # with their proofs, and not with every check of the repository
            keys = {key_of(asset) for asset in assets}
            proofs = {dg.AssetCheckKey(key, PROOF) for key in keys}
            job = job.get_subset(asset_selection=keys, asset_check_selection=proofs)
        return job.execute_in_process(
            run_config=dg.RunConfig(
                resources={"limits": LoadLimits(max_error_ratio=max_error_ratio, max_series=max_series, force=force)},
                loggers={"console": {"config": {"log_level": "CRITICAL"}}},
            ),
            instance=self.instance,
            raise_on_error=False,
            tags={RANGE_START: first, RANGE_END: last} | ({BACKFILL_TAG: backfill} if backfill else {}),
        )

    def verify(self) -> dg.ExecuteInProcessResult:
        """Run the job that compares all again."""
        return self.definitions.resolve_job_def("verify").execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            instance=self.instance,
            raise_on_error=False,
        )

    def materialized(self, asset: str) -> set[str]:
        """The partitions that Dagster shows as materialized."""
        return self.instance.get_materialized_partitions(key_of(asset))

    def events(self, asset: str) -> Counter[str | None]:
        """How many materializations each partition has."""
        records = self.instance.fetch_materializations(key_of(asset), limit=1000).records
        return Counter(record.partition_key for record in records)

    def check(self, asset: str) -> dg.AssetCheckEvaluation | None:
        """The last verdict of the asset's check."""
        key = dg.AssetCheckKey(key_of(asset), "proof")
        record = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        event = record[0].event if record else None
        if event is None or event.dagster_event is None or event.dagster_event.event_type_value != EVALUATION:
            return None
        return event.dagster_event.asset_check_evaluation_data

    def log_lines(self, result: dg.ExecuteInProcessResult, asset: str) -> list[str]:
        """What the step of an asset said in the log of its run."""
        step = asset.replace("/", "__")
        entries = self.instance.all_logs(result.run_id)
        return [entry.user_message for entry in entries if entry.step_key == step and not entry.is_dagster_event]

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Change or ask the estate's SQLite file behind the platform's back."""
        with sqlite3.connect(self.folder / "sensor_readings.db") as connection:
            return connection.execute(statement).fetchall()


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What each failed step said."""
    said = {}
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            told = event.step_failure_data.user_failure_data
            error = event.step_failure_data.error
            said[str(event.step_key).replace("__", "/")] = (
                str(told.description) if told else error.to_string() if error else ""
            )
    return said
