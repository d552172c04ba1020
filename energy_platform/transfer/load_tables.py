"""Loading tables: registers, accounts, scores. A table has no days: it is one partition, judged and proved whole.

Data, quarantine and ledger are written in one transaction, so a kill leaves either the old state or the new one.
"""

from __future__ import annotations

import time

import polars as pl
import psycopg

from energy_platform.domain.accounts import WHOLE, Account
from energy_platform.domain.contracts import Contract
from energy_platform.domain.errors import OwnershipError
from energy_platform.domain.fingerprints import row_hashes
from energy_platform.domain.summaries import Summary
from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate
from energy_platform.stores.postgres import ledger, quarantine, rows
from energy_platform.stores.postgres.copying import canonical_json
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.locks import partition_lock
from energy_platform.transfer.context import Platform
from energy_platform.transfer.judging import AccountsByDay, judge, merged, refused_accounts, summaries_by_day_and_source
from energy_platform.transfer.load import (
    DEFAULT_OPTIONS,
    WITHHELD_RATIO,
    WITHHELD_ROWS,
    LoadOptions,
    Log,
    explain,
    not_loaded,
    silent,
    too_many_refused,
)
from energy_platform.transfer.mapping import DAY, MappingRules
from energy_platform.transfer.model_files import model_rows
from energy_platform.transfer.refusals import quarantine_rows
from energy_platform.transfer.staging import Staging
from energy_platform.transfer.survey import Survey, retired_sources, retirement_warnings, source_versions
from energy_platform.transfer.verdicts import LoadReport, accounts_in, facts_of, summary_in, total_accounts, verdict_of

#: Tables that are there in every estate: where no source names their rows, they follow from the data.
DERIVED_TABLES = ("tenants", "buildings", "sensors")


def tables_of(estate: Estate) -> list[str]:
    """Names of the tables that the estate feeds, or that follow from its data, in an order that references allow."""
    models = {"models"} if estate.models_folder is not None else set()
    return [name for name in TABLES if name in DERIVED_TABLES or name in models or estate.sources_of(name)]


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


class ExpectedTable:
    """What a table must hold for an estate, by its sources and by what follows from the data.

    Attributes:
        standing: rows of the contract, with `@source` and `@day`; derived rows have source -1.
        accounts: by source.
        refused: rows for the quarantine.
        versions: of the sources.
    """

    def __init__(self, platform: Platform, name: str, options: LoadOptions, retired: set[str]) -> None:
        estate = platform.estate
        self.contract = TABLES[name]
        self.positions = {estate.sources.index(spec): spec for spec in estate.sources_of(name)}
        survey = platform.survey()
        rules = MappingRules(estate, self.contract, platform.now, building_of_sensor=survey.building_of_sensor)
        with Staging(rules, None, platform.settings.spill_rows) as staging:
            for position, spec in self.positions.items():
                if spec.name not in retired:
                    staging.read(spec, position, platform.settings.batch_rows, options.progress)
            frames = list(staging.chunks())
            refused = staging.refused
        accepted = pl.concat(frames) if frames else None
        self.accounts: AccountsByDay = refused_accounts(refused)
        self.refused = quarantine_rows(refused, self.positions)
        if accepted is not None:
            judged = judge(accepted, self.contract)
            self.accounts = merged(self.accounts, judged.accounts)
            self.refused = pl.concat([self.refused, quarantine_rows(judged.conflicts, self.positions)])
            accepted = judged.standing.select(*self.contract.column_names, "@source", DAY)
        derived = _derived(name, platform, survey)
        parts = [part for part in (accepted, derived) if part is not None]
        together = pl.concat(parts) if parts else _without_source(self.contract.empty())
        self.standing = _canonical_json(
            together.unique(list(self.contract.key), keep="first", maintain_order=True), self.contract
        )


def _derived(name: str, platform: Platform, survey: Survey) -> pl.DataFrame | None:
    """Rows that no source names but that the data speak of."""
    estate, contract = platform.estate, TABLES[name]
    if name == "tenants":
        names = [estate.tenant_name if tenant == estate.tenant_code else tenant for tenant in survey.tenants]
        frame = pl.DataFrame({"tenant_id": list(survey.tenants), "name": names})
    elif name == "buildings":
        frame = survey.buildings
    elif name == "sensors":
        frame = survey.sensors
    elif name == "models":
        frame = model_rows(estate)
    else:
        return None
    absent = [pl.lit(None, dtype=c.polars_type).alias(c.name) for c in contract.columns if c.name not in frame.columns]
    return _without_source(frame.with_columns(absent).select(contract.column_names))


def _without_source(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit(-1, dtype=pl.Int32).alias("@source"), pl.lit(None, dtype=pl.Date).alias(DAY))


