"""Reads an array of objects, or an object of such arrays, from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from energy_platform.domain.errors import SourceError
from energy_platform.domain.numbers import EXACT_INTEGERS
from energy_platform.sources.naming import listed, suggestion
from energy_platform.sources.source import DEFAULT_BATCH_ROWS, Source
from energy_platform.sources.spec import GROUP_COLUMN, KEY_COLUMN, ORDER_COLUMN
from energy_platform.sources.text import read_text

_INT64 = 2**63


class _DuplicateKeyError(ValueError):
    """An object has the same key twice."""


class JsonSource(Source):
    """An array in a JSON file. Nested objects become dotted columns, lists their JSON text."""

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in the order in which they first appear; `@group` first, where there are groups."""
        return tuple(self._table())

    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._rows())

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows; see `Source.batches`. The file is read as a whole."""
        rows = self._rows()
        if not rows:
            return
        frame = pl.DataFrame([_series(values).alias(name) for name, values in self._table(rows).items()])
        number = pl.int_range(1, len(rows) + 1, dtype=pl.Int64, eager=True)
        key, order = pl.repeat(None, len(rows), dtype=pl.String, eager=True), number
        if self.spec.key is not None:
            given = frame.get_column(self.spec.key)
            if given.dtype == pl.Int64 and not given.has_nulls():
                order = given
            else:
                key = given.cast(pl.String)
        yield from frame.with_columns(key.alias(KEY_COLUMN), order.alias(ORDER_COLUMN)).iter_slices(batch_rows)

    def _table(self, rows: list[dict[str, Any]] | None = None) -> dict[str, list[Any]]:
        rows = self._rows() if rows is None else rows
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = {name: [row.get(name) for row in rows] for name in names}
        # `thresholds: null` in one row is no column where other rows have an object there
        for name, values in list(table.items()):
            if all(value is None for value in values) and any(other.startswith(f"{name}.") for other in names):
                del table[name]
        if rows:
            self._check_columns(tuple(table))
        return table

    def _rows(self) -> list[dict[str, Any]]:
        found = self._found(self._document())
        if isinstance(found, list):
            groups: list[tuple[str | None, list[Any]]] = [(None, found)]
        elif isinstance(found, dict) and found and all(isinstance(value, list) for value in found.values()):
            groups = list(found.items())
        elif found == {}:
            return []
        else:
            raise self._no_array(found)
        rows: list[dict[str, Any]] = []
        for group, elements in groups:
            for position, element in enumerate(elements):
                place = f"{group}[{position}]" if group is not None else f"[{position}]"
                if not isinstance(element, dict):
                    raise SourceError(
                        f"The element {place} is {_kind_of(element)}, not an object.",
                        where=self.spec.name,
                        remedy="Every element must be an object of names and values: mend the file.",
                    )
                row: dict[str, Any] = {} if group is None else {GROUP_COLUMN: group}
                self._flatten(element, "", row, place)
                rows.append(row)
        return rows

    def _flatten(self, value: Mapping[str, Any], prefix: str, row: dict[str, Any], place: str) -> None:
        for key, inner in value.items():
            name = f"{prefix}{key}"
            if isinstance(inner, dict) and inner:
                self._flatten(inner, f"{name}.", row, place)
                continue
            if name in row:
                raise SourceError(
                    f"The element {place} has two values for {name!r}.",
                    where=self.spec.name,
                    remedy="Rename one of the two keys.",
                )
            if isinstance(inner, str) and not inner.isascii() and _has_surrogate(inner):
                raise SourceError(
                    f"The element {place} holds half a character in {name!r}.",
                    where=self.spec.name,
                    remedy="Mend the \\u escapes in that text.",
                )
            row[name] = json.dumps(inner, ensure_ascii=False) if isinstance(inner, list | dict) else inner

    def _document(self) -> Any:
        name = self.spec.name
        text = read_text(self.spec.path, name, self.spec.encoding)
        try:
            return json.loads(text, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            raise SourceError(
                f"It is no valid JSON: {error.msg}, line {error.lineno}, column {error.colno}.",
                where=name,
                remedy="Mend the file at that place, or export it again.",
            ) from None
        except _DuplicateKeyError as error:
            raise SourceError(str(error), where=name, remedy="Remove one of the two.") from None
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"It is no JSON that can be read: {error}.", where=name, remedy="Export it again."
            ) from None

    def _found(self, document: Any) -> Any:
        found = document
        walked: list[str] = []
        for step in (self.spec.at or "").split(".") if self.spec.at else ():
            if not isinstance(found, dict) or step not in found:
                place = ".".join(walked) or "the top level"
                there = list(found) if isinstance(found, dict) else []
                what = f"{place} is {_kind_of(found)}" if not isinstance(found, dict) else f"{place} has no {step!r}"
                raise SourceError(
                    f"There is nothing at {self.spec.at!r}: {what}.",
                    where=self.spec.name,
                    remedy=f"{suggestion(step, there)}Keys there are {listed(there)}.",
                )
            found = found[step]
            walked.append(step)
        return found

    def _no_array(self, found: Any) -> SourceError:
        keys = list(found) if isinstance(found, dict) else []
        place = repr(self.spec.at) if self.spec.at else "the top level"
        remedy = f"Name the array with `at:`; keys there are {listed(keys)}." if keys else "Name the array with `at:`."
        return SourceError(
            f"At {place} stands {_kind_of(found)}, not an array of objects.", where=self.spec.name, remedy=remedy
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                beside = listed([name for name in found if name != key][:3])
                raise _DuplicateKeyError(f"An object has the key {key!r} twice (beside {beside}).")
            seen.add(key)
    return found


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "an array", str: "text", bool: "a flag", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _series(values: list[Any]) -> pl.Series:
    """A column in the type of what it holds; several kinds, and numbers that would lose digits, become text."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -_INT64 <= value < _INT64 for value in values):
        return pl.Series(values, dtype=pl.Int64)
    if kinds == {float}:
        return pl.Series(values, dtype=pl.Float64)
    if kinds == {int, float} and all(
        type(value) is not int or -EXACT_INTEGERS <= value <= EXACT_INTEGERS for value in values
    ):
        return pl.Series([None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series([_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else repr(value)
