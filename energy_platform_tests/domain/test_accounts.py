"""Accounts balance, and add up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.accounts import Account

COUNTS = st.integers(0, 10**9)


@st.composite
def balanced(draw: st.DrawFn) -> Account:
    reasons = draw(st.dictionaries(st.sampled_from(["conflict", "out_of_range", "unreadable_time"]), COUNTS))
    loaded, duplicates, quarantined = draw(COUNTS), draw(COUNTS), sum(reasons.values())
    return Account(
        loaded + duplicates + quarantined, loaded, duplicates, quarantined, reasons.get("unreadable_time", 0), reasons
    )


GOOD = Account(1818, 1810, 3, 5, 1, {"out_of_range": 4, "unreadable_time": 1})


@given(balanced(), balanced())
def test_the_sum_of_balanced_accounts_is_balanced(one: Account, other: Account) -> None:
    together = one + other
    assert together.balanced
    assert together.read == one.read + other.read
    assert together == other + one


@pytest.mark.parametrize(
    "changes",
    [
        {"read": 1819},
        {"loaded": 1809},
        {"duplicates": 2},
        {"quarantined": 6},
        {"undated": 6},
        {"reasons": {"conflict": 4}},
    ],
)
def test_a_row_that_is_not_accounted_for_is_noticed(changes: dict[str, object]) -> None:
    assert GOOD.balanced
    assert not replace(GOOD, **changes).balanced  # pyright: ignore[reportArgumentType]


@given(balanced())
def test_facts_survive_json(account: Account) -> None:
    assert Account.from_facts(json.loads(json.dumps(account.as_facts()))) == account


def test_facts_are_those_of_the_report() -> None:
    assert GOOD.as_facts() == {
        "read": 1818,
        "loaded": 1810,
        "duplicates": 3,
        "quarantined": 5,
        "undated": 1,
        "reasons": {"out_of_range": 4, "unreadable_time": 1},
    }