def _canonical_json(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """JSON columns in the one form that both sides of a proof are compared in."""
    columns = [column.name for column in contract.columns if column.type == "json"]
    return frame.with_columns(pl.col(name).map_elements(canonical_json, return_dtype=pl.String) for name in columns)


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
        known = accounts_in(self.entry) if self.entry is not None else {}
        self.retired = retired_sources(self.specs, source_versions(self.specs), known)
        self.report.warnings += retirement_warnings(self.retired)

    def run(self) -> LoadReport:
        """Skip the table where it is proven for the sources as they are, else load it."""
        entry = self.entry
        if entry is not None and entry.proven and not self.options.force and entry.facts["versions"] == self.versions:
            self.report.verdicts = [verdict_of(entry, skipped=True)]
            self.report.accounts = {spec.name: accounts_in(entry).get(spec.name, Account()) for spec in self.specs}
            return self.report
        expected = ExpectedTable(self.platform, self.name, self.options, self.retired)
        self._check_ratio(expected)
        self._load(expected)
        return self.report

    def _versions(self) -> dict[str, str]:
        """Of the sources; a derived table depends on all sources of the estate."""
        if self.name == "models":
            return {row["file_name"]: row["sha256"] for row in model_rows(self.estate).iter_rows(named=True)}
        specs = self.estate.sources if self.name in DERIVED_TABLES else self.specs
        return source_versions(specs)

    def _check_ratio(self, expected: ExpectedTable) -> None:
        for (_day, position), account in sorted(expected.accounts.items(), key=lambda item: item[0][1]):
            if account.read and account.quarantined / account.read > self.options.max_error_ratio:
                expected.accounts = {place: not_loaded(each) for place, each in expected.accounts.items()}
                error = too_many_refused(expected.positions[position], account, self.options.max_error_ratio)
                with self.platform.postgres.connection() as connection:
                    if self.entry is None or not self.entry.proven:
                        ledger.record(connection, [self._entry(expected, Summary(), error.what)])
                    self._quarantine(connection, expected)
                raise error

    def _withheld(self, expected: ExpectedTable) -> str:
        for (_day, position), account in expected.accounts.items():
            if account.quarantined >= WITHHELD_ROWS and account.quarantined > WITHHELD_RATIO * account.read:
                spec = expected.positions[position]
                return f"withheld: {account.quarantined} of {account.read} rows of {spec.name} were refused"
        return ""

    def _load(self, expected: ExpectedTable) -> None:
        contract, standing = expected.contract, expected.standing
        tenants = self.platform.survey().tenants
        withheld = self._withheld(expected)
        with self.platform.postgres.connection() as connection:
            if withheld:
                expected.accounts = {place: not_loaded(each) for place, each in expected.accounts.items()}
                reason, summary = withheld, Summary()
            else:
                ours = without_shared(connection, contract, standing, self.estate.code)
                summary = Summary.of(ours, contract.columns)
                self.log(f"writing {ours.height} rows to {self.asset}")
                rows.write_rows(connection, contract, self.estate.code, ours.select(contract.column_names))
                self.report.rows_written = ours.height
                found = table_summary(connection, contract, tenants, self.estate.code)
                if self.retired and self.entry is not None:
                    summary = summary_in(self.entry) if not ours.height else summary
                reason = explain(summary.differences(found), summary, found)
            entry = self._entry(expected, summary, reason)
            self._quarantine(connection, expected)
            ledger.record(connection, [entry])
        self.report.verdicts = [verdict_of(entry)]
        self.report.accounts = {spec.name: accounts_in(entry).get(spec.name, Account()) for spec in self.specs}

    def _quarantine(self, connection: psycopg.Connection, expected: ExpectedTable) -> None:
        quarantine.replace(connection, self.estate.code, self.asset, WHOLE, expected.refused.drop(DAY), self.run_id)

    def _entry(self, expected: ExpectedTable, summary: Summary, reason: str) -> LedgerEntry:
        accounts = {expected.positions[position].name: account for (_, position), account in expected.accounts.items()}
        for spec in self.specs:
            accounts.setdefault(spec.name, Account())
        if self.entry is not None:
            accounts.update({n: a for n, a in total_accounts([self.entry]).items() if n in self.retired})
        by_source = {
            expected.positions[position].name: part
            for (_, position), part in summaries_by_day_and_source(expected.standing, expected.contract).items()
            if position >= 0
        }
        return LedgerEntry(
            estate=self.estate.code,
            asset=self.asset,
            partition=WHOLE,
            proven=not reason,
            open=False,
            reason=reason,
            rows=summary.rows,
            fingerprint=summary.fingerprint_text,
            facts=facts_of(summary, accounts, by_source, self.versions),
            run_id=self.run_id,
            seconds=0.0,
            recorded_at=None,
        )


def without_shared(
    connection: psycopg.Connection, contract: Contract, standing: pl.DataFrame, estate: str
) -> pl.DataFrame:
    """Rows that another estate has not loaded already; one that it has with other content is refused."""
    keys = list(contract.key)
    others = rows.owners(connection, contract, standing.select(keys))
    others = others.filter(pl.col("estate") != estate)
    if others.is_empty():
        return standing
    shared = standing.join(others.select(keys), on=keys, how="semi", nulls_equal=True)
    theirs = rows.read_rows(connection, contract, standing.get_column("tenant_id").unique().to_list())
    theirs = theirs.join(others.select(keys), on=keys, how="semi", nulls_equal=True)
    named = shared.filter(pl.col("@source") >= 0).sort(keys)
    theirs = theirs.join(named.select(keys), on=keys, how="semi", nulls_equal=True).sort(keys)
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
    known = ledger.estates(connection) - {estate}
    found = rows.read_rows(connection, contract, list(tenants))
    return Summary.of(found.filter(~pl.col("estate").is_in(sorted(known))), contract.columns)
