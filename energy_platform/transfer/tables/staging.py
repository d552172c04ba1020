"""Staging: the rows of a table, read and mapped before anything is written.

What does not fit into memory goes to temporary files, each sorted by key. Files whose keys lie one behind the other, as
those of a sorted source do, are read back as they are; others are cut into ranges of keys first. Either way the rows
of a key come together, in the order in which the table's index takes them fastest, and memory does not grow with it.
"""

from __future__ import annotations

import itertools
import math
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import polars as pl

from energy_platform.domain.contracts import Contract
from energy_platform.failpoints import failpoint
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.stores.postgres.copying import canonical_json
from energy_platform.transfer.concurrency import STREAMS, prefetched, worked
from energy_platform.transfer.progress import Progress, Step
from energy_platform.transfer.reading.mapping import (
    KEY,
    ORDER,
    REFUSED_SCHEMA,
    SOURCE,
    MappingRules,
    accepted_and_refused,
    map_batch,
)
from energy_platform.transfer.temporary import new_folder, write_rows

#: Where a row came from: its stream and batch, in the order of the source.
PLACE: Final = "@place"
#: The text that rows are sorted by: the parts of the key; no part holds a NUL.
_SORTED_BY: Final = "@sorted"
_STREAM_BITS: Final = 32
_RANGES: Final = 64
#: Rows of tables may be long: no more of them are held in memory than take so many bytes.
_MOST_BYTES: Final = 192 << 20
_SPILLS: Final = 8
#: Rows between two keys that are remembered of a file, to find ranges by.
_SAMPLED: Final = 512
_SEED: Final = 0x51ED270B


class _Part(NamedTuple):
    stream: int
    rows_read: int
    accepted: list[pl.DataFrame]
    refused: list[pl.DataFrame]


class _Run(NamedTuple):
    """A sorted file, and what must be known of it to find its place among the others."""

    path: Path
    rows: int
    first: str
    last: str
    sample: pl.Series


