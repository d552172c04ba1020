"""The sensors of new data: what each look at the estate's files found becomes runs, a cursor, and a line in the log.

What has changed, which days it touches and when to ask again is decided in `transfer/arrivals`.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from energy_platform.defs.clocks import sensor_status
from energy_platform.defs.loading import PROOF
from energy_platform.defs.names import DERIVED, assets_of, key_of
from energy_platform.defs.partitions import RANGE_END, RANGE_START
from energy_platform.defs.resources import PlatformResource
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate

if TYPE_CHECKING:
    from energy_platform.transfer.arrivals.asking import RunState
    from energy_platform.transfer.arrivals.looking import Look, RunWanted, Watch
    from energy_platform.transfer.context import Platform

#: The job that such a run is a part of.
JOB = "migrate"
RUN_KEY = "dagster/run_key"
#: Says in the list of runs what a run was asked for.
ARRIVED = "energy/arrived"


def new_days(estate: Estate, settings: Settings, measurement: str, after: Sequence[str]) -> list[dg.SensorDefinition]:
    """The sensor that asks for the days of a measurement that new rows touch; none where nothing feeds it.

    Args:
        estate: what there is.
        settings: how often, and whether by itself.
        measurement: its name.
        after: assets that follow from the same rows and go first in the same run.
    """
    asset = f"timeseries/{measurement}"
    present = assets_of(estate)
    if asset not in present:
        return []
    derived = [name for name in present if name in after]

    def watch(platform: "Platform") -> "Watch":
        from energy_platform.transfer.arrivals.days import DaysWatch

        return DaysWatch(platform, measurement)

    return [
        _sensor(
            f"new_{measurement}",
            settings,
            watch,
            lambda _run: [*derived, asset],
            f"Asks for exactly those days of `{asset}` whose rows have changed, late rows included: "
            "a run for each stretch of days.",
        )
    ]


def new_tables(estate: Estate, settings: Settings, name: str, assets: Sequence[str]) -> list[dg.SensorDefinition]:
    """The sensor that asks for tables whose own files have changed; none where none of them has a file."""
    fed = set(estate.targets())
    present = assets_of(estate)
    watched = [asset for asset in assets if asset in present and asset.partition("/")[2] in fed]
    if not watched:
        return []
    first = [asset for asset in present if asset in derived_tables()]

    def watch(platform: "Platform") -> "Watch":
        from energy_platform.transfer.arrivals.wholes import TablesWatch

        return TablesWatch(platform, name, watched)

    return [
        _sensor(
            f"new_{name}",
            settings,
            watch,
            lambda run: unique_names([*first, *run.partitions]),
            f"Asks for those of {', '.join(f'`{asset}`' for asset in watched)} whose files have changed.",
        )
    ]


def new_models(estate: Estate, settings: Settings) -> list[dg.SensorDefinition]:
    """The sensor that asks for the models when a PKL file has come or changed; none where there is no folder."""
    if estate.models_folder is None:
        return []

    def watch(platform: "Platform") -> "Watch":
        from energy_platform.transfer.arrivals.wholes import ModelsWatch

        return ModelsWatch(platform)

    return [
        _sensor(
            "new_models",
            settings,
            watch,
            lambda _run: ["postgres/tenants", "models/artifacts", "postgres/models"],
            "Asks for the models when a PKL file has come or has changed.",
        )
    ]


def derived_tables() -> list[str]:
    """The tables that follow from any rows, in the order of loading."""
    return [f"postgres/{name}" for name in ("tenants", "buildings", "sensors") if name in DERIVED]


def unique_names(names: Sequence[str]) -> list[str]:
    """Each name once, in order."""
    return list(dict.fromkeys(names))


def _sensor(
    name: str,
    settings: Settings,
    watch: "Callable[[Platform], Watch]",
    assets: "Callable[[RunWanted], Sequence[str]]",
    description: str,
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        job_name=JOB,
        minimum_interval_seconds=settings.arrivals_seconds,
        default_status=sensor_status(settings),
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult:
        from energy_platform.transfer.arrivals.looking import look

        started = time.monotonic()
        opened = platform.opened()
        found = look(
            watch(opened),
            context.cursor,
            lambda key: run_state(context.instance, name, key),
            settle_seconds=opened.settings.settle_seconds,
            now=seconds_now(),
        )
        line = f"{found.summary}; looked for {time.monotonic() - started:.1f} s"
        # a log is a file, and a quiet tick says the same in its reason
        if not found.is_quiet:
            (context.log.warning if found.problems else context.log.info)(line)
        for file, problem in found.problems.items():
            context.log.warning("%s cannot be read, and is looked at again: %s", file, problem)
        requests = [run_request(run, assets(run)) for run in found.runs]
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=found.cursor)
        return dg.SensorResult(skip_reason=skip_reason(found, line), cursor=found.cursor)

    return sensor


def seconds_now() -> float:
    """Seconds since 1970."""
    return time.time()


def run_request(run: "RunWanted", assets: Sequence[str]) -> dg.RunRequest:
    """A run for these assets, over the days that are touched."""
    days = {} if run.days is None else {RANGE_START: run.days.first.isoformat(), RANGE_END: run.days.last.isoformat()}
    told = f"{run.partitions[0]} to {run.partitions[-1]}" if len(run.partitions) > 1 else "".join(run.partitions)
    return dg.RunRequest(
        run_key=run.key,
        asset_selection=[key_of(asset) for asset in assets],
        # without these all checks would run, those of quality too
        asset_check_keys=[dg.AssetCheckKey(key_of(asset), PROOF) for asset in assets],
        tags={**days, ARRIVED: told},
    )


def skip_reason(found: "Look", line: str) -> str:
    """Why nothing is asked for."""
    if found.problems:
        return f"A file cannot be read: nothing is asked for on its behalf. {line}"
    if found.waiting:
        return f"Waits until nobody writes any more. {line}"
    if found.under_way:
        return f"Waits for what was asked for. {line}"
    return f"Nothing new. {line}"


def run_state(instance: dg.DagsterInstance, sensor: str, key: str) -> "RunState":
    """What became of the run that a sensor asked for with a key; of its last retry, where there were some."""
    tags = {RUN_KEY: key, "dagster/sensor_name": sensor}
    records = instance.get_run_records(dg.RunsFilter(tags=tags), limit=1)
    if not records:
        return "unknown"
    return "ended" if records[0].dagster_run.is_finished else "under way"
