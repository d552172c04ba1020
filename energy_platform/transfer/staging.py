"""Staging: the rows of a target, gathered by local day before anything is written.

A day is judged whole before its first write, whatever the order of rows in the files. What does not fit into memory
goes to temporary files, sorted by day, so that memory does not grow with the range.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from energy_platform.domain.days import DayRange
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.transfer.mapping import DAY, KEY, ORDER, RAW, REASON, SOURCE, MappingRules, mapped_batches

#: Called with a source's name and how many rows of it were read since the last call.
Progress = Callable[[str, int], None]


class Staging:
    """Accepted and refused rows of one target, by day. A context manager: temporary files go when it ends.

    Attributes:
        refused: frame tenant_id, @source, @key, @order, @reason, @raw, @day of the refused rows of the chosen days and
            of the rows that fall on no day.
        days: every local day on which the sources hold a row, chosen or not, and how many.
    """

    def __init__(self, rules: MappingRules, days: DayRange | None, spill_rows: int) -> None:
        self._rules = rules
        self._chosen = days
        self._spill_rows = spill_rows
        self._memory: list[pl.DataFrame] = []
        self._memory_rows = 0
        self._files: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._refused: list[pl.DataFrame] = []
        self.days: dict[date, int] = {}
        self.accepted_by_day: dict[date | None, int] = {}

    def __enter__(self) -> Self:
        """Start staging."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove temporary files."""
        if self._folder is not None:
            self._folder.cleanup()

    def read(self, spec: SourceSpec, position: int, batch_rows: int, progress: Progress | None = None) -> None:
        """Map and stage all rows of a source."""
        for batch in mapped_batches(open_source(spec), position, self._rules, batch_rows):
            self._add(batch)
            if progress is not None:
                progress(spec.name, batch.height)

    @property
    def refused(self) -> pl.DataFrame:
        """See the class."""
        schema = {
            "tenant_id": pl.String,
            SOURCE: pl.Int32,
            KEY: pl.String,
            ORDER: pl.Int64,
            REASON: pl.String,
            RAW: pl.String,
            DAY: pl.Date,
        }
        return pl.concat(self._refused) if self._refused else pl.DataFrame(schema=schema)

    def chunks(self) -> Iterator[pl.DataFrame]:
        """The accepted rows: frames of whole days, in the order of days, about `spill_rows` rows at most each.

        Rows within a frame are sorted by day, source and order in the source. A table, which has no days, is one frame.
        """
        if not self._files:
            if self._memory:
                yield pl.concat(self._memory).sort(DAY, SOURCE, ORDER, maintain_order=True)
            return
        self._spill()
        for days in self._day_groups():
            frame = pl.scan_parquet(self._files).filter(pl.col(DAY).is_in(days)).collect()
            yield frame.sort(DAY, SOURCE, ORDER, maintain_order=True)

    def _add(self, batch: pl.DataFrame) -> None:
        for day, rows in batch.group_by(DAY).len().iter_rows():
            if day is not None:
                self.days[day] = self.days.get(day, 0) + rows
        if self._chosen is not None:
            day = pl.col(DAY)
            batch = batch.filter(day.is_null() | day.is_between(self._chosen.first, self._chosen.last))
        refused = batch.filter(pl.col(REASON).is_not_null())
        if refused.height:
            self._refused.append(refused.select("tenant_id", SOURCE, KEY, ORDER, REASON, RAW, DAY))
            batch = batch.filter(pl.col(REASON).is_null())
        if batch.is_empty():
            return
        for day, rows in batch.group_by(DAY).len().iter_rows():
            self.accepted_by_day[day] = self.accepted_by_day.get(day, 0) + rows
        self._memory.append(batch.drop(REASON, RAW))
        self._memory_rows += batch.height
        if self._memory_rows >= self._spill_rows and None not in self.accepted_by_day:
            self._spill()

    def _spill(self) -> None:
        if not self._memory:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="energy-platform-staging-")
        path = Path(self._folder.name) / f"{len(self._files):06d}.parquet"
        pl.concat(self._memory).sort(DAY, maintain_order=True).write_parquet(
            path, compression="lz4", row_group_size=50_000
        )
        self._files.append(path)
        self._memory, self._memory_rows = [], 0

    def _day_groups(self) -> Iterator[Sequence[date]]:
        group: list[date] = []
        rows = 0
        for day in sorted(day for day in self.accepted_by_day if day is not None):
            if group and rows + self.accepted_by_day[day] > self._spill_rows:
                yield group
                group, rows = [], 0
            group.append(day)
            rows += self.accepted_by_day[day]
        if group:
            yield group
