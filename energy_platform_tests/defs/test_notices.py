"""A failed run that a clock has started is told of once, with its reason; one started by hand is not."""

from __future__ import annotations

import dagster as dg
import pytest

from energy_platform.defs.maintenance.notices import WILL_RETRY, failure_notices, reason_of
from energy_platform.notices import notifier
from energy_platform.notices.notifier import Notice
from energy_platform.settings import Settings, get_settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
BY_NIGHT = {"dagster/schedule_name": "nightly_load", "dagster/asset_partition_range_start": "2025-05-20"}


@dg.op(name="timeseries__sensor_data")
def bad_day() -> None:
    raise dg.Failure("timeseries/sensor_data: not proven: 2025-05-20", allow_retries=False)


@dg.op
def broken() -> None:
    raise ValueError("no such thing")


@dg.job
def migrate() -> None:
    bad_day()
    broken()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    """What would be sent."""
    sent: list[Notice] = []

    def keep(_settings: Settings, notice: Notice, **_options: object) -> list[str]:
        sent.append(notice)
        return ["webhook"]

    monkeypatch.setattr(notifier, "notify", keep)
    get_settings.cache_clear()
    return sent


def fail(tags: dict[str, str]) -> tuple[dg.RunFailureSensorContext, str]:
    instance = dg.DagsterInstance.ephemeral()
    result = migrate.execute_in_process(run_config=QUIET, instance=instance, tags=tags, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_notices",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()
    return context, result.run_id


def test_a_run_of_a_clock_is_told_of_with_the_reason_of_each_step(told: list[Notice]) -> None:
    context, run_id = fail(BY_NIGHT)

    failure_notices(Settings())(context)

    assert [(notice.subject, dict(notice.facts)) for notice in told] == [
        (
            "Energy Platform (local): the run of nightly_load failed",
            {"job": "migrate", "started_by": "nightly_load", "days": "2025-05-20", "run_id": run_id},
        )
    ]
    assert sorted(told[0].reason.splitlines()) == [
        "broken: ValueError: no such thing",
        "timeseries/sensor_data: not proven: 2025-05-20",
    ]


@pytest.mark.parametrize("tags", [{}, {**BY_NIGHT, WILL_RETRY: "true"}], ids=["by hand", "will be tried again"])
def test_others_are_not(told: list[Notice], tags: dict[str, str]) -> None:
    context, _ = fail(tags)

    failure_notices(Settings())(context)

    assert told == []


def test_a_run_whose_process_died_has_a_reason_too() -> None:
    instance = dg.DagsterInstance.ephemeral()
    run = instance.create_run_for_job(migrate)
    event = instance.report_run_failed(run, "The process of the run is gone.")
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_notices", dagster_instance=instance, dagster_run=run, dagster_event=event
    ).for_run_failure()

    assert reason_of(context) == "The process of the run is gone."


def test_it_runs_by_itself() -> None:
    assert failure_notices(Settings()).default_status is dg.DefaultSensorStatus.RUNNING
