"""Everything that was staged, judged before the first write, and kept in the order in which it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from energy_platform.domain.points import SERIES
from energy_platform.transfer.concurrency import prefetched
from energy_platform.transfer.timeseries.judging import AccountsByDay, judge_points, merged
from energy_platform.transfer.timeseries.series import spans
from energy_platform.transfer.timeseries.staging import Staging


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

    def chunks(self) -> Iterator[tuple[pl.DataFrame, bool]]:
        """The rows that stand, sorted by series and time within a piece; and whether it is the last of its days."""
        return prefetched(self._read())

    def _read(self) -> Iterator[tuple[pl.DataFrame, bool]]:
        for piece, is_last in self.pieces:
            yield (pl.read_ipc(piece) if isinstance(piece, Path) else piece), is_last


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
    together = pl.concat(conflicts) if conflicts else pl.DataFrame()
    return JudgedChunks(series, found, together, accounts, height, pieces)


def _ranked(series: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The series in the order of their tags, and for each number of before the new one."""
    ordered = series.with_row_index("@number").sort(series.columns)
    ranks = np.empty(series.height, dtype=np.uint32)
    ranks[ordered.get_column("@number").to_numpy()] = np.arange(series.height, dtype=np.uint32)
    return ordered.drop("@number"), pl.Series(ranks)