class Staging:
    """Accepted and refused rows of one table. A context manager: temporary files go when it ends.

    Args:
        rules: of the mapping; its contract is a table's.
        spill_rows: accepted rows that are held in memory at most.
    """

    def __init__(self, rules: MappingRules, spill_rows: int) -> None:
        self._rules = rules
        self._spill_rows = spill_rows
        self._staged = [*rules.contract.column_names, SOURCE, ORDER, KEY, PLACE]
        # each stream's rows on their own: the keys of one may lie one behind the other
        self._memory: dict[tuple[int, int], list[pl.DataFrame]] = {}
        self._memory_rows = self._memory_bytes = 0
        self._refused: list[pl.DataFrame] = []
        self._runs: list[_Run] = []
        self._written = 0
        self._folder: Path | None = None
        self._removal: weakref.finalize[..., Staging] | None = None

    def __enter__(self) -> Self:
        """Start staging."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove temporary files."""
        self.close()

    def close(self) -> None:
        """Remove temporary files; they also go with the object."""
        self._memory = {}
        if self._removal is not None:
            self._removal()

    def read(
        self, spec: SourceSpec, position: int, batch_rows: int, *, asset: str = "", progress: Progress | None = None
    ) -> None:
        """Read, map and stage all rows of a source."""
        source = open_source(spec)
        total = source.estimated_rows() if progress is not None else None
        streams = [_placed(stream, number) for number, stream in enumerate(source.streams(batch_rows, STREAMS))]
        if len(streams) == 1:
            # a thread that reads, and one that maps
            streams = [prefetched(streams[0])]
        for part in worked(streams, lambda placed: self._part(*placed, spec, position)):
            self._refused += part.refused
            for rows in part.accepted:
                self._memory.setdefault((position, part.stream), []).append(rows)
                self._memory_rows += rows.height
                self._memory_bytes += int(rows.estimated_size())
            # once there are files, smaller ones follow: memory is highest at the first
            share = _SPILLS if self._folder else 1
            if self._memory_rows * share > self._spill_rows or self._memory_bytes * share > _MOST_BYTES:
                self._spill()
            if progress is not None:
                progress(Step(asset, "reading", spec.name, part.rows_read, total))

    @property
    def refused(self) -> pl.DataFrame:
        """Rows that the contract refused: columns of `REFUSED_SCHEMA`."""
        return pl.concat(self._refused) if self._refused else pl.DataFrame(schema=REFUSED_SCHEMA)

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The accepted rows, once, in pieces that hold all rows of a key; which of two came first: see `first_come`.

        Besides the contract's columns they hold `@source`, `@order`, `@key` and `@place`.
        """
        if self._folder is None:
            if self._memory:
                rows, self._memory = pl.concat(part for parts in self._memory.values() for part in parts), {}
                yield rows
            return
        self._spill()
        runs, self._runs = sorted(self._runs, key=lambda run: run.first), []
        waiting: list[_Run] = []
        for group in _overlapping(runs):
            if waiting and _rows_of(waiting) + _rows_of(group) > self._chunk_rows:
                yield _taken([run.path for run in waiting])
                waiting = []
            if _rows_of(group) > self._chunk_rows and len(group) > 1:
                yield from self._ranges(group)
            else:
                waiting += group
        if waiting:
            yield _taken([run.path for run in waiting])

    @property
    def _chunk_rows(self) -> int:
        return max(1, self._spill_rows // 3)

    def _ranges(self, runs: Sequence[_Run]) -> Iterator[pl.DataFrame]:
        """The rows of files whose keys overlap, in ranges of keys, one behind the other."""
        sample = pl.concat(run.sample for run in runs).sort()
        count = min(_RANGES, math.ceil(_rows_of(runs) / self._chunk_rows), sample.len())
        starts = sample.gather([sample.len() * number // count for number in range(1, count)]).unique().sort()
        files: list[list[Path]] = [[] for _ in range(starts.len() + 1)]
        waiting: list[_Run] = []
        for number, run in enumerate(runs, start=1):
            waiting.append(run)
            if _rows_of(waiting) < self._chunk_rows and number < len(runs):
                continue
            rows = _by_key(_taken([each.path for each in waiting]), self._rules.contract)
            waiting = []
            # a range begins with the rows of the key that it is named by
            marks = [0, *rows.get_column(_SORTED_BY).search_sorted(starts, "left").to_list(), rows.height]
            for paths, (begin, end) in zip(files, itertools.pairwise(marks), strict=True):
                if end > begin:
                    paths.append(self._file(rows.slice(begin, end - begin).drop(_SORTED_BY)))
        for paths in files:
            if paths:
                yield _taken(paths)

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame | Path:
        """The same rows; in a temporary file, where the table does not fit into memory."""
        if self._folder is None:
            return rows
        return self._file(rows)

    def _part(self, place: int, raw: pl.DataFrame, spec: SourceSpec, position: int) -> _Part:
        accepted: list[pl.DataFrame] = []
        refused: list[pl.DataFrame] = []
        for batch in map_batch(raw, spec, position, self._rules):
            rows, not_accepted = accepted_and_refused(batch)
            if not_accepted.height:
                refused.append(not_accepted)
            if rows.height:
                rows = with_canonical_json(rows, self._rules.contract)
                accepted.append(rows.with_columns(pl.lit(place, dtype=pl.UInt64).alias(PLACE)).select(self._staged))
        return _Part(place >> _STREAM_BITS, raw.height, accepted, refused)

    def _spill(self) -> None:
        if self._folder is None:
            # as many as there was room for
            self._spill_rows = min(self._spill_rows, max(1, self._memory_rows))
            self._folder = new_folder()
            self._removal = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        memory, self._memory = self._memory, {}
        self._memory_rows = self._memory_bytes = 0
        while memory:
            _, parts = memory.popitem()
            rows = _by_key(pl.concat(parts), self._rules.contract)
            parts.clear()
            keys = rows.get_column(_SORTED_BY)
            sample = keys.gather_every(_SAMPLED)
            path = self._file(rows.drop(_SORTED_BY))
            self._runs.append(_Run(path, rows.height, keys[0], keys[-1], sample))

    def _file(self, rows: pl.DataFrame) -> Path:
        folder = self._folder
        if folder is None:
            raise RuntimeError("Nothing has been spilled.")
        self._written += 1
        path = folder / f"{self._written:06d}.arrow"
        write_rows(rows, path)
        failpoint("mid_spill")
        return path


def _by_key(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Sorted by the key; with `@sorted`."""
    rows = rows.with_columns(pl.concat_str(contract.key, separator="\0").alias(_SORTED_BY))
    if rows.get_column(_SORTED_BY).is_sorted():
        return rows
    return rows.sort(_SORTED_BY, maintain_order=True)


def _rows_of(runs: Sequence[_Run]) -> int:
    return sum(run.rows for run in runs)


def _overlapping(runs: Sequence[_Run]) -> Iterator[list[_Run]]:
    """Files, sorted by their first keys, in groups that have no key in common."""
    group: list[_Run] = []
    last = ""
    for run in runs:
        if group and run.first > last:
            yield group
            group = []
        last = max(last, run.last) if group else run.last
        group.append(run)
    if group:
        yield group


def _taken(paths: Sequence[Path]) -> pl.DataFrame:
    """The rows of files, which are removed."""
    rows = pl.concat([pl.read_ipc(path) for path in paths])
    for path in paths:
        path.unlink()
    return rows


def key_hashes(rows: pl.DataFrame, contract: Contract) -> pl.Series:
    """A number for each row's key. Keys with different numbers are different; the others are to be compared."""
    return rows.select(contract.key).hash_rows(_SEED)


def first_come(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of sources in the estate, and of rows in their source."""
    return rows.sort(SOURCE, ORDER, PLACE, maintain_order=True)


def with_canonical_json(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """JSON columns in the one form that both sides of a proof are compared in."""
    spelled: list[pl.Series] = []
    for column in contract.columns:
        if column.type == "json" and (texts := rows.get_column(column.name)).null_count() < rows.height:
            distinct = texts.unique().drop_nulls()
            forms = pl.Series([canonical_json(text) for text in distinct], dtype=pl.String)
            spelled.append(texts.replace_strict(distinct, forms, default=None, return_dtype=pl.String))
    return rows.with_columns(spelled)


def _placed(stream: Iterator[pl.DataFrame], number: int) -> Iterator[tuple[int, pl.DataFrame]]:
    for batch, raw in enumerate(stream):
        yield (number << _STREAM_BITS) + batch, raw
