"""Judging: which of the rows with one identity stands, and what becomes of the others.

Of rows with the same identity the first wins, by order of sources in the estate, then by row key or position in the
file. A later one with the same content is a duplicate; with other content it is a conflict and goes to quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from energy_platform.domain.accounts import Account
from energy_platform.domain.contracts import UNDATED_REASONS, Contract
from energy_platform.domain.fingerprints import row_hashes
from energy_platform.domain.summaries import Summary
from energy_platform.transfer.mapping import DAY, KEY, ORDER, REASON, SOURCE

#: Accounts by (day, position of the source); the day is None for a table and for rows that fall on no day.
AccountsByDay = dict[tuple[date | None, int], Account]


@dataclass(frozen=True, slots=True)
class Judged:
    """What stands, what does not.

    Attributes:
        standing: the rows that are to stand in the target.
        conflicts: frame tenant_id, @source, @key, @order, @day of the refused ones.
        accounts: of the accepted rows (refused ones are counted by `refused_accounts`).
    """

    standing: pl.DataFrame
    conflicts: pl.DataFrame
    accounts: AccountsByDay


def judge(frame: pl.DataFrame, contract: Contract) -> Judged:
    """Judge accepted rows of whole days, sorted by day, source and order."""
    identity = list(contract.key)
    beside = ["tenant_id", SOURCE, KEY, ORDER, DAY]
    standing = frame.unique(identity, keep="first", maintain_order=True)
    if standing.height == frame.height:
        nothing = frame.clear().select(beside)
        return Judged(frame, nothing, _accounts(frame, frame.clear(), nothing))
    numbered = frame.with_row_index("@row")
    high, low = row_hashes(frame, contract.columns)
    hashed = numbered.with_columns(pl.Series("@high", high), pl.Series("@low", low))
    first = hashed.unique(identity, keep="first", maintain_order=True)
    later = hashed.join(first.select("@row"), on="@row", how="anti")
    compared = later.join(
        first.select(*identity, pl.col("@high").alias("@first_high"), pl.col("@low").alias("@first_low")),
        on=identity,
        how="left",
        nulls_equal=True,
    )
    same = (pl.col("@high") == pl.col("@first_high")) & (pl.col("@low") == pl.col("@first_low"))
    duplicates = compared.filter(same)
    conflicts = compared.filter(~same).select(beside)
    return Judged(standing, conflicts, _accounts(standing, duplicates, conflicts))


def refused_accounts(refused: pl.DataFrame) -> AccountsByDay:
    """Accounts of rows that a contract refused."""
    accounts: AccountsByDay = {}
    for day, source, reason, rows in refused.group_by(DAY, SOURCE, REASON).len().iter_rows():
        undated = rows if reason in UNDATED_REASONS else 0
        account = Account(read=rows, quarantined=rows, undated=undated, reasons={reason: rows})
        accounts[day, source] = accounts.get((day, source), Account()) + account
    return accounts


def merged(*parts: AccountsByDay) -> AccountsByDay:
    """Accounts added up by day and source."""
    accounts: AccountsByDay = {}
    for part in parts:
        for place, account in part.items():
            accounts[place] = accounts.get(place, Account()) + account
    return accounts


def summaries_by_day_and_source(frame: pl.DataFrame, contract: Contract) -> dict[tuple[date | None, int], Summary]:
    """Summary of the standing rows per day and source."""
    summaries = Summary.by_group(frame, [DAY, SOURCE], contract.columns)
    return {(day, source): summary for (day, source), summary in summaries.items()}


def _accounts(standing: pl.DataFrame, duplicates: pl.DataFrame, conflicts: pl.DataFrame) -> AccountsByDay:
    accounts: AccountsByDay = {}

    def add(frame: pl.DataFrame, made: str) -> None:
        for day, source, rows in frame.group_by(DAY, SOURCE).len().iter_rows():
            if made == "loaded":
                account = Account(read=rows, loaded=rows)
            elif made == "duplicates":
                account = Account(read=rows, duplicates=rows)
            else:
                account = Account(read=rows, quarantined=rows, reasons={"conflict": rows})
            accounts[day, source] = accounts.get((day, source), Account()) + account

    add(standing, "loaded")
    add(duplicates, "duplicates")
    add(conflicts, "conflict")
    return accounts
