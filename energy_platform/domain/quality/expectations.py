"""What a contract lets one expect of rows that stand in a store, one expectation after the other.

The transfer refuses rows that break a contract; what is found here has come into the store past it (`error`), or is
nothing that a row is refused for (`warning`). No library is named: `energy_platform.quality.suites` puts these into
words of Great Expectations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from energy_platform.domain.contracts import Contract, Measurement
from energy_platform.domain.quality.outcomes import Severity

Kind = Literal[
    "columns",
    "type",
    "present",
    "one_of_present",
    "range",
    "unique",
    "category",
    "reference",
    "in_order",
    "past",
    "days",
]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that rows of a contract should meet.

    Attributes:
        name: unique within its contract; letters, digits and underscores.
        kind: what is expected.
        columns: that it concerns, the main one first.
        description: for people.
        severity: see the module.
        minimum: of a range.
        maximum: of a range.
        category: only rows where the second column has this text.
        values: allowed texts.
        table: that a reference leads to.
        personal: its column holds personal data, so that no value is shown.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    description: str
    severity: Severity = "error"
    minimum: float | None = None
    maximum: float | None = None
    category: str = ""
    values: tuple[str, ...] = ()
    table: str = ""
    personal: bool = False


def expectations_of(contract: Contract) -> tuple[Expectation, ...]:
    """All that a contract lets one expect, in an order that stays."""
    return (
        Expectation("columns", "columns", (), "The columns are those of the contract, in its order."),
        *_of_columns(contract),
        *_of_categories(contract),
        *_of_rows(contract),
        *_of_relations(contract),
    )


def _of_columns(contract: Contract) -> Iterator[Expectation]:
    for column in contract.columns:
        name = (column.name,)
        # any text is text
        if column.type not in {"text", "json"}:
            said = f"`{column.name}` is of type {column.type}."
            yield Expectation(f"{column.name}_type", "type", name, said, personal=column.personal)
        if column.required:
            said = f"`{column.name}` holds a value."
            yield Expectation(f"{column.name}_present", "present", name, said, personal=column.personal)
        if column.minimum is not None or column.maximum is not None:
            unit = f" {column.unit}" if column.unit else ""
            said = f"`{column.name}` lies within {_limits(column.minimum, column.maximum)}{unit}."
            yield Expectation(
                f"{column.name}_range",
                "range",
                name,
                said,
                minimum=column.minimum,
                maximum=column.maximum,
                personal=column.personal,
            )
        if column.categories:
            said = f"`{column.name}` is one of {', '.join(column.categories)}."
            yield Expectation(
                f"{column.name}_category",
                "category",
                name,
                said,
                "warning",
                values=column.categories,
                personal=column.personal,
            )
        if column.past:
            said = f"`{column.name}` does not lie in the future."
            yield Expectation(f"{column.name}_past", "past", name, said, "warning", personal=column.personal)


def _of_categories(contract: Contract) -> Iterator[Expectation]:
    for typed in contract.typed_ranges:
        for category, (minimum, maximum) in typed.limits.items():
            said = f"`{typed.column}` lies within {_limits(minimum, maximum)} where `{typed.by}` is {category}."
            yield Expectation(
                f"{typed.column}_range_{category}",
                "range",
                (typed.column, typed.by),
                said,
                minimum=minimum,
                maximum=maximum,
                category=category,
            )


def _of_rows(contract: Contract) -> Iterator[Expectation]:
    key = ", ".join(f"`{name}`" for name in contract.key)
    yield Expectation("key_unique", "unique", contract.key, f"No two rows have the same {key}.")
    if contract.any_of:
        said = f"At least one of {', '.join(f'`{name}`' for name in contract.any_of)} holds a value."
        yield Expectation("content_present", "one_of_present", contract.any_of, said)
    if isinstance(contract, Measurement):
        said = "`time` lies within the days that were asked for, and within the estate's."
        yield Expectation("time_in_days", "days", ("time",), said)


def _of_relations(contract: Contract) -> Iterator[Expectation]:
    for reference in contract.references:
        said = f"`{reference.column}` stands in the table {reference.table} of the same tenant."
        # of tables PostgreSQL itself sees to it
        severity: Severity = "warning" if isinstance(contract, Measurement) else "error"
        columns = ("tenant_id", reference.column)
        name = f"{reference.column}_known"
        yield Expectation(name, "reference", columns, said, severity, table=reference.table)
    for low, high in contract.in_order:
        said = f"`{low}` is not above `{high}`."
        yield Expectation(f"{low}_up_to_{high}", "in_order", (low, high), said, "warning")


def _limits(minimum: float | None, maximum: float | None) -> str:
    low = "-∞" if minimum is None else f"{minimum:g}"
    high = "∞" if maximum is None else f"{maximum:g}"
    return f"{low} to {high}"
