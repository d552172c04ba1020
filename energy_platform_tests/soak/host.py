"""A Dagster instance with a code server, as behind the UI: launches runs, and looks after them as its daemon does."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._cli.job import _create_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from energy_platform_tests.promises.pipeline import ROOT

_LOG = logging.getLogger(__name__)
_SECONDS = 120.0


class Host:
    """What the UI and the daemon share.

    Attributes:
        instance: whose state is in PostgreSQL, as dagster.yaml says.
    """

    def __init__(self, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self.instance = instance
        self._workspace = workspace
        self._retries = EventLogConsumerDaemon()

    def launch(self, job: str, tags: Mapping[str, str], config: Mapping[str, object]) -> str:
        """Launch a run as the UI does; gives its id."""
        context = self._workspace.create_request_context()
        location = context.get_code_location("energy_platform")
        repository = next(iter(location.get_repositories().values()))
        remote = repository.get_full_job(job)
        run = _create_run(self.instance, location, repository, remote, config, tags, None, None)
        self.instance.launch_run(run.run_id, context)
        return run.run_id

    def look_after_runs(self) -> None:
        """One round of each daemon that runs are in the care of."""
        list(execute_run_monitoring_iteration(self._workspace, _LOG))
        list(self._retries.run_iteration(self._workspace))
        with QueuedRunCoordinatorDaemon(interval_seconds=1) as queue:
            list(queue.run_iteration(self._workspace))

    def ended(self, run_id: str) -> dg.DagsterRunStatus:
        """The status of a run once it is over, after rounds of the daemons."""
        deadline = time.monotonic() + _SECONDS
        while True:
            run = self.instance.get_run_by_id(run_id)
            assert run is not None
            if run.is_finished:
                return run.status
            assert time.monotonic() < deadline, f"{run_id} is {run.status} for ever"
            self.look_after_runs()
            time.sleep(0.2)

    def retry_of(self, run_id: str) -> str:
        """The run that was launched by itself after this one had crashed."""
        deadline = time.monotonic() + _SECONDS
        while True:
            found = self.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run_id}))
            if found:
                return found[0].run_id
            assert time.monotonic() < deadline, f"nobody tries {run_id} again"
            self.look_after_runs()
            time.sleep(0.2)

    def materialized(self) -> dict[str, set[str]]:
        """By asset the partitions that are materialized; `all` where it has none."""
        found: dict[str, set[str]] = {}
        for key in self.instance.get_asset_keys():
            if self.instance.get_latest_materialization_event(key) is not None:
                found["/".join(key.path)] = self.instance.get_materialized_partitions(key) or {"all"}
        return found


@contextmanager
def opened_host() -> Iterator[Host]:
    """A host in this process' environment, with a code server of its own."""
    with dg.DagsterInstance.get() as instance:
        target = WorkspaceFileTarget([str(ROOT / "workspace.yaml")])
        with WorkspaceProcessContext(instance, target) as workspace:
            host = Host(instance, workspace)
            # what happened before is nobody's concern any more
            host.look_after_runs()
            yield host


def server_of(worker: int) -> int:
    """The code server that a run's process was started by."""
    status = Path(f"/proc/{worker}/stat").read_text(encoding="ascii")
    return int(status.rpartition(")")[2].split()[1])


def grpc_place(run: dg.DagsterRun) -> Mapping[str, object]:
    """Where the code server of a run listens."""
    return json.loads(run.tags["dagster/grpc_info"])
