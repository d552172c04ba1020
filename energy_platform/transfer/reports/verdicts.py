"""Verdicts and reports of loads, and how they stand in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from energy_platform.domain.accounts import Account
from energy_platform.domain.summaries import Summary
from energy_platform.stores.postgres.ledger import LedgerEntry


@dataclass(frozen=True, slots=True)
class PartitionVerdict:
    """What a load found out about one partition.

    Attributes:
        partition: ISO day, or `all`.
        proven: the target gives back what the sources hold.
        open: the day has not ended yet; it is proved again after it has.
        rows: rows that stand in the target.
        fingerprint: of those.
        reason: why it is not proven; empty where it is.
        skipped: it was proven before and its sources have not changed.
    """

    partition: str
    proven: bool
    open: bool
    rows: int
    fingerprint: str
    reason: str = ""
    skipped: bool = False


@dataclass(slots=True)
class LoadReport:
    """What a load did.

    Attributes:
        asset: e.g. `timeseries/sensor_data`.
        accounts: by source, over the partitions of this run and the rows that fall on no day.
        verdicts: by partition, in order; partitions without rows are not in it.
        warnings: what people should know though it stops nothing.
        seconds: wall time.
        rows_written: rows sent to the target.
        phases: seconds of `reading`, `judging`, `preparing`, `writing`, `proving` and `recording`.
    """

    asset: str
    accounts: dict[str, Account] = field(default_factory=dict)
    verdicts: list[PartitionVerdict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    rows_written: int = 0
    phases: dict[str, float] = field(default_factory=dict)

    @property
    def unproven(self) -> list[PartitionVerdict]:
        """The partitions that are not proven."""
        return [verdict for verdict in self.verdicts if not verdict.proven]

    @property
    def proved(self) -> bool:
        """Whether every partition of this run is proven."""
        return not self.unproven


def facts_of(
    summary: Summary,
    accounts: Mapping[str, Account],
    by_source: Mapping[str, Summary],
    versions: Mapping[str, str] | str,
    **further: Any,
) -> dict[str, Any]:
    """The facts of a ledger entry: what the sources hold, per source and together, and their versions (or a token)."""
    sources = {
        name: {**account.as_facts(), "summary": by_source.get(name, Summary()).as_facts()}
        for name, account in sorted(accounts.items())
    }
    return {"summary": summary.as_facts(), "accounts": sources, "versions": versions, **further}


def accounts_in(entry: LedgerEntry) -> dict[str, Account]:
    """Accounts by source of a ledger entry."""
    return {name: Account.from_facts(facts) for name, facts in entry.facts.get("accounts", {}).items()}


def summary_in(entry: LedgerEntry) -> Summary:
    """What the sources held when the entry was written."""
    facts = entry.facts.get("summary")
    return Summary.from_facts(facts) if facts else Summary()


def source_summaries_in(entry: LedgerEntry) -> dict[str, Summary]:
    """What each source held when the entry was written."""
    return {
        name: Summary.from_facts(facts["summary"])
        for name, facts in entry.facts.get("accounts", {}).items()
        if "summary" in facts
    }


def total_accounts(entries: Iterable[LedgerEntry]) -> dict[str, Account]:
    """Accounts by source over ledger entries."""
    totals: dict[str, Account] = {}
    for entry in entries:
        for name, account in accounts_in(entry).items():
            totals[name] = totals.get(name, Account()) + account
    return totals


def verdict_of(entry: LedgerEntry, *, skipped: bool = False) -> PartitionVerdict:
    """The verdict that a ledger entry holds."""
    return PartitionVerdict(
        entry.partition, entry.proven, entry.open, entry.rows, entry.fingerprint, entry.reason, skipped
    )
