"""Judging: which of the rows of a table with one key stands, and what becomes of the others.

Of rows with the same key the first wins, by order of sources in the estate, then by row key or position in the file. A
later one with the same content is a duplicate; with other content it is a conflict and goes to quarantine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from energy_platform.domain.accounts import Account
from energy_platform.domain.contracts import Contract
from energy_platform.domain.fingerprints import row_hashes
from energy_platform.transfer.reading.mapping import DAY, KEY, ORDER, REASON, SOURCE
from energy_platform.transfer.tables.staging import first_come, key_hashes

#: Accounts by the position of the source.
Accounts = dict[int, Account]


@dataclass(frozen=True, slots=True)
class Judged:
    """What stands, what does not.

    Attributes:
        standing: the rows that are to stand in the table.
        conflicts: frame tenant_id, @source, @key, @order, @day of the refused ones.
        accounts: of the accepted rows (refused ones are counted by `refused_accounts`).
    """

    standing: pl.DataFrame
    conflicts: pl.DataFrame
    accounts: Accounts


def judge(rows: pl.DataFrame, contract: Contract) -> Judged:
    """Judge accepted rows as they were staged, all those of a key together."""
    beside = ["tenant_id", SOURCE, KEY, ORDER]
    hashes = key_hashes(rows, contract)
    if hashes.n_unique() == rows.height:
        return _judged(rows, rows.clear(), rows.clear().select(beside))
    repeated = hashes.is_duplicated()
    candidates = first_come(rows.filter(repeated)).with_row_index("@row")
    high, low = row_hashes(candidates, contract.columns)
    candidates = candidates.with_columns(pl.Series("@high", high), pl.Series("@low", low))
    identity = list(contract.key)
    first = candidates.unique(identity, keep="first", maintain_order=True)
    compared = candidates.join(first.select("@row"), on="@row", how="anti", maintain_order="left").join(
        first.select(*identity, pl.col("@high").alias("@first_high"), pl.col("@low").alias("@first_low")),
        on=identity,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    same = (pl.col("@high") == pl.col("@first_high")) & (pl.col("@low") == pl.col("@first_low"))
    standing = pl.concat([rows.filter(~repeated), first.select(rows.columns)])
    return _judged(standing, compared.filter(same), compared.filter(~same).select(beside))


def refused_accounts(refused: pl.DataFrame) -> Accounts:
    """Accounts of rows that a contract refused."""
    accounts: Accounts = {}
    for source, reason, rows in refused.group_by(SOURCE, REASON).len().iter_rows():
        account = Account(read=rows, quarantined=rows, reasons={reason: rows})
        accounts[source] = accounts.get(source, Account()) + account
    return accounts


def merged(*parts: Accounts) -> Accounts:
    """Accounts added up by source."""
    accounts: Accounts = {}
    for part in parts:
        for source, account in part.items():
            accounts[source] = accounts.get(source, Account()) + account
    return accounts


def _judged(standing: pl.DataFrame, duplicates: pl.DataFrame, conflicts: pl.DataFrame) -> Judged:
    accounts = merged(
        _accounts(standing, "loaded"), _accounts(duplicates, "duplicates"), _accounts(conflicts, "conflict")
    )
    return Judged(standing, conflicts.with_columns(pl.lit(None, dtype=pl.Date).alias(DAY)), accounts)


def _accounts(rows: pl.DataFrame, made: Literal["loaded", "duplicates", "conflict"]) -> Accounts:
    accounts: Accounts = {}
    for source, count in rows.group_by(SOURCE).len().iter_rows():
        if made == "loaded":
            accounts[source] = Account(read=count, loaded=count)
        elif made == "duplicates":
            accounts[source] = Account(read=count, duplicates=count)
        else:
            accounts[source] = Account(read=count, quarantined=count, reasons={"conflict": count})
    return accounts
