"""Loading time series: read → contract → judge → write → prove, per local day; the ledger's row comes last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import cast

import polars as pl

from energy_platform.domain.accounts import UNDATED, Account
from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import DayRange, day_of, local_day
from energy_platform.domain.errors import ErrorRatioExceededError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.summaries import Summary
from energy_platform.sources.estate import SourceSpec
from energy_platform.stores.postgres import claims, ledger, quarantine
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.locks import partition_lock
from energy_platform.transfer.context import Platform
from energy_platform.transfer.judging import (
    judge,
    merged,
    refused_accounts,
    summaries_by_day_and_source,
)
from energy_platform.transfer.mapping import DAY, MappingRules
from energy_platform.transfer.refusals import quarantine_rows
from energy_platform.transfer.series import spans, widest, without_claimed
from energy_platform.transfer.staging import Progress, Staging
from energy_platform.transfer.survey import retired_sources, retirement_warnings, source_versions
from energy_platform.transfer.verdicts import (
    LoadReport,
    accounts_in,
    facts_of,
    source_summaries_in,
    summary_in,
    total_accounts,
    verdict_of,
)

Log = Callable[[str], None]

#: A single day is withheld where more than this share of its rows, and at least so many, were refused.
WITHHELD_RATIO, WITHHELD_ROWS = 0.20, 10
DEFAULT_MAX_ERROR_RATIO = 0.01


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a load is to be done.

    Attributes:
        max_error_ratio: of a source over the run; above it the run stops before its first write.
        force: load and prove again what is proven already.
        progress: told of rows as they are read.
    """

    max_error_ratio: float = DEFAULT_MAX_ERROR_RATIO
    force: bool = False
    progress: Progress | None = None


DEFAULT_OPTIONS = LoadOptions()


def silent(_message: str) -> None:
    """A log that nobody reads."""


def load_measurement(
    platform: Platform,
    name: str,
    days: DayRange | None,
    options: LoadOptions = DEFAULT_OPTIONS,
    run_id: str = "",
    log: Log = silent,
) -> LoadReport:
    """Load the local days of a range (all days: None) of a measurement, and prove each of them.

    Args:
        platform: the estate and its stores.
        name: of the measurement.
        days: local days, both ends included.
        options: see LoadOptions.
        run_id: stands in the ledger and in the quarantine.
        log: told what happens, a line at a time.

    Raises:
        ErrorRatioExceededError: before the first write; the refused rows stand in the quarantine.
        OwnershipError: another estate accounts for the same points; nothing was written.
        SourceError, StoreError: see there.
    """
    started = time.monotonic()
    asset = f"timeseries/{name}"
    with platform.postgres.connection() as lock, partition_lock(lock, platform.estate.code, asset):
        report = _MeasurementLoad(platform, name, days, options, run_id, log).run()
    report.seconds = time.monotonic() - started
    return report


