"""The checks on every asset: one step per asset reads its data once, and gives a verdict on each thing expected of it.

They warn and never block; what blocks is the proof. They run by their own job at night, and with any asset that is
materialized from the UI; the job `migrate` leaves them out, so that a load takes no longer for them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from energy_platform.defs.clocks import schedule_status
from energy_platform.defs.loading import readable_failures
from energy_platform.defs.names import MODEL_FILES, assets_of, key_of, legacy_key
from energy_platform.defs.quality.window import SEEN, QualityWindow, days_to_check, seen_by
from energy_platform.defs.resources import PlatformResource
from energy_platform.defs.tables import TARGET_CONTRACTS
from energy_platform.domain.quality.checks import MEASURED, series_checks_of
from energy_platform.domain.quality.expectations import expectations_of
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate

if TYPE_CHECKING:
    from energy_platform.domain.quality.outcomes import Outcome
    from energy_platform.quality.subject import Subject

JOB = "quality"
#: After the nightly load, before the nightly verification.
BETWEEN_LOAD_AND_VERIFICATION = "0 3 * * *"

SOURCE_CHECKS = {
    "readable": "The file opens, has columns, and its first rows can be read.",
    "fresh": "A file that feeds a time series was written within the last 26 hours, as long as more is to come.",
}
MODEL_FOLDER_CHECKS = {"readable": "Every model file can be read statically to its end."}
CACHE_CHECKS = {
    "decodes": "Every key holds JSON of the kind that its readers expect.",
    "time_to_live": "Every key has a time to live.",
}
ARTIFACT_CHECKS = {"hash_matches": "Every registered model lies in the object store as its hash promises."}


def definitions(estate: Estate, settings: Settings) -> dg.Definitions:
    """The checks on every asset of the estate, the job that runs them all, and its schedule."""
    checks = [asset_checks(asset) for asset in assets_of(estate) if described(asset)] + source_checks(estate)
    job = dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.checks(*(key for each in checks for key in each.check_keys)),
        description="Looks at what is new in every store: expectations from the contracts, and how series behave.",
    )
    schedule = dg.ScheduleDefinition(
        name="nightly_quality",
        cron_schedule=BETWEEN_LOAD_AND_VERIFICATION,
        execution_timezone=str(estate.zone),
        job=job,
        default_status=schedule_status(settings),
        description="Looks at what the night has loaded.",
    )
    return dg.Definitions(
        asset_checks=checks,
        jobs=[job],
        schedules=[schedule],
        resources={"window": QualityWindow.configure_at_launch()},
    )


def described(asset: str) -> dict[str, str]:
    """The checks on an asset by name, and what each says."""
    if asset == "models/artifacts":
        return ARTIFACT_CHECKS
    place, name = asset.split("/", 1)
    if place == "redis":
        return CACHE_CHECKS
    contract = TARGET_CONTRACTS.get(asset)
    expected = {each.name: each.description for each in expectations_of(contract)} if contract is not None else {}
    return expected | (series_checks_of(name) if place == "timeseries" else {})


def asset_checks(asset: str) -> dg.AssetChecksDefinition:
    """The checks on one asset, in one step."""
    key = key_of(asset)
    specs = _specs(key, described(asset))

    @dg.multi_asset_check(name=f"quality_{asset.replace('/', '_')}", specs=specs, can_subset=True)
    def check(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource, window: QualityWindow
    ) -> Iterator[dg.AssetCheckResult]:
        with readable_failures():
            subject = subject_of(platform)
            days: dict[date, int] = {}
            further: dict[str, str] = {}
            if asset.startswith("timeseries/"):
                entries = subject.ledger(asset)
                asked_for = window.asked_for(dict(context.run.tags))
                days = days_to_check(entries, asked_for, seen_by(context.instance, specs[0].key))
                recorded = [entry.recorded_at for entry in entries if entry.recorded_at is not None]
                # days that somebody asked for by name say nothing of the others
                if asked_for is None and recorded:
                    further = {SEEN: max(recorded).isoformat()}
            outcomes = {outcome.name: outcome for outcome in look_at(subject, asset, days)}
        yield from _results(context, specs, {key: outcomes}, sorted(days), further)

    return check


def source_checks(estate: Estate) -> list[dg.AssetChecksDefinition]:
    """The checks on all files of the estate, in one step."""
    sources = {legacy_key(source.name): source for source in estate.sources}
    specs = [spec for key in sources for spec in _specs(key, SOURCE_CHECKS)]
    if estate.models_folder is not None:
        specs += _specs(MODEL_FILES, MODEL_FOLDER_CHECKS)
    if not specs:
        return []

    @dg.multi_asset_check(name="quality_sources", specs=specs, can_subset=True)
    def check(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> Iterator[dg.AssetCheckResult]:
        from energy_platform.quality.sources import check_model_folder, check_source

        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        found: dict[dg.AssetKey, Mapping[str, Outcome]] = {}
        with readable_failures():
            subject = subject_of(platform)
            for key, source in sources.items():
                if key in wanted:
                    outcomes = check_source(subject, source, fed_daily=source.target in MEASURED)
                    found[key] = {outcome.name: outcome for outcome in outcomes}
            if MODEL_FILES in wanted:
                found[MODEL_FILES] = {outcome.name: outcome for outcome in check_model_folder(subject)}
        yield from _results(context, specs, found, [], {})

    return [check]


def subject_of(platform: PlatformResource) -> "Subject":
    """The estate and its stores, as the checks know them."""
    from energy_platform.quality.subject import Subject

    opened = platform.opened()
    return Subject(
        opened.estate,
        opened.postgres,
        opened.timeseries,
        opened.cache,
        opened.objects,
        opened.contract,
        opened.now,
    )


def look_at(subject: "Subject", asset: str, days: Mapping[date, int]) -> list["Outcome"]:
    """The verdicts of all checks on an asset; for days see `check_measurement`."""
    from energy_platform.quality.derived import check_cache, check_model_artifacts
    from energy_platform.quality.measurements import check_measurement
    from energy_platform.quality.tables import check_table

    place, name = asset.split("/", 1)
    by_place: dict[str, Callable[[], list[Outcome]]] = {
        "timeseries": lambda: check_measurement(subject, name, days),
        "postgres": lambda: check_table(subject, name),
        "redis": lambda: check_cache(subject, asset),
        "models": lambda: check_model_artifacts(subject),
    }
    return by_place[place]()


def _specs(key: dg.AssetKey, checks: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=key, description=said) for name, said in checks.items()]


def _results(
    context: dg.AssetCheckExecutionContext,
    specs: Sequence[dg.AssetCheckSpec],
    found: Mapping[dg.AssetKey, Mapping[str, "Outcome"]],
    days: Sequence[date],
    further: Mapping[str, str],
) -> Iterator[dg.AssetCheckResult]:
    """The verdicts as Dagster shows them; what could not be looked at for want of data passes, and says so."""
    from energy_platform.defs.quality.metadata import outcome_metadata
    from energy_platform.domain.quality.outcomes import Outcome

    for spec in specs:
        if spec.key not in context.selected_asset_check_keys:
            continue
        nothing = Outcome(spec.name, passed=True, facts={"note": "There is no data to look at."})
        outcome = found[spec.asset_key].get(spec.name, nothing)
        if not outcome.passed:
            said = outcome.problem or f"{outcome.unexpected:,} of {outcome.checked:,}"
            context.log.warning("%s, %s: %s", spec.asset_key.to_user_string(), spec.name, said)
        yield dg.AssetCheckResult(
            asset_key=spec.asset_key,
            check_name=spec.name,
            passed=outcome.passed,
            severity=dg.AssetCheckSeverity.ERROR if outcome.severity == "error" else dg.AssetCheckSeverity.WARN,
            metadata={**outcome_metadata(outcome, days), **further},
        )
