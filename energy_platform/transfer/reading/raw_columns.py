"""What a source holds for a canonical column, and how it is written there, by what the estate file says."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.tables import TABLES
from energy_platform.domain.units import unit_named
from energy_platform.sources.estate import Estate, Role, SourceSpec
from energy_platform.sources.spec import POWER_COLUMN, NumberForm
from energy_platform.transfer.reading.conversion import (
    PLAIN_FORM,
    ColumnForm,
    Converted,
    as_floats,
    convert,
    plain_numbers,
)

#: Columns that a wide source's rows get when each value column becomes rows of its own.
VALUE, TYPE, COLUMN = "@value", "@type", "@column"


def converted(raw: pl.DataFrame, name: str, column_type: ColumnType, spec: SourceSpec, estate: Estate) -> Converted:
    """The source's values for a canonical column, converted into its type."""
    values = raw_column(raw, name, spec, estate)
    found = convert(values, column_type, estate.zone, _form(raw, name, spec))
    if name not in {"value", "state"} or not _holds_numbers_and_words(spec):
        return found
    if name == "value":
        return found._replace(refused=None)
    numbers = convert(raw_column(raw, "value", spec, estate), "float", estate.zone, _form(raw, "value", spec)).values
    no_word = numbers.is_not_null() | (found.values.str.strip_chars() == "").fill_null(value=False)
    return found._replace(values=found.values.set(no_word, None))


def columns_behind(names: Iterable[str], spec: SourceSpec) -> list[str]:
    """The source's columns that the values of these columns of a measurement follow from; its shape is not wide."""
    columns: set[str] = set()
    for name in names:
        role = spec.roles.get(name)
        if role is not None:
            columns.update(role.columns)
        elif name in spec.extra:
            columns.add(spec.extra[name])
    return sorted(columns)


def raw_column(raw: pl.DataFrame, name: str, spec: SourceSpec, estate: Estate) -> pl.Series:
    """The source's values for a canonical column, as they are; nulls where it names none."""
    if spec.shape == "wide" and name in {spec.value_column, "sensor_type"}:
        return raw.get_column(TYPE if name == "sensor_type" else VALUE)
    role = spec.roles.get(name)
    if role is None:
        if name in spec.extra:
            return present(raw.get_column(spec.extra[name]), spec)
        if name == "attributes" and spec.extra:
            chosen = [present(raw.get_column(column), spec).alias(key) for key, column in sorted(spec.extra.items())]
            return pl.DataFrame(chosen).to_struct().struct.json_encode()
        if spec.target in TABLES and name in raw.columns and name not in spec.ignored:
            return present(raw.get_column(name), spec)
        if name == "tenant_id":
            return pl.repeat(estate.tenant_code, raw.height, dtype=pl.String, eager=True)
        if name == "unit" and spec.target not in TABLES and (unit := unit_named(_value_role(raw, spec).unit or "")):
            # the numbers are converted, so this is the unit that they are stored in
            return pl.repeat(unit.canonical, raw.height, dtype=pl.String, eager=True)
    if role is None or role.from_sensor:
        return pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    return _role_values(raw, role, spec)


def _holds_numbers_and_words(spec: SourceSpec) -> bool:
    """Whether one column is the value and the state: a number is the one, a word the other."""
    value, state = spec.roles.get("value"), spec.roles.get("state")
    return value is not None and state is not None and value.column is not None and value.column == state.column


def present(values: pl.Series, spec: SourceSpec) -> pl.Series:
    """The same values, null where one of the source's marks stands for a missing one."""
    marks = spec.missing
    if not marks or values.dtype in {pl.Boolean, pl.Null}:
        return values
    if values.dtype == pl.String:
        # beside text in its column, -999 of a database may come as -999.0
        is_missing = values.str.strip_chars().is_in([*marks, *(f"{mark}.0" for mark in marks)])
    else:
        numbers = as_floats(pl.Series(marks)).drop_nulls().drop_nans()
        is_missing = values.cast(pl.Float64).is_in(numbers.implode())
    return values.set(is_missing, None) if is_missing.any() else values


def inferred_type(raw: pl.Series, numbers: NumberForm = PLAIN_FORM.numbers) -> ColumnType:
    """The type of an extra field's values: float where all are numbers, boolean where all are flags, else text.

    Args:
        raw: the values.
        numbers: how numbers are written that are text.
    """
    values = raw.drop_nulls()
    if raw.dtype == pl.Boolean:
        return "boolean"
    if raw.dtype == pl.String:
        values = values.filter(values.str.strip_chars() != "")
    return "float" if as_floats(plain_numbers(values, ColumnForm(numbers=numbers))).null_count() == 0 else "text"


def _role_values(raw: pl.DataFrame, role: Role, spec: SourceSpec) -> pl.Series:
    if role.from_column:
        return raw.get_column(COLUMN).replace(dict(role.map)) if role.map else raw.get_column(COLUMN)
    if role.column is None:
        constant = role.constant
        value = constant if isinstance(constant, (bool, int, float)) else str(constant)
        return pl.repeat(value, raw.height, eager=True)
    if role.column == POWER_COLUMN:
        # no file holds it: it stands where a whole source is read, and marks for missing values are not meant for it
        return (
            raw.get_column(role.column)
            if role.column in raw.columns
            else pl.Series([None] * raw.height, dtype=pl.Float64)
        )
    values = present(raw.get_column(role.column), spec)
    if role.clock is not None:
        clock = present(raw.get_column(role.clock), spec)
        values = values.cast(pl.String).str.strip_chars() + " " + clock.cast(pl.String).str.strip_chars()
    if role.map:
        text = values.cast(pl.String)
        return text.replace(dict(role.map))
    return values


def _value_role(raw: pl.DataFrame, spec: SourceSpec) -> Role:
    """What the estate file says of the value of a reading."""
    if spec.shape == "wide":
        column = raw.get_column(COLUMN)[0] if raw.height and COLUMN in raw.columns else ""
        return spec.value_roles.get(column, Role())
    return spec.roles.get("value", Role())


def _form(raw: pl.DataFrame, name: str, spec: SourceSpec) -> ColumnForm:
    is_value = name == (spec.value_column if spec.shape == "wide" else "value")
    role = _value_role(raw, spec) if is_value else spec.roles.get(name, Role())
    unit = unit_named(role.unit) if role.unit is not None else None
    return ColumnForm(role.time, spec.ambiguous, spec.numbers, role.strip, unit, role.per_minutes)