class _MeasurementLoad:
    """One load of one measurement: what its steps share."""

    def __init__(
        self, platform: Platform, name: str, days: DayRange | None, options: LoadOptions, run_id: str, log: Log
    ) -> None:
        self.platform = platform
        self.estate = platform.estate
        self.asset = f"timeseries/{name}"
        self.days = days
        self.options = options
        self.run_id = run_id
        self.log = log
        self.specs = self.estate.sources_of(name)
        self.positions = {self.estate.sources.index(spec): spec for spec in self.specs}
        self.name = name
        self.today = day_of(platform.now, self.estate.zone)
        self.report = LoadReport(self.asset)
        with platform.postgres.connection() as connection:
            self.entries = {entry.partition: entry for entry in ledger.read(connection, self.estate.code, self.asset)}
        self.versions = source_versions(self.specs)
        self.retired = retired_sources(self.specs, self.versions, total_accounts(self.entries.values()))
        self.report.warnings += retirement_warnings(self.retired)
        self.withheld: dict[date, str] = {}

    def run(self) -> LoadReport:
        """Skip what is proven, load the rest."""
        if self._nothing_new():
            return self._report_as_proven()
        survey = self.platform.survey()
        contract = cast(Measurement, self.platform.contract(self.name))
        self.contract, self.tenants = contract, survey.tenants
        self.report.warnings += survey.varying if self.name == "sensor_data" else ()
        rules = MappingRules(self.estate, contract, self.platform.now, building_of_sensor=survey.building_of_sensor)
        with Staging(rules, self.days, self.platform.settings.spill_rows) as staging:
            for position, spec in self.positions.items():
                if spec.name in self.retired:
                    continue
                self.log(f"reading {spec.name}")
                staging.read(spec, position, self.platform.settings.batch_rows, self.options.progress)
            self._note_clock_changes(rules)
            self._load(staging)
        return self.report

    # -- before the first write ------------------------------------------------------------------------------------

    def _nothing_new(self) -> bool:
        """Whether every day of the range that holds data is proven for the sources as they are now."""
        whole = self.entries.get(UNDATED)
        if self.options.force or whole is None or whole.facts.get("versions") != self.versions:
            return False
        if "in_the_future" in {reason for account in accounts_in(whole).values() for reason in account.reasons}:
            return False
        with_data = {day for day in whole.facts.get("days", []) if self._chosen(date.fromisoformat(day))}
        known = {day: entry for day, entry in self.entries.items() if day != UNDATED and self._chosen_text(day)}
        return with_data <= known.keys() and all(self._settled(entry) for entry in known.values())

    def pending(self, days: Sequence[date]) -> list[date]:
        """The days that are not proven for the sources as they are now.

        Where no day holds data the first one stands for them all, so that rows that fall on no day are accounted for.
        """
        whole = self.entries.get(UNDATED)
        if not days and (whole is None or whole.facts.get("versions") != self.versions):
            return [self.estate.first_day]
        settled = {partition for partition, entry in self.entries.items() if self._settled(entry)}
        return [day for day in days if day.isoformat() not in settled]

    def _settled(self, entry: LedgerEntry) -> bool:
        """Proven for the sources as they are now, and not in need of another proof because its day has ended."""
        ended = entry.open and date.fromisoformat(entry.partition) < self.today
        return entry.proven and not ended and entry.facts.get("versions") == self.versions

    def _chosen(self, day: date) -> bool:
        return self.days is None or day in self.days

    def _chosen_text(self, partition: str) -> bool:
        return partition != UNDATED and self._chosen(date.fromisoformat(partition))

    def _report_as_proven(self) -> LoadReport:
        chosen = [entry for day, entry in sorted(self.entries.items()) if self._chosen_text(day)]
        self.report.verdicts = [verdict_of(entry, skipped=True) for entry in chosen if entry.rows]
        self.report.accounts = self._named(total_accounts([*chosen, self.entries[UNDATED]]))
        self.log(f"{self.asset}: all {len(self.report.verdicts)} partitions are proven already")
        return self.report

    def _named(self, accounts: dict[str, Account]) -> dict[str, Account]:
        return {spec.name: accounts.get(spec.name, Account()) for spec in self.specs}

    def _note_clock_changes(self, rules: MappingRules) -> None:
        changes = rules.clock_changes
        if changes.ambiguous:
            self.report.warnings.append(
                f"{changes.ambiguous} local times exist twice where clocks go back; the earlier instant was taken."
            )
        if changes.nonexistent:
            self.report.warnings.append(
                f"{changes.nonexistent} local times do not exist where clocks go forward; "
                "the offset before the change was taken."
            )

    # -- the load ------------------------------------------------------------------------------------------------

    def _load(self, staging: Staging) -> None:
        refused = quarantine_rows(staging.refused, self.positions)
        accounts = refused_accounts(staging.refused)
        claimed: list[pl.DataFrame] = []
        conflicts: list[pl.DataFrame] = []
        for chunk in staging.chunks():
            judged = judge(chunk, self.contract)
            accounts = merged(accounts, judged.accounts)
            claimed.append(spans(judged.standing, self.contract))
            conflicts.append(judged.conflicts)
        if conflicts:
            refused = pl.concat([refused, quarantine_rows(pl.concat(conflicts), self.positions)])
        self.accounts, self.refused = accounts, refused
        self._refuse_too_many()
        self.withheld = self._withhold()
        if claimed and sum(part.height for part in claimed):
            self.platform.timeseries.prepare(self.contract)
            first = cast("pl.Series", widest(claimed).get_column("first_time")).min()
            self.platform.timeseries.check_retention(first)  # pyright: ignore[reportArgumentType]
            with self.platform.postgres.connection() as connection:
                claims.claim(connection, self.estate.code, self.name, widest(claimed))
        with self.platform.postgres.connection() as connection:
            self.others = claims.others(connection, self.estate.code, self.name, self.tenants)
        self._record_undated(staging)
        covered: set[date] = set()
        for chunk in staging.chunks():
            covered |= self._load_chunk(judge(chunk, self.contract).standing)
        # days that the sources no longer feed, or whose every row was refused
        left = {day for day, _ in accounts if day is not None} | {
            date.fromisoformat(partition) for partition in self.entries if self._chosen_text(partition)
        }
        for day in sorted(left - covered):
            self._load_days([day], staging_frame=None)
        self.report.verdicts.sort(key=lambda verdict: verdict.partition)
        totals: dict[str, Account] = {}
        for (_day, position), account in accounts.items():
            name = self.positions[position].name
            totals[name] = totals.get(name, Account()) + account
        for name in self.retired:
            chosen = [entry for day, entry in self.entries.items() if day == UNDATED or self._chosen_text(day)]
            totals[name] = total_accounts(chosen).get(name, Account())
        self.report.accounts = self._named(totals)

    def _refuse_too_many(self) -> None:
        totals: dict[int, Account] = {}
        for (_day, position), account in self.accounts.items():
            totals[position] = totals.get(position, Account()) + account
        for position, account in sorted(totals.items()):
            spec = self.positions[position]
            if account.read and account.quarantined / account.read > self.options.max_error_ratio:
                self._record_refusal_of_run(spec, account)
                raise too_many_refused(spec, account, self.options.max_error_ratio)

    def _record_refusal_of_run(self, spec: SourceSpec, account: Account) -> None:
        """Nothing is loaded, but what was refused can be looked at, and days not proven before are named."""
        reason = f"{account.quarantined} of {account.read} rows of {spec.name} were refused; nothing was loaded"
        stopped = "; the run stopped before its first write"
        self.accounts = {place: not_loaded(account) for place, account in self.accounts.items()}
        proven = {date.fromisoformat(day) for day, entry in self.entries.items() if day != UNDATED and entry.proven}
        days = {day for day, _ in self.accounts} - proven
        entries = [self._entry(day, Summary(), {}, proven=False, reason=reason + stopped) for day in days]
        self._record(entries)

    def _record_undated(self, staging: Staging) -> None:
        """The account of rows that fall on no day, and the list of days that hold data."""
        whole = sorted(day.isoformat() for day in staging.days)
        retired_days = {
            partition
            for partition, entry in self.entries.items()
            if partition != UNDATED and self.retired & entry.facts.get("accounts", {}).keys()
        }
        entry = self._entry(None, Summary(), {}, proven=True, reason="", days=sorted({*whole, *retired_days}))
        self._record([entry])

    def _load_chunk(self, standing: pl.DataFrame) -> set[date]:
        days = sorted(standing.get_column(DAY).unique().to_list())
        self._load_days(days, staging_frame=standing)
        return set(days)

    def _load_days(self, days: Sequence[date], staging_frame: pl.DataFrame | None) -> None:
        """Write and prove days; days that are proven and unchanged are only noted."""
        summaries = summaries_by_day_and_source(staging_frame, self.contract) if staging_frame is not None else {}
        expected: dict[date, Summary] = {}
        by_source: dict[date, dict[str, Summary]] = {}
        for day in days:
            parts = {
                self.positions[position].name: summary
                for (other, position), summary in summaries.items()
                if other == day
            }
            entry = self.entries.get(day.isoformat())
            if entry is not None:
                kept = source_summaries_in(entry)
                parts.update({name: kept[name] for name in self.retired if name in kept})
            by_source[day] = parts
            expected[day] = sum(parts.values(), Summary())
        withheld = {day: self.withheld[day] for day in days if day in self.withheld}
        unchanged = {day for day in days if day not in withheld and self._unchanged(day, expected[day])}
        to_write = [day for day in days if day not in withheld and day not in unchanged]
        self._take_back_proofs(to_write)
        if staging_frame is not None and to_write:
            points = staging_frame.filter(pl.col(DAY).is_in(to_write)).select(self.contract.column_names)
            self.log(f"writing {points.height} points of {len(to_write)} days to {self.asset}")
            self.platform.timeseries.write(self.contract, points)
            self.report.rows_written += points.height
        found = self._read_back(to_write) if to_write else {}
        entries: list[LedgerEntry] = []
        for day in days:
            if day in withheld:
                reason = withheld[day]
            elif day in unchanged:
                reason = ""
            else:
                reason = explain(expected[day].differences(found.get(day, Summary())), expected[day], found.get(day))
            entry = self._entry(day, expected[day], by_source[day], proven=not reason, reason=reason)
            entries.append(entry)
            if entry.rows or reason or self._read(day):
                self.report.verdicts.append(verdict_of(entry, skipped=day in unchanged))
        self._record(entries)

    def _take_back_proofs(self, days: Sequence[date]) -> None:
        """A day that is about to be written over is not proven until it is proved again, even if this run is killed."""
        proven = [entry for day in days if (entry := self.entries.get(day.isoformat())) is not None and entry.proven]
        if proven:
            reason = "a load of this day has not ended: run it again"
            with self.platform.postgres.connection() as connection:
                ledger.record(connection, [replace(entry, proven=False, reason=reason) for entry in proven])

    def _read(self, day: date) -> int:
        return sum(account.read for (other, _), account in self.accounts.items() if other == day)

    def _withhold(self) -> dict[date, str]:
        """The days that are not to be written, and why; their accepted rows are accounted for as withheld."""
        withheld: dict[date, str] = {}
        for (day, position), account in self.accounts.items():
            if day is not None and (
                account.quarantined >= WITHHELD_ROWS and account.quarantined > WITHHELD_RATIO * account.read
            ):
                withheld[day] = (
                    f"withheld: {account.quarantined} of {account.read} rows of {self.positions[position].name} "
                    f"were refused ({_reasons(account)}); mend them at the source and run again"
                )
        for place, account in self.accounts.items():
            if place[0] in withheld:
                self.accounts[place] = not_loaded(account)
        return withheld

    def _unchanged(self, day: date, expected: Summary) -> bool:
        entry = self.entries.get(day.isoformat())
        if entry is None or self.options.force or not entry.proven:
            return False
        return summary_in(entry) == expected and not (entry.open and day < self.today)

    def _read_back(self, days: Sequence[date]) -> dict[date, Summary]:
        found: dict[date, Summary] = {}
        for span in contiguous(days):
            window = span.bounds(self.estate.zone)
            found |= target_summaries(self.platform, self.contract, self.tenants, self.others, window)
        return found

    # -- the ledger ----------------------------------------------------------------------------------------------

    def _entry(
        self,
        day: date | None,
        summary: Summary,
        by_source: dict[str, Summary],
        *,
        proven: bool,
        reason: str,
        **further: object,
    ) -> LedgerEntry:
        partition = UNDATED if day is None else day.isoformat()
        accounts = {
            self.positions[position].name: account
            for (other, position), account in self.accounts.items()
            if other == day
        }
        known = self.entries.get(partition)
        if known is not None:
            accounts.update({name: account for name, account in accounts_in(known).items() if name in self.retired})
        if day in self.withheld:
            # nothing of the day was written: its accepted rows do not stand in the target
            summary = Summary()
        return LedgerEntry(
            estate=self.estate.code,
            asset=self.asset,
            partition=partition,
            proven=proven,
            open=day is not None and day >= self.today,
            reason=reason,
            rows=summary.rows,
            fingerprint=summary.fingerprint_text,
            facts=facts_of(summary, accounts, by_source, self.versions, **further),
            run_id=self.run_id,
            seconds=0.0,
            recorded_at=None,
        )

    def _record(self, entries: Iterable[LedgerEntry]) -> None:
        entries = list(entries)
        with self.platform.postgres.connection() as connection:
            for entry in entries:
                day = None if entry.partition == UNDATED else date.fromisoformat(entry.partition)
                rows = self.refused.filter(pl.col(DAY).is_null() if day is None else pl.col(DAY) == day)
                known = self.entries.get(entry.partition)
                if rows.height or known is None or any(a.quarantined for a in accounts_in(known).values()):
                    quarantine.replace(
                        connection, self.estate.code, self.asset, entry.partition, rows.drop(DAY), self.run_id
                    )
            ledger.record(connection, entries)


