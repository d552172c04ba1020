from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.accounts import Account
from energy_platform.domain.contracts import Column, Measurement
from energy_platform.domain.points import SERIES
from energy_platform.transfer.reading.mapping import DAY, KEY, ORDER, SOURCE
from energy_platform.transfer.timeseries.judging import judge_points

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
MEASUREMENT = Measurement(
    "power",
    (
        Column("tenant_id", "text", required=True),
        Column("time", "time", required=True),
        Column("value", "float"),
        Column("state", "text"),
    ),
    ("tenant_id", "time"),
)

values = st.sampled_from([None, 0.0, -0.0, 1.0, 2.5])
states = st.sampled_from([None, "", "on"])
rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), values, states, st.integers(0, 1), st.integers(0, 30)), max_size=30
)


def staged(given_rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows as a staging has them; hours 0 to 3 lie on two days."""
    return pl.DataFrame(
        [
            (series, NOON + timedelta(hours=6 * hour), value, state, source, order, None, day_of(hour))
            for series, hour, value, state, source, order in given_rows
        ],
        schema={
            SERIES: pl.UInt32,
            "time": pl.Datetime("us", "UTC"),
            "value": pl.Float64,
            "state": pl.String,
            SOURCE: pl.Int32,
            ORDER: pl.Int64,
            KEY: pl.String,
            DAY: pl.Date,
        },
        orient="row",
    )


def day_of(hour: int) -> date:
    return (NOON + timedelta(hours=6 * hour)).date()


@given(rows)
def test_the_first_wins_and_every_row_is_accounted_for(given_rows: list[tuple[Any, ...]]) -> None:
    judged = judge_points(staged(given_rows), MEASUREMENT)

    first: dict[tuple[int, int], tuple[Any, ...]] = {}
    accounts: dict[tuple[date | None, int], Account] = {}
    for series, hour, value, state, source, _ in sorted(given_rows, key=lambda row: (row[4], row[5])):
        place = (day_of(hour), source)
        if (series, hour) not in first:
            first[series, hour] = (value, state)
            account = Account(read=1, loaded=1)
        elif first[series, hour] == (value, state):
            account = Account(read=1, duplicates=1)
        else:
            account = Account(read=1, quarantined=1, reasons={"conflict": 1})
        accounts[place] = accounts.get(place, Account()) + account

    assert judged.accounts == accounts
    assert all(account.balanced for account in judged.accounts.values())
    found = {
        (series, time): (value, state)
        for series, time, value, state in judged.standing.select(SERIES, "time", "value", "state").iter_rows()
    }
    assert found == {(series, NOON + timedelta(hours=6 * hour)): row for (series, hour), row in first.items()}
    assert judged.standing.height == len(first)
    identities = judged.standing.select(SERIES, "time").rows()
    assert identities == sorted(identities)
    assert judged.conflicts.height == sum(account.quarantined for account in accounts.values())
