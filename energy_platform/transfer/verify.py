"""Verification: every source against every target again, the whole target included.

A point that no source accounts for fails it, in whatever year, building or field it stands. What is found to differ is
marked unproven in the ledger, so that the next load repairs what can be repaired by loading.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

import polars as pl

from energy_platform.domain.accounts import UNDATED, WHOLE
from energy_platform.domain.contracts import Measurement
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.summaries import Summary
from energy_platform.domain.tables import TABLES
from energy_platform.stores.postgres import claims, ledger, quarantine
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.transfer.assets import assets_of
from energy_platform.transfer.building_cache import (
    LATEST,
    NOTIFICATIONS,
    cache_problems,
    expected_latest,
    expected_notifications,
)
from energy_platform.transfer.context import Platform
from energy_platform.transfer.model_files import ARTIFACTS, model_rows
from energy_platform.transfer.options import DEFAULT_OPTIONS, Log, silent
from energy_platform.transfer.progress import Progress, Step
from energy_platform.transfer.reading.mapping import DAY
from energy_platform.transfer.reports.verdicts import accounts_in, source_summaries_in, summary_in, total_accounts
from energy_platform.transfer.retirement import doubt
from energy_platform.transfer.scanning.survey import look_afresh, retirement_warnings, source_versions
from energy_platform.transfer.tables.load import ExpectedTable, standing_summary, table_summary
from energy_platform.transfer.timeseries.judged import JudgedChunks, judge_all, points_of
from energy_platform.transfer.timeseries.load import REFUSED_BY_STORE, mapping_rules
from energy_platform.transfer.timeseries.plan import check_zone
from energy_platform.transfer.timeseries.proof import explain, target_summaries
from energy_platform.transfer.timeseries.staging import Staging


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that verification found wrong.

    Attributes:
        asset: the target, e.g. `timeseries/sensor_data`.
        source: the sources that feed it, by name.
        partition: ISO day, `undated` or `all`.
        reason: what is wrong, and what to do where that is known.
    """

    asset: str
    source: str
    partition: str
    reason: str