def not_loaded(account: Account) -> Account:
    """The same account where nothing of it was written: its accepted rows are withheld."""
    if not account.loaded:
        return account
    reasons = {**account.reasons, "withheld": account.loaded}
    quarantined = account.quarantined + account.loaded
    return Account(account.read, 0, account.duplicates, quarantined, account.undated, reasons)


def too_many_refused(spec: SourceSpec, account: Account, ratio: float) -> ErrorRatioExceededError:
    """The error of a source of which more rows were refused than allowed."""
    return ErrorRatioExceededError(
        f"{account.quarantined} of {account.read} rows were refused ({_reasons(account)}), "
        f"which is more than --max-error-ratio {ratio:g} allows; nothing of it was loaded.",
        where=spec.name,
        remedy="Look at them with `energy-platform quarantine list`; mend the source, or allow a higher ratio.",
    )


def contiguous(days: Sequence[date]) -> list[DayRange]:
    """Sorted days as ranges without gaps."""
    ranges: list[DayRange] = []
    for day in days:
        if ranges and ranges[-1].last + timedelta(days=1) == day:
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges


def explain(differences: Sequence[str], expected: Summary, found: Summary | None) -> str:
    """Why a partition is not proven, as one sentence; empty where there are no differences."""
    if not differences:
        return ""
    remedy = ""
    if found is not None and found.rows > expected.rows:
        remedy = "; the target holds points that no source accounts for: see `energy-platform repair`"
    return f"the target differs from its sources: {'; '.join(differences[:4])}{remedy}"


