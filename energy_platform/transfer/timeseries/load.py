"""Loading a measurement: read → contract → judge → write → prove, per local day; the ledger's row comes last."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from typing import cast

import polars as pl

from energy_platform.domain.accounts import UNDATED, Account
from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import DayRange
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.points import SeriesPoints
from energy_platform.domain.summaries import Summary
from energy_platform.failpoints import failpoint
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.source import Source
from energy_platform.sources.stretches import Stretch
from energy_platform.stores.postgres import claims, ledger, quarantine
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.locks import partition_lock
from energy_platform.transfer.context import Platform
from energy_platform.transfer.options import (
    DEFAULT_OPTIONS,
    LoadOptions,
    Log,
    is_withheld,
    not_loaded,
    reasons_of,
    silent,
    too_many_refused,
)
from energy_platform.transfer.progress import Phase, Step, timed
from energy_platform.transfer.reading.mapping import DAY, REFUSED_SCHEMA, SOURCE, MappingRules
from energy_platform.transfer.reading.opening import open_rows
from energy_platform.transfer.refusals import point_refusals, quarantine_rows
from energy_platform.transfer.reports.prediction import ROWS_PER_SECOND, Prediction, bytes_of, sample_of
from energy_platform.transfer.reports.verdicts import (
    LoadReport,
    accounts_in,
    facts_of,
    source_summaries_in,
    summary_in,
    total_accounts,
    verdict_of,
)
from energy_platform.transfer.retirement import are_taken_over, doubt
from energy_platform.transfer.scanning.digests import Digest, meaning_of
from energy_platform.transfer.scanning.scanner import remember, scan_meaning
from energy_platform.transfer.scanning.scans import Scan
from energy_platform.transfer.scanning.survey import retirement_warnings
from energy_platform.transfer.timeseries.judged import JudgedChunks, judge_all, points_of
from energy_platform.transfer.timeseries.judging import AccountsByDay, merged, refused_accounts
from energy_platform.transfer.timeseries.plan import LoadPlan, contiguous, digest_facts
from energy_platform.transfer.timeseries.proof import explain, target_summaries
from energy_platform.transfer.timeseries.registry import too_many_series
from energy_platform.transfer.timeseries.series import widest
from energy_platform.transfer.timeseries.staging import Staging

#: Reason code of points that the store itself refused.
REFUSED_BY_STORE = "refused_by_store"


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
        TooManySeriesError: before the first write.
        OwnershipError: another estate accounts for the same points; nothing was written.
        SourceError, StoreError: see there.
    """
    started = time.monotonic()
    asset = f"timeseries/{name}"
    with platform.postgres.connection() as lock, partition_lock(lock, platform.estate.code, asset):
        report = _MeasurementLoad(platform, name, days, options, run_id, log).run()
    report.seconds = time.monotonic() - started
    return report


def predict_measurement(
    platform: Platform, name: str, days: DayRange | None = None, options: LoadOptions = DEFAULT_OPTIONS
) -> Prediction:
    """What `load_measurement` would do; nothing is written. For arguments and other errors see there.

    Raises:
        TooManySeriesError: there are so many that reading does not go on.
    """
    return _MeasurementLoad(platform, name, days, options, "", silent).predict()


def mapping_rules(platform: Platform, name: str) -> MappingRules:
    """How the sources of a measurement are mapped. The estate is surveyed only where a source asks for it."""
    specs = platform.estate.sources_of(name)
    by_sensor = any(role.from_sensor for spec in specs for role in spec.roles.values())
    building_of_sensor = platform.survey().building_of_sensor if by_sensor else None
    return MappingRules(platform.estate, platform.contract(name), platform.now, building_of_sensor)


