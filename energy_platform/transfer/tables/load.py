"""Loading tables: registers, accounts, scores. A table has no days: it is one partition, judged and proved whole.

Data, quarantine and ledger are written in one transaction, so a kill leaves either the old state or the new one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import polars as pl
import psycopg

from energy_platform.domain.accounts import WHOLE, Account
from energy_platform.domain.contracts import Contract
from energy_platform.domain.errors import OwnershipError
from energy_platform.domain.fingerprints import row_hashes
from energy_platform.domain.registers import CORRECTIONS_TABLE
from energy_platform.domain.summaries import Summary
from energy_platform.domain.tables import TABLES
from energy_platform.failpoints import failpoint
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.stores.postgres import ledger, quarantine, rows
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.locks import partition_lock
from energy_platform.transfer.concurrency import prefetched
from energy_platform.transfer.context import Platform
from energy_platform.transfer.model_files import model_rows
from energy_platform.transfer.options import (
    DEFAULT_OPTIONS,
    LoadOptions,
    Log,
    is_withheld,
    not_loaded,
    silent,
    too_many_refused,
)
from energy_platform.transfer.progress import Phase, Step, timed
from energy_platform.transfer.reading.mapping import DAY, SOURCE, MappingRules
from energy_platform.transfer.reading.registers import correction_notes, register_versions
from energy_platform.transfer.refusals import quarantine_rows
from energy_platform.transfer.reports.prediction import ROWS_PER_SECOND, Prediction, bytes_of, sample_of
from energy_platform.transfer.reports.verdicts import (
    LoadReport,
    accounts_in,
    facts_of,
    source_summaries_in,
    verdict_of,
)
from energy_platform.transfer.retirement import are_taken_over, doubt
from energy_platform.transfer.scanning.survey import retired_sources, retirement_warnings, source_versions
from energy_platform.transfer.tables.derived import DERIVED_TABLES, derived_rows
from energy_platform.transfer.tables.judging import Accounts, judge, merged, refused_accounts
from energy_platform.transfer.tables.meaning import table_meaning
from energy_platform.transfer.tables.staging import Staging, with_canonical_json
from energy_platform.transfer.timeseries.proof import explain

_NOTHING: Final = Summary()


def tables_of(estate: Estate) -> list[str]:
    """Names of the tables that the estate feeds, or that follow from its data, in an order that references allow."""
    models = {"models"} if estate.models_folder is not None else set()
    corrections = {CORRECTIONS_TABLE} if estate.register_sources() else set()
    always = {*DERIVED_TABLES, *models, *corrections}
    return [name for name in TABLES if name in always or estate.sources_of(name)]


def load_table(
    platform: Platform, name: str, options: LoadOptions = DEFAULT_OPTIONS, run_id: str = "", log: Log = silent
) -> LoadReport:
    """Load a table and prove it. For arguments and errors see `load_measurement`."""
    started = time.monotonic()
    asset = f"postgres/{name}"
    with platform.postgres.connection() as lock, partition_lock(lock, platform.estate.code, asset):
        report = _TableLoad(platform, name, options, run_id, log).run()
    report.seconds = time.monotonic() - started
    return report


def predict_table(platform: Platform, name: str, options: LoadOptions = DEFAULT_OPTIONS) -> Prediction:
    """What `load_table` would do; nothing is written."""
    return _TableLoad(platform, name, options, "", silent).predict()


class ExpectedTable:
    """What a table must hold for an estate, by its sources and by what follows from the data.

    A context manager: what does not fit into memory stands in temporary files, which go when it ends, or with it.

    Attributes:
        contract: of the table.
        positions: its sources by their position in the estate.
        accounts: by position.
        refused: rows for the quarantine.
        tenants: of the rows that must stand.
        phases: seconds of `reading` and `judging`.
    """

    def __init__(self, platform: Platform, name: str, options: LoadOptions, retired: set[str]) -> None:
        estate = platform.estate
        self.contract = TABLES[name]
        self.positions = {estate.position_of(spec): spec for spec in estate.sources_of(name)}
        self.phases: dict[str, float] = {}
        self.tenants: set[str] = set()
        self._chunks: list[pl.DataFrame | Path] = []
        with timed(self.phases, "reading"):
            survey = platform.survey()
            rules = MappingRules(estate, self.contract, platform.now, building_of_sensor=survey.building_of_sensor)
            self._staging = Staging(rules, platform.settings.spill_rows)
            for position, spec in self.positions.items():
                if spec.name not in retired:
                    self._staging.read(
                        spec,
                        position,
                        platform.settings.batch_rows,
                        asset=f"postgres/{name}",
                        progress=options.progress,
                    )
        with timed(self.phases, "judging"):
            refused = self._staging.refused
            self.accounts: Accounts = refused_accounts(refused)
            self.refused = pl.concat(
                [quarantine_rows(refused, self.positions), *self._judged(derived_rows(name, platform, survey))]
            )

    def __enter__(self) -> Self:
        """The same."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove temporary files."""
        self._staging.close()

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The rows that must stand, in pieces: the contract's columns and `@source` (-1: derived from the data)."""
        for chunk in self._chunks:
            yield pl.read_ipc(chunk) if isinstance(chunk, Path) else chunk

    def _judged(self, derived: pl.DataFrame | None) -> Iterator[pl.DataFrame]:
        """Keep what stands; gives what does not, for the quarantine."""
        for chunk in self._staging.chunks():
            judged = judge(chunk, self.contract)
            self.accounts = merged(self.accounts, judged.accounts)
            if judged.conflicts.height:
                yield quarantine_rows(judged.conflicts, self.positions)
            self._keep(judged.standing.select(*self.contract.column_names, SOURCE))
            if derived is not None:
                keys = judged.standing.select(self.contract.key)
                derived = derived.join(keys, on=list(self.contract.key), how="anti", nulls_equal=True)
        if derived is not None and derived.height:
            derived = derived.unique(list(self.contract.key), keep="first", maintain_order=True)
            self._keep(with_canonical_json(derived, self.contract))

    def _keep(self, standing: pl.DataFrame) -> None:
        self.tenants.update(standing.get_column("tenant_id").unique())
        # in the order of the primary key, in which COPY is fastest
        self._chunks.append(self._staging.kept(rows.in_key_order(standing, self.contract)))


