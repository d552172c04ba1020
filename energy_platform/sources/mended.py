"""Rows of a source that a person has mended: they stand in the place of what the file holds.

A mended row is part of what the source holds. Whoever reads the source reads it, so that the state of the targets
depends on the files and on what was mended, and on no order of loads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from energy_platform.sources.source import DEFAULT_BATCH_ROWS, Source
from energy_platform.sources.spec import GROUP_COLUMN, KEY_COLUMN, ORDER_COLUMN
from energy_platform.sources.stretches import Stretch

if TYPE_CHECKING:
    import polars as pl

#: The columns of one row as text, by name; None where the source holds nothing.
Content = Mapping[str, str | None]

# the same number is read as whole or as fraction, depending on what stands beside it
_WHOLE = re.compile(r"(-?\d+)\.0")
_TOKEN_DIGITS = 32


def row_identity(key: str, content: Content) -> str:
    """A token for one row of a source as it came: its key, or its place in the file, and its whole content."""
    values = sorted((name, _plain(value)) for name, value in content.items())
    return _token([key, values])


def content_identity(content: Content) -> str:
    """A token for a content, by which an exported line names it; no spreadsheet takes it for a number."""
    return f"row-{row_identity('', content)}"


def _plain(value: str | None) -> str | None:
    if value is None:
        return None
    # no store can keep U+0000: what is compared with is what was kept
    value = value.replace("\x00", "\ufffd")
    whole = _WHOLE.fullmatch(value)
    return whole[1] if whole else value


def _token(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:_TOKEN_DIGITS]


@dataclass(frozen=True)
class MendedRows:
    """The mended rows of one source.

    Attributes:
        contents: what each is to be, by `row_identity` of what the file holds.
        keys: of the rows that are replaced.
    """

    contents: Mapping[str, Content]
    keys: frozenset[str]

    @cached_property
    def keys_together(self) -> pl.Series:
        """The keys in the form in which a record batch is searched for them, as one list."""
        import polars as pl

        return pl.Series(sorted(self.keys), dtype=pl.String).implode()

    @cached_property
    def token(self) -> str:
        """Changes when another row is mended, or one otherwise."""
        return _token([[identity, sorted(content.items())] for identity, content in sorted(self.contents.items())])


def content_columns(raw: pl.DataFrame) -> list[str]:
    """The source's own columns of a record batch."""
    return [name for name in raw.columns if not name.startswith("@") or name == GROUP_COLUMN]


def row_keys(raw: pl.DataFrame) -> pl.Series:
    """What people know each row of a record batch by: its key, or its place in the file."""
    import polars as pl

    return raw.select(pl.coalesce(KEY_COLUMN, pl.col(ORDER_COLUMN).cast(pl.String)).alias(KEY_COLUMN)).to_series()


def contents_of(raw: pl.DataFrame) -> list[dict[str, str | None]]:
    """The content of every row of a record batch."""
    import polars as pl

    return raw.select(pl.col(content_columns(raw)).cast(pl.String)).to_dicts()


class MendedSource(Source):
    """A source, and in the place of some of its rows what a person has made of them.

    Args:
        source: as the file is.
        mended: its mended rows.
    """

    def __init__(self, source: Source, mended: MendedRows) -> None:
        super().__init__(source.spec)
        self._source = source
        self._mended = mended

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return self._source.columns()

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows; see `Source.batches`."""
        return self._replaced(self._source.batches(batch_rows))

    def streams(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, count: int = 1, within: Sequence[Stretch] | None = None
    ) -> list[Iterator[pl.DataFrame]]:
        """The same rows in streams; see `Source.streams`."""
        return [self._replaced(stream) for stream in self._source.streams(batch_rows, count, within)]

    def parts(self) -> pl.DataFrame | None:
        """See `Source.parts`: every part counts as changed where another row is mended, or one otherwise."""
        import polars as pl

        parts = self._source.parts()
        if parts is None:
            return None
        mark = pl.lit(int(self._mended.token[:16], 16), dtype=pl.UInt64)
        return parts.with_columns((pl.col("hash") ^ mark).alias("hash"))

    def estimated_rows(self) -> int | None:
        """About how many rows there are."""
        return self._source.estimated_rows()

    def row_count(self) -> int | None:
        """How many rows there are, where that is known without reading all of them."""
        return self._source.row_count()

    def version(self) -> str:
        """Changes with the file, and with what was mended."""
        return f"{self._source.version()}-mended-{self._mended.token}"

    def content_hash(self) -> str:
        """Of the file."""
        return self._source.content_hash()

    def _replaced(self, stream: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        with ExitStack() as stack:
            if hasattr(stream, "close"):
                stack.enter_context(closing(stream))  # pyright: ignore[reportArgumentType]
            for raw in stream:
                yield from self._parts(raw)

    def _parts(self, raw: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """A record batch in its order, rows as they came and mended ones in frames of their own.

        A mended value may be of another type than its column, and may not change how the rows beside it are read.
        """
        keys = row_keys(raw)
        hit = keys.is_in(self._mended.keys_together).arg_true()
        places: list[int] = []
        mended: list[dict[str, str | None]] = []
        contents = contents_of(raw[hit]) if hit.len() else []
        for place, key, content in zip(hit, keys.gather(hit), contents, strict=True):
            found = self._mended.contents.get(row_identity(key, content))
            if found is not None:
                places.append(place)
                mended.append({name: found.get(name, content[name]) for name in content})
        if not places:
            yield raw
            return
        # rows of a text file that share a key are told apart by who came first; elsewhere `@order` says it
        in_order = self.spec.key is not None and self.spec.kind != "sqlite"
        groups = _consecutive(places) if in_order else [places]
        done = 0
        position = 0
        rest = raw if in_order else raw[sorted(set(range(raw.height)) - set(places))]
        for group in groups:
            if in_order and group[0] > done:
                yield raw[done : group[0]]
            done = group[-1] + 1
            yield _mended_frame(raw[group], mended[position : position + len(group)])
            position += len(group)
        left = rest[done:] if in_order else rest
        if left.height:
            yield left


def _consecutive(places: list[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for place in places:
        if groups and groups[-1][-1] + 1 == place:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _mended_frame(raw: pl.DataFrame, contents: list[dict[str, str | None]]) -> pl.DataFrame:
    """These rows with other content; a column keeps its type where every value can be said in it exactly."""
    import polars as pl

    columns: list[pl.Series] = []
    for name in content_columns(raw):
        values = pl.Series(name, [content[name] for content in contents], dtype=pl.String)
        typed = values.cast(raw.schema[name], strict=False) if raw.schema[name].is_numeric() else values
        columns.append(typed if typed.null_count() == values.null_count() else values)
    return raw.with_columns(columns)