class _MeasurementLoad:
    """One load of one measurement: what its steps share."""

    def __init__(
        self, platform: Platform, name: str, days: DayRange | None, options: LoadOptions, run_id: str, log: Log
    ) -> None:
        self.platform = platform
        self.estate = platform.estate
        self.name = name
        self.options = options
        self.run_id = run_id
        self.log = log
        self.days = days
        self.plan = LoadPlan(platform, name, days)
        self.asset = self.plan.asset
        self.report = LoadReport(self.asset)
        self.report.warnings += retirement_warnings(self.plan.retired)
        self.accounts: AccountsByDay = {}
        self.refused: dict[date | None, pl.DataFrame] = {}
        self.withheld: dict[date, str] = {}
        self.unchanged: set[date] = set()
        self.staged: set[date] = set()
        self.digests: Mapping[str, Mapping[date | None, Digest]] = {}
        self.taken_over: set[date] = set()

    def run(self) -> LoadReport:
        """Skip what is proven, load the rest."""
        if not self.options.force and self.plan.nothing_new():
            return self._report_as_proven()
        with self._staged() as staging:
            self._load(staging)
        return self.report

    def predict(self) -> Prediction:
        """What `run` would do."""
        if not self.options.force and self.plan.nothing_new():
            return Prediction(self.asset, series=self._series_with(None), accounts=self._report_as_proven().accounts)
        began = time.monotonic()
        with self._staged() as staging:
            judged = self._judge(staging)
            refused = self._refused_too_much()
            self._withhold()
            claimed = widest(judged.spans, judged.series, self.contract) if judged.spans else None
            sample = pl.DataFrame()
            rows, days = 0, set[date]()
            self.series = judged.series
            for piece, is_last in judged.chunks():
                held = sorted(piece.get_column(DAY).unique())
                standing = self._still_standing(piece, held) if is_last else {}
                written = piece.filter(~pl.col(DAY).is_in([*self.withheld, *standing]))
                rows += written.height
                days.update(written.get_column(DAY).unique())
                if sample.is_empty():
                    sample = self._points(sample_of(written)).frame()
        self._report_accounts()
        series = self._series_with(claimed)
        problem = ""
        if refused is not None:
            problem = too_many_refused(*refused, self.options.max_error_ratio).what
        elif series > self.options.max_series:
            problem = too_many_series(self.contract, judged.series, series, self.options.max_series).what
        return Prediction(
            self.asset,
            rows,
            len(days),
            series,
            bytes_of(sample, rows),
            time.monotonic() - began + rows / ROWS_PER_SECOND[self.platform.timeseries.implementation],
            self.report.accounts,
            problem,
            {day.isoformat(): reason for day, reason in sorted(self.withheld.items())},
        )

    def _series_with(self, claimed: pl.DataFrame | None) -> int:
        """How many series would stand in the store, with those that are claimed."""
        with self.platform.postgres.connection() as connection:
            return claims.series_count(connection, self.name, claimed)

    @contextmanager
    def _staged(self) -> Iterator[Staging]:
        """The rows that may have changed, read and gathered."""
        self.rules = rules = mapping_rules(self.platform, self.name)
        self.contract = cast(Measurement, rules.contract)
        self.meanings = {spec.name: meaning_of(spec, rules) for spec in self.plan.present.values()}
        settings = self.platform.settings
        scans = self._scans()
        with Staging(rules, self._days_to_stage(scans), settings.spill_rows, self.options.max_series) as staging:
            with self._phase("reading"):
                for position, spec in self.plan.present.items():
                    self.log(f"reading {spec.name}")
                    source = open_rows(spec, self.estate, self.platform.now)
                    version = source.version()
                    staging.read(
                        spec,
                        position,
                        settings.batch_rows,
                        within=self._stretches(scans.get(spec.name)),
                        asset=self.asset,
                        progress=self.options.progress,
                    )
                    if spec.name in staging.contents:
                        scans[spec.name] = self._remembered(staging, spec, source, version)
            self.digests = {name: scanned.digests for name, scanned in scans.items()}
            self._note_clock_changes(rules)
            yield staging

    def _phase(self, phase: str) -> AbstractContextManager[None]:
        return timed(self.report.phases, phase)

    def _progress(self, phase: Phase, rows: int, total: int | None = None) -> None:
        if self.options.progress is not None:
            self.options.progress(Step(self.asset, phase, self.asset, rows, total))

    # -- before the first write ------------------------------------------------------------------------------------

    def _scans(self) -> dict[str, Scan]:
        """What the sources hold of each day, by source; empty where nothing is there to compare it with."""
        if self.options.force or not self.plan.can_compare():
            return {}
        scans: dict[str, Scan] = {}
        with self._phase("reading"):
            for spec in self.plan.present.values():
                self.log(f"looking for what has changed in {spec.name}")
                scans[spec.name] = self.platform.scan(spec)
        return scans

    def _remembered(self, staging: Staging, spec: SourceSpec, source: Source, version: str) -> Scan:
        """What a source that was read whole was found to hold, kept for the next load."""
        meaning = scan_meaning(self.estate, spec, self.platform.now)
        next_future, contents = staging.next_future.get(spec.name), staging.contents[spec.name]
        scan = Scan(version, meaning, self.platform.now, next_future, contents, source.parts())
        if source.version() == version:
            remember(self.estate, spec, scan, self.platform.scans_folder)
        return scan

    def _days_to_stage(self, scans: Mapping[str, Scan]) -> DayRange | Collection[date] | None:
        """The days whose rows may have changed: the others are not even mapped."""
        if not scans:
            return self.days
        digests = {name: scanned.digests for name, scanned in scans.items()}
        self.unchanged = self.plan.unchanged(digests, self.meanings)
        held = {day for by_day in digests.values() for day in by_day if day is not None}
        self.staged = {day for day in held if self.plan.is_chosen(day)} - self.unchanged
        return self.staged

    def _stretches(self, scanned: Scan | None) -> list[Stretch] | None:
        """Where the rows that are to be staged stand in a source; None: anywhere."""
        return scanned.contents.stretches({None, *self.staged}) if scanned is not None else None

    def _report_as_proven(self) -> LoadReport:
        chosen = list(self.plan.chosen_entries().values())
        self.report.verdicts = [verdict_of(entry, skipped=True) for entry in chosen if entry.rows]
        self.report.accounts = self._named(total_accounts([*chosen, self.plan.entries[UNDATED]]))
        self.log(f"{self.asset}: all {len(self.report.verdicts)} partitions are proven already")
        return self.report

    def _named(self, accounts: dict[str, Account]) -> dict[str, Account]:
        return {spec.name: accounts.get(spec.name, Account()) for spec in self.plan.specs.values()}

    def _note_clock_changes(self, rules: MappingRules) -> None:
        self.report.warnings += rules.clock_changes.notes()

    def _judge(self, staging: Staging) -> JudgedChunks:
        """Find what stands, and account for all that was read."""
        with self._phase("judging"):
            judged = judge_all(staging)
            self.accounts = merged(refused_accounts(staging.refused), judged.accounts)
            refused = quarantine_rows(staging.refused, self.plan.specs)
            if judged.conflicts.height:
                conflicts = point_refusals(judged.conflicts, judged.series, self.plan.specs, staging.rules, "conflict")
                refused = pl.concat([refused, conflicts])
            self.refused = {day: rows for (day,), rows in refused.partition_by(DAY, as_dict=True).items()}  # pyright: ignore[reportAttributeAccessIssue]
        return judged

    def _load(self, staging: Staging) -> None:
        judged = self._judge(staging)
        with self._phase("preparing"):
            if (refused := self._refused_too_much()) is not None:
                spec, account = refused
                self._record_refusal_of_run(spec.name, account)
                raise too_many_refused(spec, account, self.options.max_error_ratio)
            self._withhold()
            self._prepare(judged)
            self._record_undated()
        covered = self._load_chunks(judged)
        # days that the sources no longer feed, or whose every row was refused
        left = {day for day, _ in self.accounts if day is not None} | set(self.plan.chosen_entries())
        self._prove(sorted(left - covered - self.unchanged), {})
        self._confirm_unchanged()
        self._report_accounts()

    def _refused_too_much(self) -> tuple[SourceSpec, Account] | None:
        """The first source of which more rows were refused than may be passed over.

        Of the source, not of the days of this run alone: one bad row of a day that comes late is not many.
        """
        totals: dict[str, Account] = {}
        looked_at = {UNDATED}
        for (day, position), account in self.accounts.items():
            name = self.plan.specs[position].name
            totals[name] = totals.get(name, Account()) + account
            looked_at.add(day.isoformat() if day is not None else UNDATED)
        standing = total_accounts(e for day, e in self.plan.entries.items() if e.proven and day not in looked_at)
        for spec in self.plan.present.values():
            account = totals.get(spec.name, Account()) + standing.get(spec.name, Account())
            if account.read and account.quarantined / account.read > self.options.max_error_ratio:
                return spec, account
        return None

    def _record_refusal_of_run(self, source: str, account: Account) -> None:
        """Nothing is loaded, but what was refused can be looked at, and days not proven before are named."""
        reason = f"{account.quarantined} of {account.read} rows of {source} were refused; nothing was loaded"
        stopped = "; the run stopped before its first write"
        self.accounts = {place: not_loaded(account) for place, account in self.accounts.items()}
        proven = {date.fromisoformat(day) for day, e in self.plan.entries.items() if day != UNDATED and e.proven}
        days = {day for day, _ in self.accounts} - proven
        self._record([self._entry(day, {}, reason=reason + stopped) for day in days])

    def _withhold(self) -> None:
        """Find the days that are not to be written, and why; their accepted rows are accounted for as withheld."""
        for (day, position), account in self.accounts.items():
            if day is not None and is_withheld(account):
                self.withheld[day] = (
                    f"withheld: {account.quarantined} of {account.read} rows of {self.plan.specs[position].name} "
                    f"were refused ({reasons_of(account)}); mend them at the source and run again"
                )
        for place, account in self.accounts.items():
            if place[0] in self.withheld:
                self.accounts[place] = not_loaded(account)

    def _prepare(self, judged: JudgedChunks) -> None:
        """See that the store can take the points and that nobody else accounts for them; lay claim to them."""
        self.series = judged.series
        with self.platform.postgres.connection() as connection:
            if judged.spans:
                claimed = widest(judged.spans, judged.series, self.contract)
                found = claims.series_count(connection, self.name, claimed)
                if found > self.options.max_series:
                    raise too_many_series(self.contract, judged.series, found, self.options.max_series)
                self.platform.timeseries.prepare(self.contract)
                first = claimed.get_column("first_time").min()
                self.platform.timeseries.check_retention(first)  # pyright: ignore[reportArgumentType]
                claims.claim(connection, self.estate.code, self.name, claimed)
            connection.commit()
            # every tenant that points of this measurement may belong to
            claimants = claims.tenants(connection, self.estate.code, self.name)
            self.tenants = sorted(claimants | {self.estate.tenant_code} | self.platform.known_tenants())
            self.others = claims.others(connection, self.estate.code, self.name, self.tenants)

    def _record_undated(self) -> None:
        """The account of rows that fall on no day, and the list of days that hold data."""
        retired_days = {
            partition
            for partition, entry in self.plan.entries.items()
            if partition != UNDATED and self.plan.retired & entry.facts.get("accounts", {}).keys()
        }
        with_data = {day.isoformat() for by_day in self.digests.values() for day in by_day if day is not None}
        zone = str(self.estate.zone)
        self._record([self._entry(None, {}, reason="", days=sorted(with_data | retired_days), zone=zone)])

    # -- write and prove ---------------------------------------------------------------------------------------------

    def _load_chunks(self, judged: JudgedChunks) -> set[date]:
        """Write and prove all that stands, piece by piece; returns the days that were in it."""
        covered: set[date] = set()
        waiting: set[date] = set()
        expected: dict[date, dict[str, Summary]] = {}
        # where days may stand already, they are looked at one by one
        by_series = self.platform.timeseries.indexed_by_series and not any(e.proven for e in self.plan.entries.values())
        for rows, is_last in judged.chunks(by_series=by_series):
            days = sorted(rows.get_column(DAY).unique().to_list())
            # days that come in several pieces are too long to be summed up before they are written
            standing = {} if waiting or not is_last else self._still_standing(rows, days)
            waiting.update(days)
            left = [day for day in days if day not in self.withheld and day not in standing]
            self._take_back_proofs(left)
            kept = self._write(rows if len(left) == len(days) else rows.filter(pl.col(DAY).is_in(left)), judged.height)
            with self._phase("proving"):
                for day, parts in self._summed_up(kept).items():
                    known = expected.setdefault(day, {})
                    for source, summary in parts.items():
                        known[source] = known.get(source, Summary()) + summary
            if is_last:
                self._prove(sorted(waiting), expected | standing, standing)
                covered |= waiting
                waiting.clear()
                expected.clear()
        return covered

    def _still_standing(self, rows: pl.DataFrame, days: Sequence[date]) -> dict[date, dict[str, Summary]]:
        """Days of which the target holds these rows already: what each source holds of them."""
        entries = {day: self.plan.entries.get(day.isoformat()) for day in days if day not in self.withheld}
        proven = {day: e for day, e in entries.items() if e is not None and self.plan.is_proven_for_good(e)}
        if self.options.force or not proven:
            return {}
        with self._phase("judging"):
            by_day = self._summed_up(rows.filter(pl.col(DAY).is_in(list(proven))))
        return {
            day: parts
            for day, parts in by_day.items()
            if sum({**self._retired_parts(day), **parts}.values(), Summary()) == summary_in(proven[day])
        }

    def _points(self, rows: pl.DataFrame) -> SeriesPoints:
        return points_of(rows, self.series, self.contract).compact()

    def _summed_up(self, rows: pl.DataFrame) -> dict[date, dict[str, Summary]]:
        """By day and source what the target must give back."""
        found: dict[date, dict[str, Summary]] = {}
        by = rows.select(DAY, SOURCE)
        for (day, position), summary in Summary.of_points(self._points(rows), self.contract, by).items():
            found.setdefault(cast(date, day), {})[self.plan.specs[position].name] = summary
        return found

    def _write(self, rows: pl.DataFrame, total: int) -> pl.DataFrame:
        """Write rows; gives back those that the store has not refused."""
        if rows.is_empty():
            return rows
        self.log(f"writing {rows.height} points of {rows.get_column(DAY).n_unique()} days to {self.asset}")
        with self._phase("writing"):
            refused = self.platform.timeseries.write_points(self.contract, self._points(rows))
        if refused.height:
            self._note_refused(rows, refused)
            rows = rows.with_row_index("@row").join(refused, on="@row", how="anti", maintain_order="left").drop("@row")
        self.report.rows_written += rows.height
        self._progress("writing", rows.height + refused.height, total)
        return rows

    def _note_refused(self, rows: pl.DataFrame, refused: pl.DataFrame) -> None:
        """Points that the store itself refused go into the quarantine, with the store's words."""
        named = rows.with_row_index("@row").join(refused, on="@row", how="inner")
        for day, position, count in named.group_by(DAY, SOURCE).len().iter_rows():
            account = self.accounts[day, position]
            reasons = {**account.reasons, REFUSED_BY_STORE: account.reasons.get(REFUSED_BY_STORE, 0) + count}
            self.accounts[day, position] = replace(
                account, loaded=account.loaded - count, quarantined=account.quarantined + count, reasons=reasons
            )
        further = point_refusals(named, self.series, self.plan.specs, self.rules, REFUSED_BY_STORE)
        for (day,), part in further.partition_by(DAY, as_dict=True).items():
            known = self.refused.get(cast(date, day))
            self.refused[cast(date, day)] = part if known is None else pl.concat([known, part])
        words = ", ".join(sorted(set(refused.get_column("reason").to_list()))[:3])
        self.report.warnings.append(f"The store refused {refused.height} points: {words}. They are in the quarantine.")

    def _take_back_proofs(self, days: Sequence[date]) -> None:
        """A day that is about to be written over is not proven until it is proved again, even if this run is killed."""
        entries = [self.plan.entries.get(day.isoformat()) for day in days]
        reason = "a load of this day has not ended: run it again"
        taken_back = [replace(entry, proven=False, reason=reason) for entry in entries if entry and entry.proven]
        if taken_back:
            with self.platform.postgres.connection() as connection:
                ledger.record(connection, taken_back)

    def _prove(
        self, days: Sequence[date], by_source: Mapping[date, dict[str, Summary]], standing: Collection[date] = ()
    ) -> None:
        """Compare days with what the target gives back, and put the verdicts into the ledger.

        The verdict of the days that are `standing` is known: they were proven with the same rows before.
        """
        if not days:
            return
        parts = {day: {**self._retired_parts(day), **by_source.get(day, {})} for day in days}
        to_read = [day for day in days if day not in self.withheld and day not in standing]
        found: dict[date, Summary] = {}
        with self._phase("proving"):
            for span in contiguous(to_read):
                window = span.bounds(self.estate.zone)
                found |= target_summaries(
                    self.platform,
                    self.contract,
                    self.tenants,
                    self.others,
                    window,
                    lambda rows: self._progress("proving", rows),
                )
        entries: list[LedgerEntry] = []
        for day in days:
            if day in to_read and self._is_taken_over(day, by_source.get(day, {}), found.get(day, Summary())):
                self.taken_over.add(day)
                parts[day] = by_source[day]
            expected = sum(parts[day].values(), Summary())
            reason = self.withheld.get(day) or ""
            if not reason and day not in standing:
                reason = explain(expected.differences(found.get(day, Summary())), expected, found.get(day))
                reason = doubt(reason, parts[day].keys() & self.plan.retired)
            entry = self._entry(day, parts[day], reason=reason)
            entries.append(entry)
            if entry.rows or reason or self._rows_read(day):
                self.report.verdicts.append(verdict_of(entry, skipped=day in standing))
        failpoint("data_before_ledger")
        with self._phase("recording"):
            self._record(entries)

    def _retired_parts(self, day: date) -> dict[str, Summary]:
        entry = self.plan.entries.get(day.isoformat())
        if entry is None or not self.plan.retired:
            return {}
        return {name: part for name, part in source_summaries_in(entry).items() if name in self.plan.retired}

    def _is_taken_over(self, day: date, present: Mapping[str, Summary], found: Summary) -> bool:
        """Whether what retired sources held of a day stands in others now."""
        gone = self._retired_parts(day)
        if not gone:
            return False
        before = source_summaries_in(self.plan.entries[day.isoformat()])
        expected = sum(present.values(), Summary())
        return are_taken_over(sum(gone.values(), Summary()), before, present, expected, found)

    def _rows_read(self, day: date) -> int:
        return sum(account.read for (other, _), account in self.accounts.items() if other == day)

    # -- the ledger ----------------------------------------------------------------------------------------------

    def _entry(
        self, day: date | None, by_source: Mapping[str, Summary], *, reason: str, **further: object
    ) -> LedgerEntry:
        """The verdict on a day (None: on the rows that fall on no day)."""
        partition = UNDATED if day is None else day.isoformat()
        accounts = {
            spec.name: self.accounts[day, position]
            for position, spec in self.plan.specs.items()
            if (day, position) in self.accounts
        }
        known = self.plan.entries.get(partition)
        if known is not None and day not in self.taken_over:
            accounts.update({name: a for name, a in accounts_in(known).items() if name in self.plan.retired})
            # of a day that was not written too: what they held is known to the ledger alone
            by_source = {**self._retired_parts(day), **by_source} if day is not None else by_source
        # of a withheld day nothing was written: its accepted rows do not stand in the target
        summary = Summary() if day in self.withheld else sum(by_source.values(), Summary())
        facts = facts_of(summary, accounts, by_source, self.plan.versions, **further)
        return LedgerEntry(
            estate=self.estate.code,
            asset=self.asset,
            partition=partition,
            proven=not reason,
            open=day is not None and day >= self.plan.today,
            reason=reason,
            rows=summary.rows,
            fingerprint=summary.fingerprint_text,
            facts=facts | {"digests": digest_facts(day, self.digests, self.meanings), "basis": self.plan.basis},
            run_id=self.run_id,
            seconds=0.0,
            recorded_at=None,
        )

    def _record(self, entries: Iterable[LedgerEntry]) -> None:
        """Refused rows and verdicts, in one transaction."""
        entries = list(entries)
        with self.platform.postgres.connection() as connection:
            holding = quarantine.partitions(connection, self.estate.code, self.asset)
            for entry in entries:
                day = None if entry.partition == UNDATED else date.fromisoformat(entry.partition)
                rows = self.refused.get(day)
                if rows is None and entry.partition not in holding:
                    continue
                rows = quarantine_rows(pl.DataFrame(schema=REFUSED_SCHEMA), {}) if rows is None else rows
                quarantine.replace(
                    connection,
                    self.estate.code,
                    self.asset,
                    entry.partition,
                    rows.drop(DAY),
                    self.run_id,
                    kept=self.plan.retired & entry.facts["accounts"].keys(),
                )
            ledger.record(connection, entries)

    def _confirm_unchanged(self) -> None:
        """The verdict of days that have not changed stands, for the sources as they are now."""
        entries = [self.plan.confirmed(day) for day in sorted(self.unchanged)]
        self.report.verdicts += [verdict_of(entry, skipped=True) for entry in entries if entry.rows]
        self.report.verdicts.sort(key=lambda verdict: verdict.partition)
        with self._phase("recording"), self.platform.postgres.connection() as connection:
            ledger.record(connection, entries)

    def _report_accounts(self) -> None:
        totals = total_accounts(self.plan.entries[day.isoformat()] for day in self.unchanged)
        for (_day, position), account in self.accounts.items():
            name = self.plan.specs[position].name
            totals[name] = totals.get(name, Account()) + account
        kept = [entry for day, entry in self.plan.chosen_entries().items() if day not in self.taken_over]
        before = total_accounts([*kept, *filter(None, [self.plan.entries.get(UNDATED)])])
        totals.update({name: before.get(name, Account()) for name in self.plan.retired})
        self.report.accounts = self._named(totals)


