"""What tells the rows of one time apart, how far apart times are, and whether a meter's numbers count on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from math import isfinite

from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.naming import fit
from energy_platform.sources.inspect.numbers import is_missing
from energy_platform.sources.inspect.roles import Casting
from energy_platform.sources.inspect.tables import FoundTable, Row, first_rows
from energy_platform.sources.inspect.vocabulary import READINGS
from energy_platform.sources.inspect.words import KEY_WORDS

_NAMING = ("building", "sensor", "meter", "type", "tenant")
#: Rows that share what should tell them apart are faults where they are fewer.
_FEW = 0.05
_LEAST_ROWS = 8
#: Nearly all steps of one length make an interval.
_MANY = 0.9
#: A counter falls where it rolls over, is set back (some are each day) or exchanged: seldom, and far.
_FALLS, _FAR = 0.2, 0.5
#: Close to the end of its digits, and to zero behind it.
_NEAR_THE_END = 0.1


@dataclass(frozen=True)
class Identity:
    """The first rows of a table, and what its columns are taken for.

    Attributes:
        table: that is looked at.
        casting: what its columns are taken for.
        naming: further columns that tell rows apart.
    """

    table: FoundTable
    casting: Casting
    naming: tuple[Column, ...] = field(default=())

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The first rows of the table."""
        return first_rows(self.table)

    @property
    def times(self) -> tuple[Column, ...]:
        """The column of times, or those of dates and clocks."""
        if self.casting.date_and_clock is not None:
            return self.casting.date_and_clock
        time = self.casting.column_of("time")
        return (time,) if time is not None else ()

    @property
    def named_by(self) -> tuple[Column, ...]:
        """The columns that say whose a row is."""
        found = [column for role in _NAMING if (column := self.casting.column_of(role)) is not None]
        return (*found, *self.naming)

    def shared(self) -> bool:
        """Whether rows that hold other values share the time and all that should tell them apart."""
        return self._shares((*self.times, *self.named_by))

    def telling_apart(self) -> tuple[Column, ...]:
        """Columns without a role of which each alone tells such rows apart, the likeliest first."""
        known = (*self.times, *self.named_by)
        playing = {match.column.name for match in self.casting.matches.values()} | set(self.casting.wide)
        found = [
            column
            for column in self.table.columns
            if column.kind in {"text", "integer"}
            and column.name not in playing
            and column not in known
            and not column.is_unique
            and column.distinct > 1
            and not self._shares((*known, column))
        ]
        words = (*READINGS.looks["sensor"].words, *READINGS.looks["building"].words, "meter", "plug", "socket", "id")
        return tuple(sorted(found, key=lambda c: (-fit(c.words, words), c.kind != "text", c.distinct, c.position)))

    def minutes(self) -> float | None:
        """How far apart nearly all times of one meter or sensor are, in minutes; None where that varies."""
        steps = Counter(
            (after - before).total_seconds() / 60
            for moments in self._moments().values()
            for before, after in pairwise(sorted(moments))
            if after != before
        )
        if not steps:
            return None
        step, count = steps.most_common(1)[0]
        return step if count >= _MANY * steps.total() else None

    def counts_on(self, column: Column) -> bool:
        """Whether the numbers of each meter never fall, but where they begin anew."""
        series = self._numbers(column)
        steps = [step for numbers in series.values() for step in pairwise(numbers)]
        falls = [(before, after) for before, after in steps if after < before]
        rises = sum(1 for before, after in steps if after > before)
        few = len(falls) <= max(1, _FALLS * len(steps))
        return rises > _LEAST_ROWS and few and all(after < before * _FAR for before, after in falls)

    def rolls_over_at(self, column: Column) -> int | None:
        """Where its counters seem to begin again at zero, behind their last digit; None where none does."""
        ends = Counter(
            end
            for numbers in self._numbers(column).values()
            for before, after in pairwise(numbers)
            if after < before
            and before > (end := 10 ** len(str(int(before)))) * (1 - _NEAR_THE_END)
            and 0 <= after < end * _NEAR_THE_END
        )
        return max(ends, default=None)

    def _shares(self, columns: Sequence[Column]) -> bool:
        places = [column.position for column in columns]
        key = next(
            (c.position for c in self.table.columns if c.is_unique and fit(c.words, (*KEY_WORDS, "index")) == 3), None
        )
        contents: dict[tuple[str | None, ...], set[Row]] = defaultdict(set)
        for row in self.rows:
            if all((row[column.position] or "").strip() for column in self.times):
                content = row if key is None else (*row[:key], *row[key + 1 :])
                contents[tuple(row[place] for place in places)].add(content)
        every = sum(map(len, contents.values()))
        return every >= _LEAST_ROWS and every - len(contents) > _FEW * every

    def _moments(self) -> Mapping[tuple[str | None, ...], list[datetime]]:
        found: dict[tuple[str | None, ...], list[datetime]] = defaultdict(list)
        for row in self.rows:
            if (moment := self._moment(row)) is not None:
                found[self._whose(row)].append(moment)
        return found

    def _numbers(self, column: Column) -> Mapping[tuple[str | None, ...], list[float]]:
        """The numbers of each meter, in the order of their times."""
        found: dict[tuple[str | None, ...], list[tuple[datetime, float]]] = defaultdict(list)
        for row in self.rows:
            text = (row[column.position] or "").strip()
            bare = text.removesuffix(column.glued).strip() if column.glued else text
            moment = self._moment(row)
            if bare and not is_missing(bare) and bare not in column.marks and moment is not None:
                number = self.table.style.number(bare)
                if number is not None and isfinite(number):
                    found[self._whose(row)].append((moment, number))
        return {whose: [number for _, number in sorted(several)] for whose, several in found.items()}

    def _whose(self, row: Row) -> tuple[str | None, ...]:
        return tuple(row[column.position] for column in self.named_by)

    def _moment(self, row: Row) -> datetime | None:
        first = self.times[0] if self.times else None
        if first is None or first.time is None:
            return None
        day = first.time.read(row[first.position] or "")
        if day is None or self.casting.date_and_clock is None:
            return day
        clock = self.times[1].clock
        since = clock.since_midnight(row[self.times[1].position] or "") if clock is not None else None
        return day + since if since is not None else None
