"""What every comparison is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measuring import Contender, Line, Ratio, Say, measure, one_line
from benchmarks.peering import Peers
from benchmarks.stores import Stores


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line can ask for.

    Attributes:
        rows: of the generated estates.
        peer_rows: at most so many are given to a peer that is known to be slow; its rows a second are compared.
        repeats: rounds; None: three up to a million rows, else one.
        large_rows: of the estate whose peak memory is compared with that of a million; None: ten million, or `rows`
            where that is more.
        series: of the estate with many series.
        days: of the backfill.
        single_runs: of one day each, measured and extrapolated to all days.
    """

    rows: int = 1_000_000
    peer_rows: int = 100_000
    repeats: int | None = None
    large_rows: int | None = None
    series: int = 50_000
    days: int = 730
    single_runs: int = 10

    @property
    def rounds(self) -> int:
        """How often each contender is measured."""
        return self.repeats or (3 if self.rows <= 1_000_000 else 1)

    @property
    def memory_rows(self) -> int:
        """Of the estate whose peak memory is compared with that of a million."""
        return self.large_rows or max(10_000_000, self.rows)


@dataclass(slots=True)
class Bench:
    """One run of the benchmark.

    Attributes:
        options: see there.
        stores: the servers.
        peers: runs other people's tools.
        folder: for estates; everything in it is thrown away in the end.
        say: is told what goes on.
        lines: what was found so far.
    """

    options: Options
    stores: Stores
    peers: Peers
    folder: Path
    say: Say
    lines: list[Line] = field(default_factory=list)

    def compare(
        self,
        title: str,
        make: Callable[[], Sequence[Contender]],
        judge: Callable[[Line], Sequence[Ratio]],
        *notes: str,
        repeats: int | None = None,
    ) -> None:
        """Measure contenders and keep the line; whatever fails is kept as the reason.

        Args:
            title: of the line.
            make: prepares and names the contenders; not timed.
            judge: the ratios, from the line with its results.
            notes: see `Line`.
            repeats: rounds, where they are not those of the options.
        """
        self.say(title)
        line = Line(title, notes=list(notes))
        self.lines.append(line)
        try:
            line.results = measure(make(), repeats or self.options.rounds, self.say)
            line.ratios = list(judge(line))
        except Exception as error:  # noqa: BLE001 - one line that fails must not end the others
            line.failure = one_line(error)
            self.say(f"  failed: {line.failure}")

    def leave_out(self, title: str, reason: str) -> None:
        """Keep a line that cannot be measured here."""
        self.say(f"{title}: {reason}")
        self.lines.append(Line(title, failure=reason))