@dataclass(slots=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        findings: empty where everything is as it should be.
        warnings: retired sources and the like.
        assets: names of the assets that were looked at.
        seconds: wall time.
    """

    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def proved(self) -> bool:
        """Go or no-go."""
        return not self.findings


def verify(platform: Platform, log: Log = silent, progress: Progress | None = None) -> VerifyReport:
    """Compare all sources of the estate with all targets.

    Args:
        platform: the estate and its stores.
        log: told what is looked at, a line at a time.
        progress: told of rows as they are read and proven.
    """
    started = time.monotonic()
    report = VerifyReport()
    look_afresh(platform.estate, platform.now, platform.scans_folder)
    for asset in assets_of(platform.estate):
        log(f"verifying {asset}")
        place, name = asset.split("/", 1)
        if place == "timeseries":
            findings = _verify_measurement(platform, name, report, progress)
        elif place == "postgres":
            findings = _verify_table(platform, name, report, progress)
        elif asset == ARTIFACTS:
            findings = _verify_models(platform)
        else:
            findings = _verify_cache(platform, asset)
        _mark_unproven(platform, asset, findings)
        report.assets.append(asset)
        report.findings += findings
    report.findings += _verify_unfed(platform, set(report.assets))
    report.findings += _verify_quarantine(platform)
    report.seconds = time.monotonic() - started
    return report


@contextmanager
def expected_points(
    platform: Platform,
    name: str,
    retired: set[str],
    progress: Progress | None = None,
    days: Collection[date] | None = None,
) -> Iterator[tuple[Measurement, JudgedChunks]]:
    """The points that the sources of a measurement account for, of some local days or of all (None), judged.

    Temporary files go when the block ends.
    """
    rules = mapping_rules(platform, name)
    contract = cast(Measurement, rules.contract)
    settings, asset = platform.settings, f"timeseries/{name}"
    with Staging(rules, days, settings.spill_rows, sys.maxsize) as staging:
        for spec in platform.estate.sources_of(name):
            if spec.name not in retired:
                position = platform.estate.position_of(spec)
                staging.read(spec, position, settings.batch_rows, asset=asset, progress=progress)
        yield contract, judge_all(staging)


def expected_summaries(
    platform: Platform, name: str, retired: set[str], progress: Progress | None = None
) -> dict[str, Summary]:
    """What the target must hold, by partition, of the sources that are there."""
    expected: dict[str, Summary] = {}
    with expected_points(platform, name, retired, progress) as (contract, judged):
        for rows, _ in judged.chunks():
            points = points_of(rows, judged.series, contract)
            for (day,), summary in Summary.of_points(points, contract, rows.select(DAY)).items():
                partition = cast(date, day).isoformat()
                expected[partition] = expected.get(partition, Summary()) + summary
    return expected


def _verify_measurement(
    platform: Platform, name: str, report: VerifyReport, progress: Progress | None
) -> list[Finding]:
    asset = f"timeseries/{name}"
    specs = platform.estate.sources_of(name)
    entries, retired = _ledger_and_retired(platform, asset, report)
    check_zone(platform.estate, entries.get(UNDATED))
    contract = cast(Measurement, platform.contract(name))
    tenants = platform.tenants()
    expected = expected_summaries(platform, name, retired, progress)
    for entry in entries.values():
        for source, summary in source_summaries_in(entry).items():
            if source in retired:
                expected[entry.partition] = expected.get(entry.partition, Summary()) + summary
        if any(REFUSED_BY_STORE in account.reasons for account in accounts_in(entry).values()):
            # which points the store did not take is known to the load alone
            expected[entry.partition] = summary_in(entry)
    with platform.postgres.connection() as connection:
        others = claims.others(connection, platform.estate.code, name, tenants)

    def proving(rows: int) -> None:
        if progress is not None:
            progress(Step(asset, "proving", asset, rows))

    summaries = target_summaries(platform, contract, tenants, others, progress=proving)
    found = {day.isoformat(): summary for day, summary in summaries.items()}
    sources = ", ".join(spec.name for spec in specs)
    findings: list[Finding] = []
    for partition in sorted({*expected, *found, *(key for key in entries if key != UNDATED)}):
        entry = entries.get(partition)
        ours, theirs = expected.get(partition, Summary()), found.get(partition, Summary())
        gone = retired & accounts_in(entry).keys() if entry is not None else set[str]()
        reason = doubt(explain(ours.differences(theirs), ours, theirs), gone)
        if entry is not None and entry.reason.startswith("withheld"):
            reason = entry.reason
        elif not reason and entry is None:
            reason = "the ledger holds no proof of this day: run `energy-platform migrate`"
        elif not reason and entry is not None and not entry.proven:
            reason = entry.reason
        if reason:
            findings.append(Finding(asset, sources, partition, reason))
    return findings


def _verify_table(platform: Platform, name: str, report: VerifyReport, progress: Progress | None) -> list[Finding]:
    asset = f"postgres/{name}"
    entries, retired = _ledger_and_retired(platform, asset, report)
    entry = entries.get(WHOLE)
    sources = ", ".join(spec.name for spec in platform.estate.sources_of(name)) or "derived from the data"
    if entry is None:
        return [Finding(asset, sources, WHOLE, "the ledger holds no proof: run `energy-platform migrate`")]
    estate, contract = platform.estate.code, TABLES[name]
    with (
        ExpectedTable(platform, name, replace(DEFAULT_OPTIONS, progress=progress), retired) as expected,
        platform.postgres.connection() as connection,
    ):
        # rows that another estate has loaded first do not stand under this estate's name
        ours = standing_summary(connection, expected, estate, entry, retired)
        found = table_summary(connection, contract, platform.tenants(), estate)
    gone = retired & accounts_in(entry).keys()
    reason = doubt(explain(ours.differences(found), ours, found), gone) or entry.reason
    return [Finding(asset, sources, WHOLE, reason)] if reason else []


def _verify_unfed(platform: Platform, fed: set[str]) -> list[Finding]:
    """Points and rows of the estate's tenants where no source of the estate feeds anything."""
    tenants, estate = platform.tenants(), platform.estate.code
    nobody = "no source of this estate"
    findings: list[Finding] = []
    with platform.postgres.connection() as connection:
        for name, table in TABLES.items():
            if f"postgres/{name}" not in fed and (rows_found := table_summary(connection, table, tenants, estate).rows):
                reason = f"{rows_found} rows that no source accounts for"
                findings.append(Finding(f"postgres/{name}", nobody, WHOLE, reason))
    for name, measurement in MEASUREMENTS.items():
        if f"timeseries/{name}" in fed:
            continue
        with platform.postgres.connection() as connection:
            others = claims.others(connection, estate, name, tenants)
        for day, summary in target_summaries(platform, measurement, tenants, others).items():
            reason = f"{summary.rows} points that no source accounts for"
            findings.append(Finding(f"timeseries/{name}", nobody, day.isoformat(), reason))
    return findings


def _verify_models(platform: Platform) -> list[Finding]:
    folder = platform.estate.models_folder
    findings: list[Finding] = []
    stored = platform.objects.keys()
    present = {key.rsplit("/", 1)[-1]: key for key in stored}
    for row in model_rows(platform.estate).iter_rows(named=True):
        key = present.get(row["sha256"])
        if key is None:
            reason = f"{row['file_name']} is not in the object store"
        elif not platform.objects.verify(key):
            reason = f"the stored copy of {row['file_name']} is not what it was"
        else:
            continue
        findings.append(Finding(ARTIFACTS, str(folder), WHOLE, f"{reason}: run `energy-platform migrate`"))
    return findings


def _verify_cache(platform: Platform, asset: str) -> list[Finding]:
    expected = {LATEST: expected_latest, NOTIFICATIONS: expected_notifications}[asset](platform)
    source = "timeseries/sensor_data" if asset == LATEST else "timeseries/alerts"
    return [Finding(asset, source, WHOLE, problem) for problem in cache_problems(platform, asset, expected)]


def _verify_quarantine(platform: Platform) -> list[Finding]:
    """Whether every row that the ledger says was refused stands in the quarantine."""
    estate = platform.estate.code
    with platform.postgres.connection() as connection:
        accounts = total_accounts(ledger.read(connection, estate))
        counts = quarantine.counts(connection, estate)
    held = dict(counts.group_by("source").agg(pl.col("rows").sum()).iter_rows())
    findings: list[Finding] = []
    for source, account in accounts.items():
        refused = account.quarantined - account.reasons.get("withheld", 0)
        if held.get(source, 0) != refused:
            reason = f"{held.get(source, 0)} rows stand in the quarantine, the ledger counts {refused}"
            findings.append(Finding("postgres/quarantine", source, WHOLE, reason))
    return findings


def _ledger_and_retired(
    platform: Platform, asset: str, report: VerifyReport
) -> tuple[dict[str, LedgerEntry], set[str]]:
    with platform.postgres.connection() as connection:
        entries = {entry.partition: entry for entry in ledger.read(connection, platform.estate.code, asset)}
    specs = platform.estate.sources_of(asset.split("/", 1)[1])
    present = source_versions(specs)
    retired = {spec.name for spec in specs if spec.name not in present}
    report.warnings += retirement_warnings(retired)
    return entries, retired


def _mark_unproven(platform: Platform, asset: str, findings: list[Finding]) -> None:
    if not findings:
        return
    reasons = {finding.partition: finding.reason for finding in findings}
    with platform.postgres.connection() as connection:
        entries = ledger.read(connection, platform.estate.code, asset)
        if unknown := reasons.keys() - {entry.partition for entry in entries}:
            # which days there are is known to the entry of the rows that fall on none
            reasons[UNDATED] = f"the ledger knows nothing of {', '.join(sorted(unknown)[:3])}: run it again"
        wrong = [
            replace(entry, proven=False, reason=reasons[entry.partition])
            for entry in entries
            if entry.partition in reasons and entry.proven
        ]
        ledger.record(connection, wrong)