def days_with_data(platform: Platform) -> dict[str, list[date]]:
    """Per time-series asset the local days on which its sources hold a row, in order.

    Taken from the ledger where the sources have not changed since, else from the sources.
    """
    days: dict[str, list[date]] = {}
    for name in measurements_of(platform):
        plan = LoadPlan(platform, name)
        undated = plan.entries.get(UNDATED)
        if undated is not None and undated.proven and undated.facts.get("versions") == plan.versions:
            found = {date.fromisoformat(day) for day in undated.facts.get("days", [])}
        else:
            scans = [platform.scan(spec) for spec in plan.present.values()]
            found = {day for scanned in scans for day in scanned.digests if day is not None}
        found |= {day for day, entry in plan.chosen_entries().items() if entry.rows or not entry.proven}
        days[plan.asset] = sorted(found)
    return days


def pending_days(platform: Platform, with_data: Mapping[str, Sequence[date]]) -> dict[str, list[date]]:
    """Of these days by asset, the ones that are not proven for the sources as they are now."""
    return {asset: LoadPlan(platform, asset.split("/", 1)[1]).pending(days) for asset, days in with_data.items()}


def measurements_of(platform: Platform) -> list[str]:
    """Names of the measurements that the estate feeds, in the order of the design."""
    return [name for name in MEASUREMENTS if platform.estate.sources_of(name)]
