"""Suites of Great Expectations, made from contracts, and what they say of a frame of rows.

Great Expectations takes seconds to import: it is imported where a suite runs, and nowhere else. The context is
ephemeral: nothing is written, and nothing is sent anywhere.
"""

# Great Expectations offers its expectations under a name that it does not declare as exported
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from energy_platform.domain.contracts import ColumnType, Contract
from energy_platform.domain.quality.expectations import Expectation, expectations_of
from energy_platform.domain.quality.outcomes import SHOWN, Outcome
from energy_platform.quality.register import SEPARATOR

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation as GreatExpectation
    from great_expectations.expectations.row_conditions import RowConditionType

#: The types of pandas that hold the canonical types, as `_pandas` makes them: times are UTC, and carry no zone.
_PANDAS_TYPES: Mapping[ColumnType, list[str]] = {
    "float": ["float64"],
    "integer": ["Int64Dtype"],
    "boolean": ["BooleanDtype"],
    "time": ["datetime64[us]"],
    "date": ["datetime64[ms]"],
}

#: A longer text is cut where it is shown.
_SHOWN_LETTERS: Final = 200

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a suite needs to know beside the rows.

    Attributes:
        now: nothing that is said to be past lies behind it.
        bounds: instants that times lie between, the second not included; None where there are none.
        codes: see `register.known_codes`.
    """

    now: datetime
    bounds: tuple[datetime, datetime] | None = None
    codes: Mapping[str, set[str]] = field(default_factory=dict)


def validate(contract: Contract, rows: pl.DataFrame, surroundings: Surroundings) -> list[Outcome]:
    """What each expectation that follows from a contract says of rows that were read back from a store.

    Args:
        contract: of the rows, with the fields that the estate adds.
        rows: as the store gave them, all columns included.
        surroundings: what is not in the rows.

    Returns:
        a verdict for each expectation, in their order; one that could not be evaluated is not passed, and says so.
    """
    expectations = expectations_of(contract)
    if rows.is_empty():
        return [Outcome(each.name, passed=True, severity=each.severity) for each in expectations]
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # pyright: ignore[reportAttributeAccessIssue]
    frame = _pandas(contract, rows)
    batch = (
        context.data_sources.add_pandas("store")
        .add_dataframe_asset(contract.name)
        .add_batch_definition_whole_dataframe("partition")
        .get_batch({"dataframe": frame})
    )
    # what lacks a column is told once, by the expectation of the columns
    there = [each for each in expectations if set(each.columns) <= set(rows.columns)]
    added = list(frame.columns)[rows.width :]
    made = [_expectation(each, contract, surroundings, added) for each in there]
    shown = [name for name in contract.key if name in rows.columns and not contract.column(name).personal]
    result = batch.validate(
        gx.ExpectationSuite(name=contract.name, expectations=made),
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": SHOWN,
            "unexpected_index_column_names": shown,
        },
    )
    by_name = {each.name: each for each in there}
    outcomes = {
        (name := str((one.expectation_config.meta or {})["name"])): _outcome(by_name[name], contract, one)  # pyright: ignore[reportOptionalMemberAccess]
        for one in result.results
    }
    missing = {
        each.name: Outcome(each.name, passed=False, severity=each.severity, problem="The column is missing.")
        for each in expectations
        if each.name not in by_name
    }
    return [(outcomes | missing)[each.name] for each in expectations]


def _pandas(contract: Contract, rows: pl.DataFrame) -> pd.DataFrame:
    """The rows as Great Expectations takes them, and behind them columns for references (tenant and code) and times."""
    codes = [
        pl.when(pl.col(reference.column) != "")
        .then(pl.concat_str("tenant_id", reference.column, separator=SEPARATOR))
        .alias(_code_column(reference.table))
        for reference in contract.references
        if {"tenant_id", reference.column} <= set(rows.columns)
    ]
    instants = [name for name, kind in rows.schema.items() if kind == pl.Datetime("us", "UTC")]
    times = [pl.col(name).dt.replace_time_zone(None) for name in instants]
    # compared as whole numbers: pandas compares times one by one
    counts = [pl.col(name).dt.epoch("us").alias(_count_column(name)) for name in instants if name in contract.key]
    frame = rows.with_columns(*codes, *counts, *times).to_pandas()
    # pandas has no whole numbers and no flags with nulls among them, but by these names
    for name, kind in rows.schema.items():
        if kind == pl.Boolean():
            frame[name] = frame[name].astype("boolean")
        elif kind.is_integer():
            frame[name] = frame[name].astype("Int64")
    return frame


def _code_column(table: str) -> str:
    return f"@{table}"


def _count_column(time: str) -> str:
    return f"@{time}"


def _expectation(
    each: Expectation, contract: Contract, surroundings: Surroundings, added: Sequence[str]
) -> GreatExpectation:
    """One expectation in the words of Great Expectations; `added` are the columns that `_pandas` has added."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    meta = {"name": each.name}
    column = each.columns[0] if each.columns else ""
    match each.kind:
        case "columns":
            names = [*contract.column_names, *added]
            return gxe.ExpectTableColumnsToMatchOrderedList(column_list=names, meta=meta)  # pyright: ignore[reportArgumentType]
        case "type":
            types = _PANDAS_TYPES[contract.column(column).type]
            return gxe.ExpectColumnValuesToBeInTypeList(column=column, type_list=types, meta=meta)
        case "present":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "one_of_present":
            return gxe.ExpectColumnValuesToNotBeNull(
                column=column, row_condition=_all_null(each.columns[1:]), meta=meta
            )
        case "range":
            condition = Column(each.columns[1]) == each.category if each.category else None
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=each.minimum, max_value=each.maximum, row_condition=condition, meta=meta
            )
        case "unique":
            if len(each.columns) == 1:
                return gxe.ExpectColumnValuesToBeUnique(column=column, meta=meta)
            return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(each.columns), meta=meta)
        case "category":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(each.values), meta=meta)
        case "reference":
            codes = sorted(surroundings.codes.get(each.table, ()))
            return gxe.ExpectColumnValuesToBeInSet(column=_code_column(each.table), value_set=codes, meta=meta)
        case "in_order":
            low, high = each.columns
            return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=high, column_B=low, or_equal=True, ignore_row_if="either_value_is_missing", meta=meta
            )
        case "past":
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, max_value=_as_held(surroundings.now, contract.column(column).type), meta=meta
            )
        case "days":
            first, end = (
                None if bound is None else (bound - _EPOCH) // timedelta(microseconds=1)
                for bound in surroundings.bounds or (None, None)
            )
            return gxe.ExpectColumnValuesToBeBetween(
                column=_count_column(column), min_value=first, max_value=end, strict_max=True, meta=meta
            )


