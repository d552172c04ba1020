"""Staging: the points of a measurement, read once and gathered by local day before anything is written.

A day is judged whole before its first write, whatever the order of rows in the files. What does not fit into memory
goes to temporary files, sorted by time, so that memory does not grow with the sources.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import DayRange
from energy_platform.domain.points import SERIES
from energy_platform.failpoints import failpoint
from energy_platform.sources.estate import SourceSpec
from energy_platform.sources.stretches import Stretch
from energy_platform.transfer.concurrency import STREAMS, worked
from energy_platform.transfer.progress import Progress, Step
from energy_platform.transfer.reading.mapping import (
    DAY,
    KEY,
    ORDER,
    REFUSED_SCHEMA,
    SOURCE,
    MappingRules,
    accepted_and_refused,
    dated,
    map_batch,
    next_future_time,
)
from energy_platform.transfer.reading.opening import open_rows
from energy_platform.transfer.scanning.digests import Contents, figures_of
from energy_platform.transfer.temporary import new_folder, write_rows
from energy_platform.transfer.timeseries.clear_rows import ClearRows, DividedRows
from energy_platform.transfer.timeseries.registry import SeriesRegistry

#: Once there are files, so small a part of the rows is held at once: several such pieces are at work then.
_PIECES: Final = 4
#: Rows that are read together from a temporary file.
_FILE_BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class _Part:
    """What one record batch comes to."""

    rows_read: int
    accepted: list[pl.DataFrame]
    refused: list[pl.DataFrame]
    figures: pl.DataFrame | None
    next_future: datetime | None


class _Reading:
    """How a source is read."""

    def __init__(
        self, spec: SourceSpec, position: int, rules: MappingRules, registry: SeriesRegistry, *, counted: bool
    ) -> None:
        self.spec = spec
        self.position = position
        self.counted = counted
        # rows of a text file may share a key, and then their places in the file say which came first
        self.in_order = spec.key is not None and spec.kind != "sqlite"
        self._clear_rows = ClearRows(spec, position, rules, registry) if spec.shape != "wide" else None

    def divided(self, raw: pl.DataFrame) -> DividedRows | None:
        """See `ClearRows`; None where all rows go by the rules."""
        if self._clear_rows is None or raw.is_empty():
            return None
        divided = self._clear_rows.divided(raw)
        return None if divided is not None and divided.others is not None and self.in_order else divided


@dataclass(frozen=True, slots=True)
class _Run:
    """A temporary file of staged rows, sorted by day and time, and where each day stands in it."""

    path: Path
    places: dict[date, tuple[int, int]]


class Staging:
    """Accepted and refused rows of one measurement. A context manager: temporary files go when it ends.

    Staged rows hold `@series` (see `registry`), time, the fields, `@source`, `@order`, `@key` and `@day`. A field, or
    the key, may be of the type Null where all are.

    Args:
        rules: of the mapping; its contract is a measurement.
        chosen: the local days to stage; None for all.
        spill_rows: rows that are held in memory before there are files; pieces of files have a part of them.
        max_series: see `SeriesRegistry`.

    Attributes:
        rules: of the mapping.
        contract: of the measurement.
        registry: the series met.
        refused: frame of `REFUSED_SCHEMA`: refused rows of the chosen days, and rows that fall on no day.
        contents: of the sources that were read whole, by source; of all days, chosen or not.
        next_future: the first time of theirs that lies in the future, by source; left out where none does.
    """

    def __init__(
        self, rules: MappingRules, chosen: DayRange | Collection[date] | None, spill_rows: int, max_series: int
    ) -> None:
        self.contract = cast(Measurement, rules.contract)
        self.registry = SeriesRegistry(self.contract, max_series)
        self.contents: dict[str, Contents] = {}
        self.next_future: dict[str, datetime] = {}
        self.rules = rules
        self._chosen = chosen
        self._spill_rows = spill_rows
        self._chunk_rows = max(1, spill_rows // _PIECES)
        self._staged = [SERIES, *(c.name for c in self.contract.columns if c.name not in self.contract.tags)]
        self._staged += [SOURCE, ORDER, KEY, DAY]
        self._memory: list[pl.DataFrame] = []
        self._memory_rows = 0
        self._runs: list[_Run] = []
        self._kept = 0
        self._folder: Path | None = None
        self._refused: list[pl.DataFrame] = []

    def __enter__(self) -> Self:
        """Start staging."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove temporary files."""
        self._memory, self._runs = [], []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def read(
        self,
        spec: SourceSpec,
        position: int,
        batch_rows: int,
        *,
        within: Sequence[Stretch] | None = None,
        asset: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Read, map and stage all rows of a source, or those of stretches of its order."""
        source = open_rows(spec, self.rules.estate, self.rules.now)
        total = source.estimated_rows() if progress is not None else None
        contents = self.contents.setdefault(spec.name, Contents()) if within is None else None
        reading = _Reading(spec, position, self.rules, self.registry, counted=contents is not None)
        streams = source.streams(batch_rows, 1 if reading.in_order else STREAMS, within)
        for part in worked(streams, lambda raw: self._part(raw, reading)):
            self._refused += part.refused
            if contents is not None and part.figures is not None:
                contents.add(part.figures)
            if part.next_future is not None:
                known = self.next_future.get(spec.name, part.next_future)
                self.next_future[spec.name] = min(known, part.next_future)
            for rows in part.accepted:
                self._add(rows)
            if progress is not None:
                progress(Step(asset, "reading", spec.name, part.rows_read, total))

    @property
    def refused(self) -> pl.DataFrame:
        """See the class."""
        return pl.concat(self._refused) if self._refused else pl.DataFrame(schema=REFUSED_SCHEMA)

    def chunks(self) -> Iterator[tuple[pl.DataFrame, bool]]:
        """The staged rows in pieces of a part of `spill_rows` each, or all at once, in the order of days.

        A piece holds whole days, or rows of some series of one day that is too long for a piece. With it comes whether
        it is the last one of its days.
        """
        if not self._runs and self._memory_rows <= self._spill_rows:
            if self._memory:
                yield together(self._memory), True
            return
        self._spill()
        rows_by_day = Counter[date]()
        for run in self._runs:
            rows_by_day.update({day: count for day, (_, count) in run.places.items()})
        for days in self._groups(rows_by_day):
            rows = rows_by_day[days[0]] if len(days) == 1 else 0
            pieces = max(1, -(-rows // self._chunk_rows))
            for piece in range(pieces):
                yield self._gathered(days, piece, pieces), piece == pieces - 1

    def kept(self, rows: pl.DataFrame) -> pl.DataFrame | Path:
        """The same rows; in a temporary file, where what is staged does not fit into memory."""
        if not self._runs:
            return rows
        self._kept += 1
        path = self._temporary_folder() / f"judged-{self._kept:06d}.arrow"
        write_rows(rows, path, batch_rows=_FILE_BATCH_ROWS)
        return path

    # -- one record batch, in a thread of its stream -----------------------------------------------------------------

    def _part(self, raw: pl.DataFrame, reading: _Reading) -> _Part:
        spec, whole = reading.spec, raw
        accepted: list[pl.DataFrame] = []
        refused: list[pl.DataFrame] = []
        days: pl.Series | None = None
        if spec.shape == "wide" or self._chosen is not None:
            days = dated(raw, spec, self.rules)
        if days is not None and self._chosen is not None:
            # what is not asked for is not even mapped
            raw = raw.filter(days.to_frame().select(_is_chosen(self._chosen)).to_series())
        if (divided := reading.divided(raw)) is not None:
            days = divided.days if days is None else days
            accepted.append(divided.clear)
            raw = raw.clear() if divided.others is None else raw.filter(divided.others)
        for batch in map_batch(raw, spec, reading.position, self.rules) if raw.height or days is None else ():
            if days is None:
                days = batch.get_column(DAY)
            self._split(batch, accepted, refused)
        if not reading.counted or days is None:
            return _Part(whole.height, accepted, refused, None, None)
        next_future = next_future_time(whole, days, spec, self.rules)
        return _Part(whole.height, accepted, refused, figures_of(whole, days), next_future)

    def _split(self, batch: pl.DataFrame, accepted: list[pl.DataFrame], refused: list[pl.DataFrame]) -> None:
        rows, not_accepted = accepted_and_refused(batch)
        if not_accepted.height:
            refused.append(not_accepted)
        if rows.height:
            accepted.append(rows.with_columns(self.registry.numbers(rows)).select(self._staged))

    # -- gathered rows -----------------------------------------------------------------------------------------------

    def _add(self, rows: pl.DataFrame) -> None:
        self._memory.append(rows)
        self._memory_rows += rows.height
        if self._memory_rows > (self._chunk_rows if self._runs else self._spill_rows):
            self._spill()

    def _spill(self) -> None:
        if not self._memory:
            return
        rows = together(self._memory).sort(DAY, "time", maintain_order=True)
        self._memory, self._memory_rows = [], 0
        path = self._temporary_folder() / f"staged-{len(self._runs):06d}.arrow"
        write_rows(rows, path, batch_rows=_FILE_BATCH_ROWS)
        failpoint("mid_spill")
        places: dict[date, tuple[int, int]] = {}
        start = 0
        for day, count in rows.group_by(DAY, maintain_order=True).len().iter_rows():
            places[day] = (start, count)
            start += count
        self._runs.append(_Run(path, places))

    def _temporary_folder(self) -> Path:
        if self._folder is None:
            self._folder = new_folder()
        return self._folder

    def _groups(self, rows_by_day: Mapping[date, int]) -> Iterator[list[date]]:
        """Days that make a piece together."""
        group: list[date] = []
        rows = 0
        for day in sorted(rows_by_day):
            if group and rows + rows_by_day[day] > self._chunk_rows:
                yield group
                group, rows = [], 0
            group.append(day)
            rows += rows_by_day[day]
        if group:
            yield group

    def _gathered(self, days: list[date], piece: int, pieces: int) -> pl.DataFrame:
        found: list[pl.DataFrame] = []
        for run in self._runs:
            places = [run.places[day] for day in days if day in run.places]
            if not places:
                continue
            # the days of a piece follow each other in a file: one slice, of which only its own batches are read
            start, stop = places[0][0], sum(places[-1])
            rows = pl.scan_ipc(run.path).slice(start, stop - start).collect()
            found.append(rows.filter(pl.col(SERIES) % pieces == piece) if pieces > 1 else rows)
        return together(found)


def together(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Staged rows as one frame; a column may be null in one part, and so of the type Null, and not in another."""
    return pl.concat(parts, how="vertical_relaxed")


def _is_chosen(days: DayRange | Collection[date]) -> pl.Expr:
    """Rows of these days, and those that fall on none."""
    day = pl.col(DAY)
    chosen = day.is_between(days.first, days.last) if isinstance(days, DayRange) else day.is_in(list(days))
    return day.is_null() | chosen