def target_summaries(
    platform: Platform,
    contract: Measurement,
    tenants: Sequence[str],
    others: pl.DataFrame,
    window: tuple[object, object] | None = None,
) -> dict[date, Summary]:
    """What the target holds of the estate's tenants per local day, points that other estates claim left out.

    Fields that the contract does not know count too: they are part of a row's fingerprint where they hold a value.
    """
    start, stop = window or (None, None)
    found: dict[date, Summary] = {}
    for batch in platform.timeseries.read(contract, list(tenants), start, stop):  # pyright: ignore[reportArgumentType]
        for day, summary in day_summaries(without_claimed(batch, contract, others), contract, platform).items():
            found[day] = found.get(day, Summary()) + summary
    return found


def day_summaries(points: pl.DataFrame, contract: Measurement, platform: Platform) -> dict[date, Summary]:
    """Summaries of points by local day. A point with a value in an unknown field is summed with that field."""
    if points.is_empty():
        return {}
    dated = points.with_columns(local_day("time", platform.estate.zone).alias(DAY))
    summaries = Summary.by_group(dated, [DAY], contract.columns)
    result = {cast(date, day): summary for (day,), summary in summaries.items()}
    for name in (name for name in points.columns if name not in contract.column_names):
        strangers = dated.filter(pl.col(name).is_not_null()).group_by(DAY).len()
        for day, rows in strangers.iter_rows():
            # no fingerprint knows this field: it adds what nothing can cancel
            result[day] = result[day] + Summary(fingerprint=rows, sums={f"unknown field {name}": rows})
    return result


