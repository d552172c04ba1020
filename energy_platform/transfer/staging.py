"""Staging: the rows of a table, read and mapped before anything is written.

What does not fit into memory goes to temporary files by the hash of its key, so that rows with one key stand together
and memory does not grow with the table.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import polars as pl

from energy_platform.domain.contracts import Contract
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.stores.postgres.copying import canonical_json
from energy_platform.transfer.concurrency import prefetched, worked
from energy_platform.transfer.mapping import DAY, KEY, ORDER, RAW, REASON, SOURCE, MappingRules, map_batch
from energy_platform.transfer.progress import Progress, Step

#: Where a row came from: its stream and batch, in the order of the source.
PLACE: Final = "@place"
REFUSED_SCHEMA: Final = {
    "tenant_id": pl.String,
    SOURCE: pl.Int32,
    KEY: pl.String,
    ORDER: pl.Int64,
    REASON: pl.String,
    RAW: pl.String,
    DAY: pl.Date,
}
_STREAMS: Final = 2
_BUCKETS: Final = 64
_SPILLS: Final = 8
_SEED: Final = 0x51ED270B


class _Part(NamedTuple):
    rows_read: int
    accepted: list[pl.DataFrame]
    refused: list[pl.DataFrame]


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
        self._memory: list[pl.DataFrame] = []
        self._memory_rows = 0
        self._refused: list[pl.DataFrame] = []
        self._files: list[list[Path]] = [[] for _ in range(_BUCKETS)]
        self._kept = 0
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
        self._memory = []
        if self._removal is not None:
            self._removal()

    def read(
        self, spec: SourceSpec, position: int, batch_rows: int, *, asset: str = "", progress: Progress | None = None
    ) -> None:
        """Read, map and stage all rows of a source."""
        source = open_source(spec)
        total = source.estimated_rows() if progress is not None else None
        streams = [_placed(stream, number) for number, stream in enumerate(source.streams(batch_rows, _STREAMS))]
        if len(streams) == 1:
            # a thread that reads, and one that maps
            streams = [prefetched(streams[0])]
        for part in worked(streams, lambda placed: self._part(*placed, spec, position)):
            self._refused += part.refused
            for rows in part.accepted:
                self._memory.append(rows)
                self._memory_rows += rows.height
            # once there are files, smaller ones follow: memory is highest at the first
            if self._memory_rows >= (self._spill_rows // _SPILLS if self._folder else self._spill_rows):
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
                rows, self._memory = pl.concat(self._memory), []
                yield rows
            return
        self._spill()
        for paths in self._files:
            if paths:
                yield pl.concat([pl.read_ipc(path) for path in paths])
                for path in paths:
                    path.unlink()

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame | Path:
        """The same rows; in a temporary file, where the table does not fit into memory."""
        if self._folder is None:
            return rows
        self._kept += 1
        path = self._folder / f"kept-{self._kept:06d}.arrow"
        rows.write_ipc(path, compression="lz4")
        return path

    def _part(self, place: int, raw: pl.DataFrame, spec: SourceSpec, position: int) -> _Part:
        accepted: list[pl.DataFrame] = []
        refused: list[pl.DataFrame] = []
        for batch in map_batch(raw, spec, position, self._rules):
            rows = batch
            if batch.get_column(REASON).null_count() < batch.height:
                refused.append(batch.filter(pl.col(REASON).is_not_null()).select(list(REFUSED_SCHEMA)))
                rows = batch.filter(pl.col(REASON).is_null())
            if rows.height:
                rows = with_canonical_json(rows, self._rules.contract)
                accepted.append(rows.with_columns(pl.lit(place, dtype=pl.UInt64).alias(PLACE)).select(self._staged))
        return _Part(raw.height, accepted, refused)

    def _spill(self) -> None:
        if not self._memory:
            return
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="energy-platform-staging-"))
            self._removal = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        rows, self._memory, self._memory_rows = pl.concat(self._memory), [], 0
        bucket = key_hashes(rows, self._rules.contract) % _BUCKETS
        for (number,), part in (
            rows.with_columns(bucket.alias("@bucket")).partition_by("@bucket", as_dict=True, include_key=False).items()
        ):
            paths = self._files[int(str(number))]
            path = self._folder / f"{number}-{len(paths):06d}.arrow"
            part.write_ipc(path, compression="lz4")
            paths.append(path)


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
        yield (number << 32) + batch, raw
