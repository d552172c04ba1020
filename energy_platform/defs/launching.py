"""Runs whose process has died: noticed, failed, and their slots in the pools given back.

Dagster's default launcher does not look after runs once their code server is gone: such a run stays "started" for ever,
and with it its place in the queue and its slots in the pools. dagster.yaml names the class here; Dagster's run
monitoring then asks it, fails such runs, and tries them again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

#: Stands on a run that a command executes itself: machine, process number, and when that process was started.
PROCESS_TAG: Final = "energy_platform/process"

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 10


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs as Dagster does by default, and knows whether they are still at work."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a run lives: by its code server, or by its number where a command executes it."""
        process = run.tags.get(PROCESS_TAG)
        if process is not None:
            if _has_ended(process):
                return CheckRunHealthResult(WorkerStatus.FAILED, "The command that executed the run has died.")
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "Nobody knows where it was launched.")
        request = CanCancelExecutionRequest(run_id=run.run_id)
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            try:
                answer = client.can_cancel_execution(request, timeout=_ANSWER_SECONDS)
            except DagsterUserCodeUnreachableError as error:
                if _is_too_slow(error):
                    return CheckRunHealthResult(WorkerStatus.RUNNING, "The code server is busy.")
                continue
            if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The code server does not execute the run any more.")
        return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that executed the run is gone.")


def process_tags() -> dict[str, str]:
    """The tag of a run that this very process executes."""
    return {PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} {_started(os.getpid())}"}


def give_up_dead_runs(instance: DagsterInstance) -> int:
    """Fail the runs whose process has died, and give back what ended runs hold of the pools; returns how many failed.

    Where Dagster's daemon runs, it does the same. Where none does, a command would wait for such a slot for ever.
    """
    given_up = 0
    launcher = instance.run_launcher
    if launcher.supports_check_run_worker_health:
        for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
            found = launcher.check_run_worker_health(run)
            current = instance.get_run_by_id(run.run_id)
            alive = found.status in {WorkerStatus.RUNNING, WorkerStatus.SUCCESS}
            if not alive and current is not None and current.status is DagsterRunStatus.STARTED:
                instance.report_run_failed(run, found.msg)
                given_up += 1
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids():
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
    return given_up


def _has_ended(process: str) -> bool:
    """Whether a process of this machine has ended; of another machine's nothing is known."""
    host, number, started = process.split(" ", 2)
    return host == socket.gethostname() and _started(int(number)) != started


def _started(number: int) -> str:
    """When a process was started, in words that no other process with this number has; empty where it has ended."""
    status, boot = Path(f"/proc/{number}/stat"), Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        try:
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        # a dead one that its parent has not asked for yet
        return "" if fields[0] == "Z" else f"{fields[19]} {boot.read_text(encoding='ascii').strip()}"
    shown = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(number)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    return shown.stdout.strip()


def _is_too_slow(error: DagsterUserCodeUnreachableError) -> bool:
    cause = error.__cause__
    return isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # pyright: ignore[reportAttributeAccessIssue]
