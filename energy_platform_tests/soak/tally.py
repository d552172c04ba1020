"""What was killed, where, and how often the state was the same afterwards: as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from energy_platform_tests.soak.kills import Kill


class Tally:
    """Counts of kills by place and victim."""

    def __init__(self) -> None:
        self._tried: Counter[tuple[str, str]] = Counter()
        self._killed: Counter[tuple[str, str]] = Counter()
        self._survived: Counter[tuple[str, str]] = Counter()

    def note(self, done: Iterable[tuple[Kill, bool]], *, same: bool) -> None:
        """Take down kills, whether each came in time, and whether the state was the same after all of them."""
        for kill, in_time in done:
            key = (kill.place, kill.victim)
            self._tried[key] += 1
            self._killed[key] += in_time
            self._survived[key] += in_time and same

    @property
    def killed(self) -> int:
        """How many kills came in time."""
        return self._killed.total()

    @property
    def survived(self) -> int:
        """How many of them left no trace."""
        return self._survived.total()

    def __str__(self) -> str:
        lines = [f"{'place':<22}{'killed':<12}{'kills':>7}{'survived':>10}{'too late':>10}"]
        for place, victim in sorted(self._tried):
            key = (place, victim)
            late = self._tried[key] - self._killed[key]
            lines.append(f"{place:<22}{victim:<12}{self._killed[key]:>7}{self._survived[key]:>10}{late:>10}")
        late = self._tried.total() - self.killed
        lines.append(f"{'all':<22}{'':<12}{self.killed:>7}{self.survived:>10}{late:>10}")
        return "\n".join(lines)
