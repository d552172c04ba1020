"""Fingerprints of rows that are in memory already."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.lines.series import own
from benchmarks.measuring import Contender, Line, Ratio, Sample

_ROWS = 1_000_000
_LIMIT_SECONDS = 0.5


def fingerprints(bench: Bench) -> None:
    """A hash of each row, and their sum."""
    # the target speaks of a million rows; fewer are scaled, so that a small run says something too
    rows = min(bench.options.rows, _ROWS)
    scale = _ROWS / rows

    def run() -> Sample:
        estate = bench.folder
        return ours.run(bench.stores, "postgres", estate, "fingerprint", rows=rows, repeats=3)

    def ratios(line: Line) -> list[Ratio]:
        mine = own(line)
        return [
            Ratio("a million points told by series", mine.seconds * scale, _LIMIT_SECONDS, unit="s"),
            Ratio("a million rows of one frame", mine.best("whole") * scale, _LIMIT_SECONDS, unit="s"),
        ]

    note = "one process, readings with four tags, a time and three fields"
    scaled = [] if rows == _ROWS else [f"measured on {rows:,} rows and scaled to a million"]
    bench.compare(
        "Fingerprints of rows in memory", lambda: [Contender("Energy Platform", "ours", run, note)], ratios, *scaled
    )