def days_with_data(platform: Platform) -> dict[str, list[date]]:
    """Per time-series asset the local days on which its sources hold a row, in order.

    Taken from the ledger where the sources have not changed since, else from the sources.
    """
    days: dict[str, list[date]] = {}
    for name in measurements_of(platform):
        asset = f"timeseries/{name}"
        specs = platform.estate.sources_of(name)
        with platform.postgres.connection() as connection:
            entries = {entry.partition: entry for entry in ledger.read(connection, platform.estate.code, asset)}
        whole = entries.get(UNDATED)
        versions = source_versions(specs)
        if whole is not None and whole.facts.get("versions") == versions:
            found = {date.fromisoformat(day) for day in whole.facts.get("days", [])}
        else:
            survey = platform.survey()
            rules = MappingRules(
                platform.estate,
                platform.contract(name),
                platform.now,
                building_of_sensor=survey.building_of_sensor,
            )
            nothing = DayRange(platform.estate.first_day, platform.estate.first_day - timedelta(days=1))
            with Staging(rules, nothing, platform.settings.spill_rows) as staging:
                for spec in specs:
                    if spec.name in versions:
                        staging.read(spec, 0, platform.settings.batch_rows)
                found = set(staging.days)
        found |= {
            date.fromisoformat(p) for p, entry in entries.items() if p != UNDATED and (entry.rows or not entry.proven)
        }
        days[asset] = sorted(found)
    return days


def pending_days(platform: Platform, with_data: Mapping[str, Sequence[date]]) -> dict[str, list[date]]:
    """Of these days by asset, the ones that are not proven for the sources as they are now."""
    pending: dict[str, list[date]] = {}
    for asset, days in with_data.items():
        load = _MeasurementLoad(platform, asset.split("/", 1)[1], None, DEFAULT_OPTIONS, "", silent)
        pending[asset] = load.pending(days)
    return pending


def measurements_of(platform: Platform) -> list[str]:
    """Names of the measurements that the estate feeds, in the order of the design."""
    return [name for name in MEASUREMENTS if platform.estate.sources_of(name)]


def _reasons(account: Account) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(account.reasons.items()))
