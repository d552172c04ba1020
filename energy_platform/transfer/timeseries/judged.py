"""Everything that was staged, judged before the first write, and kept in the order in which it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.points import SERIES, SeriesPoints
from energy_platform.transfer.concurrency import prefetched
from energy_platform.transfer.timeseries.judging import AccountsByDay, judge_points, merged, sorted_by_identity
from energy_platform.transfer.timeseries.series import spans
from energy_platform.transfer.timeseries.staging import Staging, together

#: So many pieces at least are cut by series together: what is written of them is proven only when all are.
_TOGETHER: Final = 8
#: A piece may be so many times as long as the others.
_LONGEST: Final = 2.0
#: About so many rows of each piece are looked at to see where to cut.
_SAMPLE: Final = 4_096


@dataclass(frozen=True, slots=True)
class JudgedChunks:
    """What stands of all days, what does not.

    Attributes:
        series: the tags of all series, sorted; `@series` of all rows numbers these.
        spans: see `series.spans`, by chunk.
        conflicts: staged rows that were refused because an earlier one has their identity.
        accounts: of the accepted rows.
        height: how many rows stand.
        pieces: each a frame, or the file that holds it, and whether it is the last one of its days.
    """

    series: pl.DataFrame
    spans: list[pl.DataFrame]
    conflicts: pl.DataFrame
    accounts: AccountsByDay
    height: int
    pieces: list[tuple[pl.DataFrame | Path, bool]]

    def chunks(self, *, by_series: bool = False) -> Iterator[tuple[pl.DataFrame, bool]]:
        """The rows that stand, sorted by series and time within a piece; and whether it is the last of its days.

        Args:
            by_series: where there are many pieces, cut them by series and not by day: a store whose index begins with
                the series takes these in far less time.
        """
        return prefetched(self._by_series() if by_series else _read(self.pieces))

    def _by_series(self) -> Iterator[tuple[pl.DataFrame, bool]]:
        group: list[tuple[pl.DataFrame | Path, bool]] = []
        for piece in self.pieces:
            group.append(piece)
            if piece[1] and len(group) >= _TOGETHER:
                yield from _cut_by_series(group)
                group = []
        yield from _cut_by_series(group)


def points_of(rows: pl.DataFrame, series: pl.DataFrame, measurement: Measurement) -> SeriesPoints:
    """The points of staged rows.

    Args:
        rows: see `JudgedChunks`.
        series: the tags of all series, by number.
        measurement: whose points.
    """
    held = [column.name for column in measurement.fields if rows.schema[column.name] != pl.Null]
    return SeriesPoints(series, rows.select(SERIES, "time", *held))


def _read(pieces: Sequence[tuple[pl.DataFrame | Path, bool]]) -> Iterator[tuple[pl.DataFrame, bool]]:
    for piece, is_last in pieces:
        yield (pl.read_ipc(piece) if isinstance(piece, Path) else piece), is_last


def _cut_by_series(pieces: Sequence[tuple[pl.DataFrame | Path, bool]]) -> Iterator[tuple[pl.DataFrame, bool]]:
    """The rows of some pieces in as many others, each of which holds all rows of some series."""
    files = [piece for piece, _ in pieces if isinstance(piece, Path)]
    if len(files) < 2:
        yield from _read(pieces)
        return
    sample = np.sort(np.concatenate([_sample(_series_in(file)) for file in files]))
    firsts = np.unique(sample[:: -(-sample.size // len(files))])
    firsts[0] = 0
    # of each file where the series of each new piece begin; its rows are sorted by series
    starts = [_places(_series_in(file), firsts) for file in files]
    heights = np.sum([np.diff(places) for places in starts], axis=0)
    if heights.max() > _LONGEST * heights.sum() / len(files):
        # a few series hold most of the rows
        yield from _read(pieces)
        return
    for number in range(firsts.size):
        parts = [
            pl.scan_ipc(file).slice(int(places[number]), int(places[number + 1] - places[number])).collect()
            for file, places in zip(files, starts, strict=True)
        ]
        yield sorted_by_identity(together(parts)), number == firsts.size - 1


def _series_in(file: Path) -> npt.NDArray[np.uint32]:
    return pl.scan_ipc(file).select(SERIES).collect().to_series().to_numpy()


def _sample(numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return numbers[:: max(1, numbers.size // _SAMPLE)]


def _places(numbers: npt.NDArray[np.uint32], firsts: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    return np.append(np.searchsorted(numbers, firsts), numbers.size)


def judge_all(staging: Staging) -> JudgedChunks:
    """Judge all that is staged. What does not fit into memory goes to files that the staging removes."""
    series, ranks = _ranked(staging.registry.frame())
    found: list[pl.DataFrame] = []
    conflicts: list[pl.DataFrame] = []
    pieces: list[tuple[pl.DataFrame | Path, bool]] = []
    accounts: AccountsByDay = {}
    height = 0
    for rows, is_last in staging.chunks():
        ranked = rows.with_columns(ranks.gather(rows.get_column(SERIES)).alias(SERIES))
        judged = judge_points(ranked, staging.contract)
        accounts = merged(accounts, judged.accounts)
        found.append(spans(judged.standing))
        conflicts.append(judged.conflicts)
        height += judged.standing.height
        pieces.append((staging.kept(judged.standing), is_last))
    all_conflicts = together(conflicts) if conflicts else pl.DataFrame()
    return JudgedChunks(series, found, all_conflicts, accounts, height, pieces)


def _ranked(series: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The series in the order of their tags, and for each number of before the new one."""
    ordered = series.with_row_index("@number").sort(series.columns)
    ranks = np.empty(series.height, dtype=np.uint32)
    ranks[ordered.get_column("@number").to_numpy()] = np.arange(series.height, dtype=np.uint32)
    return ordered.drop("@number"), pl.Series(ranks)