def _all_null(columns: Sequence[str]) -> RowConditionType:
    from great_expectations.expectations.row_conditions import AndCondition, Column

    conditions = [Column(name).is_null() for name in columns]
    return AndCondition(conditions=conditions) if len(conditions) > 1 else conditions[0]  # pyright: ignore[reportArgumentType]


def _as_held(instant: datetime, kind: ColumnType) -> datetime:
    """An instant as the frame holds it: UTC without a zone, of days the first moment."""
    held = instant.astimezone(UTC).replace(tzinfo=None)
    return held.replace(hour=0, minute=0, second=0, microsecond=0) if kind == "date" else held


def _outcome(each: Expectation, contract: Contract, one: Any) -> Outcome:
    """What Great Expectations said of one expectation."""
    raised = _exception_of(one.exception_info)
    if raised:
        # of personal columns the words could quote a value
        said = "" if each.personal else f": {raised}"
        problem = f"The expectation could not be evaluated{said}"
        return Outcome(each.name, passed=False, severity=each.severity, problem=problem)
    told = one.result
    counted = "unexpected_count" in told
    return Outcome(
        name=each.name,
        passed=bool(one.success),
        severity=each.severity,
        checked=int(told["element_count"]) if counted else 1,
        unexpected=int(told["unexpected_count"]) if counted else int(not one.success),
        samples=_samples(each, contract, told),
        facts={} if counted else {"observed": _plain(told.get("observed_value"))},
    )


def _exception_of(info: Mapping[str, Any]) -> str:
    """The message of an exception; Great Expectations has one of them, or one per metric."""
    each = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in each if isinstance(entry, Mapping) and entry.get("raised_exception")]
    return str(raised[0].get("exception_message")) if raised else ""


def _samples(each: Expectation, contract: Contract, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Some of the rows that were not expected: their key, and the values that it is about, unless they are personal."""
    shown = {*contract.key, *each.columns}
    kinds: dict[str, ColumnType] = {
        column.name: column.type for column in contract.columns if column.name in shown and not column.personal
    }
    rows = told.get("partial_unexpected_index_list") or []
    return [{name: _plain(value, kinds[name]) for name, value in row.items() if name in kinds} for row in rows[:SHOWN]]


def _plain(value: Any, kind: ColumnType = "text") -> Any:
    """A value as JSON knows it; null where it is none."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        # the event log keeps every sample of every check
        return value if len(value) <= _SHOWN_LETTERS else f"{value[:_SHOWN_LETTERS]}… ({len(value):,} letters)"
    if value is None or str(value) in {"nan", "NaT", "<NA>"}:
        return None
    if hasattr(value, "item"):
        # numpy's numbers are floats to Python, and none to JSON
        return _plain(value.item(), kind)
    if isinstance(value, datetime):
        return value.date().isoformat() if kind == "date" else f"{value.isoformat()}Z"
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, bool | int | float) else str(value)
