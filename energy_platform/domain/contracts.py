"""What a row must meet to be loaded: one definition per measurement and table, used by every part of the platform.

A contract is checked on whole record batches (polars frames in canonical types) and answers with a reason code per
row. The codes are listed in `REASONS`; they are the vocabulary of the quarantine, of reports and of the API.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

ColumnType = Literal["text", "float", "integer", "boolean", "time", "date", "json"]

#: The polars type that holds each column type inside the platform. Time is always UTC, in microseconds.
CANONICAL_TYPES: Mapping[ColumnType, pl.DataType]


def __getattr__(name: str) -> Any:
    # made when first asked for: Dagster loads contracts for their names and words, and need not wait for polars
    if name != "CANONICAL_TYPES":
        raise AttributeError(name)
    import polars as pl

    types = {
        "text": pl.String(),
        "float": pl.Float64(),
        "integer": pl.Int64(),
        "boolean": pl.Boolean(),
        "time": pl.Datetime("us", "UTC"),
        "date": pl.Date(),
        "json": pl.String(),
    }
    globals()[name] = types
    return types


REASONS: Mapping[str, str] = {
    "unreadable_time": "The time is missing or cannot be read.",
    "ambiguous_time": "The local time exists twice, where clocks go back, and the estate file says to quarantine it.",
    "before_first_day": "The time lies before the estate's first_day.",
    "after_last_day": "The time lies after the estate's last_day.",
    "in_the_future": "The time lies in the future.",
    "missing_key": "A part of the row's identity (building, sensor, a table's key) is missing.",
    "missing_value": "A value that must be there is missing.",
    "not_a_number": "Text, or a value of another kind, stands where a number belongs.",
    "not_finite": "The number is infinite or not a number (inf, nan).",
    "not_a_flag": "The value is neither true nor false.",
    "not_a_date": "The value is not a calendar date.",
    "not_json": "The value is not JSON.",
    "out_of_range": "The number lies outside the physical range of its column or sensor type.",
    "not_allowed": "The text holds characters that the stores cannot hold (U+0000; in codes also line ends).",
    "too_long": "The text is longer than the store can hold.",
    "unknown_sensor": "No source says in which building this sensor is.",
    "withheld": "The row itself is fine, but so many others of its day were refused that the day was not loaded.",
    "refused_by_store": "The store itself refused the point: mend the reason beside it, then load with --force.",
    "conflict": "An earlier row has the same identity with other content; the first one wins.",
}

#: Reasons of rows that fall on no day: they are accounted for on their own, outside all daily partitions.
UNDATED_REASONS = frozenset({"unreadable_time", "before_first_day", "after_last_day", "in_the_future"})

#: InfluxDB refuses tag and field values above 64 KiB; characters may take four bytes.
MAX_TEXT_BYTES = 65_535

#: No store holds U+0000 in a text; a tag of InfluxDB cannot hold a line end, nor end with a backslash.
UNSTORABLE_TEXT = r"\x00"
UNSTORABLE_KEY = r"[\x00\r\n]"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a contract.

    Attributes:
        name: its name in the stores.
        type: see `CANONICAL_TYPES`.
        required: a null is refused (`missing_value`, or `missing_key` where the column is part of the key).
        minimum: smallest number allowed, included.
        maximum: largest number allowed, included.
        finite: refuse inf and nan. A nan is always refused.
        unit: of a number; empty where it has none.
        quantity: what a number measures, a name of `quantities.QUANTITIES`; empty where nothing is known of it.
        categories: the texts that are expected; another one is loaded all the same, and reported as a finding.
        past: the time or date lies in the past; a later one is loaded all the same, and reported as a finding.
        personal: personal data or a secret: never shown in logs, metadata or reports.
        description: for people, shown in Dagster's column schema.
    """

    name: str
    type: ColumnType
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    finite: bool = True
    unit: str = ""
    quantity: str = ""
    categories: tuple[str, ...] = ()
    past: bool = False
    personal: bool = False
    description: str = ""

    @property
    def polars_type(self) -> pl.DataType:
        """The canonical polars type of this column."""
        return getattr(sys.modules[__name__], "CANONICAL_TYPES")[self.type]  # noqa: B009  it is made when asked for


