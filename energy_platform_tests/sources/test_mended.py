"""Mended rows stand in the place of what a file holds, in its order, and change nothing beside them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from energy_platform.sources.mended import MendedRows, content_identity, row_identity
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec


def csv_source(folder: Path, text: str, **values: Any) -> SourceSpec:
    path = folder / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return SourceSpec("rows.csv", "csv", path, "energy_consumption", **values)


def database(folder: Path, count: int = 10) -> SourceSpec:
    path = folder / "plant.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, value REAL, name TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?)", [(n, n / 2, f"n{n}") for n in range(1, count + 1)])
    return SourceSpec("plant.db/rows", "sqlite", path, "sensor_data", table="rows", key="id")


def mended(spec: SourceSpec, *changes: tuple[str, dict[str, str | None], dict[str, str | None]]) -> SourceSpec:
    """The source where rows (key, content) have become others."""
    contents = {row_identity(key, before): after for key, before, after in changes}
    return replace(spec, mended=MendedRows(contents, frozenset(key for key, _, _ in changes)))


def rows_of(spec: SourceSpec, **options: Any) -> list[tuple[Any, ...]]:
    return [row for frame in open_source(spec).batches(**options) for row in frame.rows()]


def row(number: int, value: str | None = None) -> dict[str, str | None]:
    return {"id": str(number), "value": value or str(number / 2), "name": f"n{number}"}


def test_a_row_is_replaced_where_key_and_content_are_the_same(tmp_path: Path) -> None:
    spec = csv_source(tmp_path, "a,b\n1,x\n1,x\n2,y\n")
    one = mended(spec, ("2", {"a": "1", "b": "x"}, {"a": "5", "b": None}))
    assert sorted(each[:2] for each in rows_of(one)) == [("1", "x"), ("2", "y"), ("5", None)]
    other = mended(spec, ("2", {"a": "1", "b": "changed since"}, {"a": "5", "b": "x"}))
    assert rows_of(other) == rows_of(spec)


def test_rows_that_share_a_key_keep_the_order_of_the_file(tmp_path: Path) -> None:
    spec = csv_source(tmp_path, "k,v\n7,a\n7,b\n7,c\n7,d\n", key="k")
    changed = mended(
        spec, ("7", {"k": "7", "v": "b"}, {"k": "7", "v": "B"}), ("7", {"k": "7", "v": "c"}, {"k": "7", "v": "C"})
    )
    assert [each[1] for each in rows_of(changed)] == ["a", "B", "C", "d"]
    assert [each[1] for each in rows_of(changed, batch_rows=2)] == ["a", "B", "C", "d"]


def test_the_rows_beside_keep_their_types_and_every_stream_holds_them_once(tmp_path: Path) -> None:
    spec = database(tmp_path)
    changed = mended(spec, ("3", row(3), row(3, "9.25")), ("8", row(8), row(8, "much")))
    source = open_source(changed)
    frames = [frame for stream in source.streams(4, 2) for frame in stream]
    assert sum(frame.height for frame in frames) == 10
    found = {int(number): value for frame in frames for number, value in frame.select("id", "value").iter_rows()}
    # what can be said as a number stays one; what cannot does not touch the rows beside
    assert found[8] == "much"
    assert {number: float(value) for number, value in found.items() if number != 8} == {
        number: 9.25 if number == 3 else number / 2 for number in range(1, 11) if number != 8
    }
    assert {frame.schema["value"] for frame in frames if frame.get_column("@order").is_in([1, 2]).any()} == {
        pl.Float64()
    }
    orders = sorted(order for frame in frames for order in frame.get_column("@order"))
    assert orders == list(range(1, 11))


def test_it_has_a_version_and_parts_of_its_own(tmp_path: Path) -> None:
    spec = database(tmp_path)
    one, other = (mended(spec, ("3", row(3), row(3, value))) for value in ("1.0", "2.0"))
    versions = {open_source(each).version() for each in (spec, one, other)}
    assert len(versions) == 3
    plain, first, second = (open_source(each).parts() for each in (spec, one, other))
    if plain is not None:
        assert first is not None
        assert second is not None
        assert first.get_column("last").to_list() == plain.get_column("last").to_list()
        assert not set(first.get_column("hash")) & (set(plain.get_column("hash")) | set(second.get_column("hash")))
    assert open_source(one).columns() == open_source(spec).columns()
    assert open_source(one).row_count() == 10
    assert open_source(one).content_hash() == open_source(spec).content_hash()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": "12"}, {"a": "12.0"}, True),
        ({"a": "12"}, {"a": "12.5"}, False),
        ({"a": "1", "b": None}, {"b": None, "a": "1"}, True),
        ({"a": None}, {"a": ""}, False),
        ({"a": "x\x00"}, {"a": "x\ufffd"}, True),
    ],
)
def test_a_content_is_the_same_however_it_was_read(
    one: dict[str, str | None], other: dict[str, str | None], same: bool
) -> None:
    assert (content_identity(one) == content_identity(other)) is same
    assert row_identity("1", one) != row_identity("2", one)
