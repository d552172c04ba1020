"""Judging points: which of those with one identity stands, and what becomes of the others.

Of points with the same series and time the first wins, by order of sources in the estate, then by row key or position
in the file. A later one with the same content is a duplicate; with other content it is a conflict, and refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from energy_platform.domain.accounts import Account
from energy_platform.domain.contracts import UNDATED_REASONS, Measurement
from energy_platform.domain.points import SERIES
from energy_platform.transfer.mapping import DAY, ORDER, REASON, SOURCE

#: Accounts by (day, position of the source); the day is None for rows that fall on no day.
AccountsByDay = dict[tuple[date | None, int], Account]

IDENTITY = [SERIES, "time"]


@dataclass(frozen=True, slots=True)
class JudgedPoints:
    """What stands of some whole days, what does not.

    Attributes:
        standing: staged rows sorted by series and time, each identity once.
        conflicts: the refused ones.
        accounts: of the accepted rows.
    """

    standing: pl.DataFrame
    conflicts: pl.DataFrame
    accounts: AccountsByDay


def judge_points(staged: pl.DataFrame, measurement: Measurement) -> JudgedPoints:
    """Judge staged rows (see `Staging`): `@series`, time, the fields, `@source`, `@order`, `@key`, `@day`."""
    staged = staged.sort(*IDENTITY, SOURCE, ORDER, maintain_order=True)
    again = staged.select(
        pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in IDENTITY).fill_null(value=False)
    ).to_series()
    if not again.any():
        return JudgedPoints(staged, staged.clear(), _accounts(staged, "loaded"))
    numbered = staged.with_columns(again.alias("@again")).with_row_index("@row")
    first = pl.when(~pl.col("@again")).then(pl.col("@row")).forward_fill()
    later = numbered.with_columns(first.alias("@first")).filter("@again")
    fields = [column.name for column in measurement.fields]
    earlier = staged[later.get_column("@first")].select(pl.col(name).alias(f"{name} (first)") for name in fields)
    same = later.hstack(earlier).select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name} (first)")) for name in fields)
    )
    duplicates = later.filter(same.to_series()).select(staged.columns)
    conflicts = later.filter(~same.to_series()).select(staged.columns)
    standing = staged.filter(~again)
    accounts = merged(
        _accounts(standing, "loaded"), _accounts(duplicates, "duplicates"), _accounts(conflicts, "conflict")
    )
    return JudgedPoints(standing, conflicts, accounts)


def refused_accounts(refused: pl.DataFrame) -> AccountsByDay:
    """Accounts of rows that were refused: frame with `@day`, `@source`, `@reason`."""
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


def _accounts(rows: pl.DataFrame, made: str) -> AccountsByDay:
    return {
        (day, source): Account(
            read=count,
            loaded=count if made == "loaded" else 0,
            duplicates=count if made == "duplicates" else 0,
            quarantined=count if made == "conflict" else 0,
            reasons={made: count} if made == "conflict" else {},
        )
        for day, source, count in rows.group_by(DAY, SOURCE).len().iter_rows()
    }