@dataclass(frozen=True, slots=True)
class TypedRange:
    """Limits of a number that depend on a category in the same row, e.g. of `value` on `sensor_type`.

    Attributes:
        column: the number.
        by: the category.
        limits: per category (minimum, maximum), both included; other categories are free.
    """

    column: str
    by: str
    limits: Mapping[str, tuple[float, float]] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names a row of a table of the same tenant.

    Attributes:
        column: the code; one that is null or empty refers to nothing.
        table: name of the table, whose key is `tenant_id` and one column.
    """

    column: str
    table: str


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """Limits of a number that a register holds for each device. A number beyond them is loaded, and reported.

    Attributes:
        column: the number.
        table: the register.
        by: the column that names the device, here and in the register.
        limits: columns of the register (minimum, maximum); the first pair that a device has counts.
    """

    column: str
    table: str
    by: str
    limits: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """What the rows of one measurement or table must meet.

    Attributes:
        name: of the measurement or table.
        columns: in the order in which they are fingerprinted and stored.
        key: names of the columns that make a row's identity; `tenant_id` first.
        any_of: at least one of these columns must hold a value; empty where any row will do.
        typed_ranges: limits that depend on a category.
        references: columns that name rows of other tables.
        own_limits: limits that a register holds for each device.
        in_order: pairs of columns, the first of which is not above the second.
        description: for people.

    What `references`, `own_limits`, `in_order`, `Column.categories` and `Column.past` say does not refuse a row: the
    quality checks report what breaks it.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    any_of: tuple[str, ...] = ()
    typed_ranges: tuple[TypedRange, ...] = field(default=())
    references: tuple[Reference, ...] = ()
    own_limits: OwnLimits | None = None
    in_order: tuple[tuple[str, str], ...] = ()
    description: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def schema(self) -> dict[str, pl.DataType]:
        """Canonical polars schema of a frame of this contract."""
        return {column.name: column.polars_type for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """A frame of this contract without rows."""
        import polars as pl

        return pl.DataFrame(schema=self.schema())

    def violation(self) -> pl.Expr:
        """An expression for a canonical frame of this contract: the first reason code that a row breaks, or null.

        Key columns come first, then presence, finiteness and ranges in the order of columns.
        """
        return _violation(self)

    def _checks(self) -> list[tuple[pl.Expr, str]]:
        """What refuses a row, and the reason, in the order in which they count."""
        import polars as pl

        checks: list[tuple[pl.Expr, str]] = []
        for name in self.key:
            column = self.column(name)
            value = pl.col(name)
            if column.type == "time":
                checks.append((value.is_null(), "unreadable_time"))
            elif column.required:
                missing = value.is_null() | (value == "") if column.type == "text" else value.is_null()
                checks.append((missing, "missing_key"))
        return checks + self._content_checks(self.column_names)

    def _content_checks(self, names: Collection[str]) -> list[tuple[pl.Expr, str]]:
        """What refuses a row for what stands in these columns; all others are null."""
        import polars as pl

        checks: list[tuple[pl.Expr, str]] = []
        for column in self.columns:
            value = pl.col(column.name) if column.name in names else pl.lit(None, dtype=column.polars_type)
            if column.required and column.name not in self.key:
                checks.append((value.is_null(), "missing_value"))
            if column.name not in names:
                continue
            if column.type == "float":
                refused = ~value.is_finite() if column.finite else value.is_nan()
                checks.append((refused, "not_finite"))
            if column.minimum is not None:
                checks.append((value < column.minimum, "out_of_range"))
            if column.maximum is not None:
                checks.append((value > column.maximum, "out_of_range"))
            if column.type in {"text", "json"}:
                checks.append((value.str.len_bytes() > MAX_TEXT_BYTES, "too_long"))
            if column.type == "text":
                checks.append((_unstorable(value, in_key=column.name in self.key), "not_allowed"))
        for typed_range in self.typed_ranges:
            if typed_range.column in names and typed_range.by in names:
                value, category = pl.col(typed_range.column), pl.col(typed_range.by)
                for name, (minimum, maximum) in typed_range.limits.items():
                    checks.append(((category == name) & ~value.is_between(minimum, maximum), "out_of_range"))
        if self.any_of:
            held = [pl.col(name).is_not_null() for name in self.any_of if name in names]
            checks.append((~pl.any_horizontal(held) if held else pl.lit(value=True), "missing_value"))
        return checks


@lru_cache(maxsize=64)
def _violation(contract: Contract) -> pl.Expr:
    # made once: that takes longer than looking at a few rows by it
    import polars as pl

    checks = contract._checks()
    if not checks:
        return pl.lit(None, dtype=pl.String)
    # numbers are chosen from faster than words are
    words = list(dict.fromkeys(reason for _, reason in checks))
    first = pl.coalesce(
        pl.when(condition).then(pl.lit(words.index(reason), dtype=pl.UInt8)) for condition, reason in checks
    )
    return first.cat.to(pl.Enum(words)).cast(pl.String)


def _unstorable(text: pl.Expr, *, in_key: bool) -> pl.Expr:
    if not in_key:
        return text.str.contains(UNSTORABLE_TEXT)
    # in two steps: a plain set of characters is found in half the time of a pattern that says both
    return text.str.contains(UNSTORABLE_KEY) | text.str.ends_with("\\")


@dataclass(frozen=True, slots=True)
class Measurement(Contract):
    """A contract of a time series: its identity is its tags and its time, its content its fields.

    A measurement has exactly its tags; an absent tag is the empty text. Fields may grow by those that an estate names.
    """

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of the tags, in order: the key without the time."""
        return tuple(name for name in self.key if name != "time")

    @property
    def fields(self) -> tuple[Column, ...]:
        """The columns that are neither tag nor time."""
        return tuple(column for column in self.columns if column.name not in self.key)

    def broken(self, names: Collection[str]) -> pl.Expr:
        """Whether a point breaks what must hold for its fields, as far as its tags have no say in it.

        Args:
            names: of the fields that the frame has; all others are null.
        """
        import polars as pl

        conditions = [condition for condition, _ in self._content_checks(names)]
        return pl.any_horizontal(condition.fill_null(value=False) for condition in conditions)

    def with_fields(self, extra: tuple[Column, ...]) -> Measurement:
        """The same measurement with further fields, sorted by name behind its own."""
        known = set(self.column_names)
        added = tuple(sorted((column for column in extra if column.name not in known), key=lambda c: c.name))
        return replace(
            self,
            columns=self.columns + added,
            any_of=self.any_of + tuple(column.name for column in added) if self.any_of else (),
        )