class _TableLoad:
    """One load of one table."""

    def __init__(self, platform: Platform, name: str, options: LoadOptions, run_id: str, log: Log) -> None:
        self.platform = platform
        self.estate = platform.estate
        self.name = name
        self.asset = f"postgres/{name}"
        self.options = options
        self.run_id = run_id
        self.log = log
        self.specs = self.estate.sources_of(name)
        self.report = LoadReport(self.asset)
        with platform.postgres.connection() as connection:
            self.entry = next(iter(ledger.read(connection, self.estate.code, self.asset)), None)
        self.versions = self._versions()
        self.meaning = table_meaning(self.estate, name, platform.now)
        known = accounts_in(self.entry) if self.entry is not None else {}
        self.retired = retired_sources(self.specs, source_versions(self.specs), known)
        self.report.warnings += retirement_warnings(self.retired)

    def run(self) -> LoadReport:
        """Skip the table where it is proven for the sources as they are, else load it."""
        entry = self.entry
        if entry is not None and self._is_settled(entry):
            self.report.verdicts = [verdict_of(entry, skipped=True)]
            self.report.accounts = {spec.name: accounts_in(entry).get(spec.name, Account()) for spec in self.specs}
            return self.report
        with ExpectedTable(self.platform, self.name, self.options, self.retired) as expected:
            self.report.phases = expected.phases
            self._check_ratio(expected)
            self._load(expected)
            if self.name == CORRECTIONS_TABLE:
                self.report.warnings += correction_notes(expected.chunks())
        return self.report

    def predict(self) -> Prediction:
        """What `run` would do."""
        entry = self.entry
        if entry is not None and self._is_settled(entry):
            held = accounts_in(entry)
            return Prediction(self.asset, accounts={spec.name: held.get(spec.name, Account()) for spec in self.specs})
        began = time.monotonic()
        with ExpectedTable(self.platform, self.name, self.options, self.retired) as expected:
            refused = self._refused_too_much(expected)
            reason = self._withheld(expected)
            rows = 0
            sample = pl.DataFrame()
            for chunk in expected.chunks():
                rows += chunk.height
                sample = sample_of(chunk) if sample.is_empty() else sample
        accounts = {expected.positions[position].name: account for position, account in expected.accounts.items()}
        if reason:
            accounts = {source: not_loaded(account) for source, account in accounts.items()}
            rows = 0
        return Prediction(
            self.asset,
            rows,
            1 if rows else 0,
            None,
            bytes_of(sample, rows),
            time.monotonic() - began + rows / ROWS_PER_SECOND["table"],
            accounts,
            too_many_refused(*refused, self.options.max_error_ratio).what if refused is not None else "",
            {WHOLE: reason} if reason else {},
        )

    def _is_settled(self, entry: LedgerEntry) -> bool:
        known = entry.facts["versions"], entry.facts.get("meaning")
        return entry.proven and not self.options.force and known == (self.versions, self.meaning)

    def _versions(self) -> dict[str, str]:
        """Of the sources; a derived table depends on all sources of the estate."""
        if self.name == "models":
            return {row["file_name"]: row["sha256"] for row in model_rows(self.estate).iter_rows(named=True)}
        if self.name == CORRECTIONS_TABLE:
            return register_versions(self.estate, self.platform.now)
        specs = self.estate.sources if self.name in DERIVED_TABLES else self.specs
        return source_versions(specs)

    def _refused_too_much(self, expected: ExpectedTable) -> tuple[SourceSpec, Account] | None:
        """The first source of which more rows were refused than the run may pass over."""
        for position, account in sorted(expected.accounts.items()):
            if account.read and account.quarantined / account.read > self.options.max_error_ratio:
                return expected.positions[position], account
        return None

    def _check_ratio(self, expected: ExpectedTable) -> None:
        refused = self._refused_too_much(expected)
        if refused is None:
            return
        error = too_many_refused(*refused, self.options.max_error_ratio)
        expected.accounts = {source: not_loaded(each) for source, each in expected.accounts.items()}
        gone = self._gone()
        with self.platform.postgres.connection() as connection:
            if self.entry is None or not self.entry.proven:
                by_source = _by_source(expected.chunks(), expected.contract)
                ledger.record(connection, [self._entry(expected, Summary(), by_source, error.what, gone)])
            self._quarantine(connection, expected, gone)
        raise error

    def _withheld(self, expected: ExpectedTable) -> str:
        for position, account in expected.accounts.items():
            if is_withheld(account):
                spec = expected.positions[position]
                return f"withheld: {account.quarantined} of {account.read} rows of {spec.name} were refused"
        return ""

    def _load(self, expected: ExpectedTable) -> None:
        contract = expected.contract
        tenants = self.platform.tenants()
        reason = self._withheld(expected)
        with self.platform.postgres.connection() as connection:
            if reason:
                expected.accounts = {source: not_loaded(each) for source, each in expected.accounts.items()}
                summary, by_source = Summary(), _by_source(expected.chunks(), contract)
                gone = self._gone()
            else:
                with timed(self.report.phases, "writing"):
                    summary, by_source = self._write(connection, expected)
                    if self.name == CORRECTIONS_TABLE:
                        self._remove_others(connection, expected)
                with timed(self.report.phases, "proving"):
                    found = Summary()
                    for part in _held(connection, contract, tenants, self.estate.code):
                        found += Summary.of(part, contract.columns)
                        self._step("proving", part.height, summary.rows)
                gone = self._gone(_named(expected, by_source), summary, found)
                if gone and self.name not in DERIVED_TABLES:
                    summary = sum(gone.values(), summary)
                reason = doubt(explain(summary.differences(found), summary, found), gone)
            with timed(self.report.phases, "recording"):
                entry = self._entry(expected, summary, by_source, reason, gone)
                self._quarantine(connection, expected, gone)
                failpoint("data_before_ledger")
                ledger.record(connection, [entry])
                connection.commit()
        self.report.verdicts = [verdict_of(entry)]
        self.report.accounts = {spec.name: accounts_in(entry).get(spec.name, Account()) for spec in self.specs}

    def _write(self, connection: psycopg.Connection, expected: ExpectedTable) -> tuple[Summary, dict[int, Summary]]:
        """Write what must stand; what it adds up to is found out while the server takes it."""
        contract = expected.contract
        if not rows.holds_rows(connection, contract, sorted(expected.tenants)):
            self.log(f"copying rows to {self.asset}")
            counted: dict[int, Summary] = {}
            try:
                self.report.rows_written = rows.copy_rows(
                    connection, contract, self.estate.code, _counted(self._told(expected.chunks()), contract, counted)
                )
            except psycopg.errors.UniqueViolation:
                # somebody else has written the same at the same time; nothing else stands in this transaction yet
                connection.rollback()
            else:
                _look_at_references(connection)
                return sum(counted.values(), Summary()), counted
        shared = rows.holds_others(connection, contract, sorted(expected.tenants), self.estate.code)
        writer = rows.TableWriter(connection, contract, self.estate.code)
        total = Summary()
        by_source: dict[int, Summary] = {}
        self.report.rows_written = 0
        for chunk in _counted(self._told(expected.chunks()), contract, by_source):
            ours = without_shared(connection, contract, chunk, self.estate.code) if shared else chunk
            self.log(f"writing {ours.height} rows to {self.asset}")
            self.report.rows_written += writer.write(ours)
            if shared:
                total += Summary.of(ours, contract.columns)
        _look_at_references(connection)
        return total if shared else sum(by_source.values(), Summary()), by_source

    def _remove_others(self, connection: psycopg.Connection, expected: ExpectedTable) -> None:
        """Remove rows that follow from nothing any more: they are a record of what is loaded, and of nothing else."""
        contract, tenants = expected.contract, self.platform.tenants()
        others = sorted(ledger.estates(connection) - {self.estate.code})
        found = rows.unknown_rows(connection, contract, expected.chunks(), tenants, without=others)
        rows.delete_rows(connection, contract, pl.concat([contract.empty().select(contract.key), *found]))

    def _told(self, chunks: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same, one made ready ahead; each told of when the next is wanted."""
        for chunk in prefetched(chunks):
            yield chunk
            failpoint("mid_table_swap")
            self._step("writing", chunk.height)

    def _step(self, phase: Phase, done: int, total: int | None = None) -> None:
        if self.options.progress is not None:
            self.options.progress(Step(self.asset, phase, self.asset, done, total))

    def _gone(
        self, present: Mapping[str, Summary] | None = None, expected: Summary = _NOTHING, found: Summary = _NOTHING
    ) -> dict[str, Summary]:
        """What retired sources held, by source; nothing where the sources that are present hold it now."""
        before = source_summaries_in(self.entry) if self.entry is not None else {}
        gone = {name: part for name, part in before.items() if name in self.retired}
        held = sum(gone.values(), Summary())
        if present is not None and are_taken_over(held, before, present, expected, found):
            return {}
        return gone

    def _quarantine(self, connection: psycopg.Connection, expected: ExpectedTable, gone: Mapping[str, Summary]) -> None:
        refused = expected.refused.drop(DAY)
        quarantine.replace(connection, self.estate.code, self.asset, WHOLE, refused, self.run_id, kept=gone.keys())

    def _entry(
        self,
        expected: ExpectedTable,
        summary: Summary,
        by_source: dict[int, Summary],
        reason: str,
        gone: Mapping[str, Summary],
    ) -> LedgerEntry:
        accounts = {expected.positions[position].name: account for position, account in expected.accounts.items()}
        for spec in self.specs:
            if spec.name not in self.retired:
                accounts.setdefault(spec.name, Account())
        if self.entry is not None:
            accounts.update({n: a for n, a in accounts_in(self.entry).items() if n in gone})
        named = {**gone, **_named(expected, by_source)}
        return LedgerEntry(
            estate=self.estate.code,
            asset=self.asset,
            partition=WHOLE,
            proven=not reason,
            open=False,
            reason=reason,
            rows=summary.rows,
            fingerprint=summary.fingerprint_text,
            facts=facts_of(summary, accounts, named, self.versions, meaning=self.meaning),
            run_id=self.run_id,
            seconds=0.0,
            recorded_at=None,
        )


def without_shared(
    connection: psycopg.Connection, contract: Contract, standing: pl.DataFrame, estate: str
) -> pl.DataFrame:
    """Rows that another estate has not loaded already; one that it has with other content is refused."""
    keys = list(contract.key)
    others = rows.owners(connection, contract, standing.select(keys), estate=estate)
    if others.is_empty():
        return standing
    shared = standing.join(others.select(keys), on=keys, how="semi", nulls_equal=True)
    named = shared.filter(pl.col(SOURCE) >= 0).sort(keys)
    theirs = rows.rows_at(connection, contract, named.select(keys))
    differs = [
        bool((ours != other).any())
        for ours, other in zip(row_hashes(named, contract.columns), row_hashes(theirs, contract.columns), strict=True)
    ]
    if any(differs):
        first = others.row(0, named=True)
        raise OwnershipError(
            f"Estate {first['estate']!r} already accounts for rows of this table with other content, "
            f"e.g. {', '.join(str(first[key]) for key in keys)}.",
            where=f"postgres/{contract.name}",
            remedy="Give this estate another tenant, or take the rows out of one of the two.",
        )
    return standing.join(others.select(keys), on=keys, how="anti", nulls_equal=True)


def table_summary(connection: psycopg.Connection, contract: Contract, tenants: tuple[str, ...], estate: str) -> Summary:
    """What a table holds of the estate's tenants: rows of this estate, and rows that no known estate has loaded."""
    found = Summary()
    for part in _held(connection, contract, tenants, estate):
        found += Summary.of(part, contract.columns)
    return found


def standing_summary(
    connection: psycopg.Connection, expected: ExpectedTable, estate: str, entry: LedgerEntry, retired: set[str]
) -> Summary:
    """What a table must hold, without the rows that another estate has loaded already: see `without_shared`.

    What sources held that are gone comes from the ledger, but for tables that follow from the data: they know it.
    """
    contract = expected.contract
    shared = rows.holds_others(connection, contract, sorted(expected.tenants), estate)
    found = Summary()
    for chunk in prefetched(expected.chunks()):
        standing = without_shared(connection, contract, chunk, estate) if shared else chunk
        found += Summary.of(standing, contract.columns)
    if contract.name in DERIVED_TABLES:
        return found
    return sum((part for name, part in source_summaries_in(entry).items() if name in retired), found)


def _look_at_references(connection: psycopg.Connection) -> None:
    # here, and not when the proof has been made
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    connection.execute("SET CONSTRAINTS ALL DEFERRED")


def _held(
    connection: psycopg.Connection, contract: Contract, tenants: tuple[str, ...], estate: str
) -> Iterator[pl.DataFrame]:
    others = sorted(ledger.estates(connection) - {estate})
    return prefetched(rows.stream_rows(connection, contract, tenants, without=others))


def _counted(chunks: Iterator[pl.DataFrame], contract: Contract, found: dict[int, Summary]) -> Iterator[pl.DataFrame]:
    """The same; what each adds up to, by source, is found out while it is being used, and added to `found`."""
    with ThreadPoolExecutor(1, "energy-platform-summary") as pool:
        for chunk in chunks:
            counted = pool.submit(_by_source, iter([chunk]), contract)
            yield chunk
            for source, summary in counted.result().items():
                found[source] = found.get(source, Summary()) + summary


def _named(expected: ExpectedTable, by_source: Mapping[int, Summary]) -> dict[str, Summary]:
    """By source, without what follows from the data."""
    return {expected.positions[source].name: part for source, part in by_source.items() if source >= 0}


def _by_source(chunks: Iterator[pl.DataFrame], contract: Contract) -> dict[int, Summary]:
    found: dict[int, Summary] = {}
    for chunk in chunks:
        for (source,), summary in Summary.by_group(chunk, [SOURCE], contract.columns).items():
            found[source] = found.get(source, Summary()) + summary
    return found
