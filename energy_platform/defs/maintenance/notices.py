"""Failures of runs that nobody watches: each is told once, with its reason."""

import dagster as dg

from energy_platform.defs.clocks import sensor_status
from energy_platform.settings import Settings, get_settings

#: One of these stands on every run that a clock has started.
CLOCK_TAGS = ("dagster/schedule_name", "dagster/sensor_name")
WILL_RETRY = "dagster/will_retry"
#: Set by hand on a run whose failure is to be told too.
TELL = "energy/notify"


def failure_notices(settings: Settings) -> dg.SensorDefinition:
    """The sensor that tells of each failed run that a schedule or a sensor has started."""

    @dg.run_failure_sensor(
        name="failure_notices",
        minimum_interval_seconds=settings.arrivals_seconds,
        default_status=sensor_status(settings),
        description="Tells of every failed run that a schedule or a sensor started, once, with the reason: by webhook "
        "and e-mail where settings name them, else in the log.",
    )
    def sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        clock = next((run.tags[tag] for tag in CLOCK_TAGS if tag in run.tags), "")
        if not clock and run.tags.get(TELL) != "true":
            return dg.SkipReason("Somebody started it by hand, and sees it.")
        if run.tags.get(WILL_RETRY) == "true":
            return dg.SkipReason("It is tried again by itself; the last attempt is told of.")
        from energy_platform.notices.notifier import Notice, notify

        now = get_settings()
        days = "/".join(
            dict.fromkeys(
                run.tags[tag]
                for tag in ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
                if tag in run.tags
            )
        )
        ways = notify(
            now,
            Notice(
                f"Energy Platform ({now.environment}): the run of {clock or run.job_name} failed",
                reason_of(context),
                {"job": run.job_name, "started_by": clock, "days": days, "run_id": run.run_id},
            ),
        )
        context.log.info(f"told by {', '.join(ways)}")  # noqa: G004
        return None

    return sensor


def reason_of(context: dg.RunFailureSensorContext) -> str:
    """What each failed step said; where no step failed, what is known of the run."""
    said: list[str] = []
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        told = data.user_failure_data.description if data.user_failure_data else None
        if not told and data.error is not None:
            cause = data.error.cause or data.error
            told = cause.message.strip()
        step = (event.step_key or "").replace("__", "/")
        # most loads name their asset themselves
        said.append(f"{step}: {(told or 'it did not say why').removeprefix(f'{step}: ')}")
    return "\n".join(said) or context.failure_event.message or "The process of the run ended before it could say why."
