"""Cells that a spreadsheet opens: no text is run as a formula, and every text comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.domain.spreadsheets import COLUMNS, column_of, guarded, header_of, unguarded

TEXTS = st.text(st.sampled_from("'=+-@\t\r\nq_ua1.,e "), max_size=12)


@given(TEXTS | st.text(max_size=6))
def test_every_text_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text


@given(TEXTS)
def test_no_cell_begins_as_a_formula_does_but_for_numbers(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "@", "\t", "\r", "\n"))
    if cell.startswith(("+", "-")):
        assert cell[1:].replace(",", "").replace(".", "").replace("e", "").replace("-", "").replace("+", "").isdigit()


@pytest.mark.parametrize("number", ["-5.2", "+3", "-1,250.5", "2", "-4e-3", ""])
def test_numbers_stay_numbers(number: str) -> None:
    assert guarded(number) == number


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "'=1"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@given(st.lists(st.sampled_from(["raw_", "quarantine_", "id", "=", "'"])).map("".join))
def test_every_column_comes_back_and_is_none_of_ours(name: str) -> None:
    assert column_of(header_of(name)) == name
    assert header_of(name) not in COLUMNS


@pytest.mark.parametrize(
    "name", ["quarantine_id", "raw_quarantine_id", "raw_raw_quarantine_source", "raw_value", "@group"]
)
def test_columns_called_like_ours_come_back(name: str) -> None:
    assert header_of(name) not in COLUMNS
    assert column_of(header_of(name)) == name
