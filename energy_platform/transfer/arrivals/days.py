"""Which local days of a measurement are touched: the digests of its sources against those in the ledger."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final

from energy_platform.domain.accounts import UNDATED
from energy_platform.domain.days import DayRange
from energy_platform.domain.errors import SourceError
from energy_platform.sources.spec import SourceSpec
from energy_platform.stores.postgres import ledger
from energy_platform.transfer.arrivals.asking import Touched
from energy_platform.transfer.arrivals.files import FileState, mark_of, source_states
from energy_platform.transfer.arrivals.looking import Comparison, Stretch
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reading.mapping import MappingRules, contract_of
from energy_platform.transfer.scanning.digests import meaning_of
from energy_platform.transfer.scanning.scans import Scan
from energy_platform.transfer.scanning.survey import SENSOR_TARGETS
from energy_platform.transfer.timeseries.load import mapping_rules
from energy_platform.transfer.timeseries.plan import contiguous
from energy_platform.transfer.timeseries.versions import versions_token

#: One look reads files for so long; what is left is read by the next.
READING_SECONDS: Final = 4.0
#: Runs of one look. Where more stretches are touched, those that lie closest together become one.
MOST_RUNS: Final = 25
#: So many days without any data do not end a stretch: holidays.
BRIDGED_DAYS: Final = 7


@dataclass
class DaysWatch:
    """The files of a measurement.

    Attributes:
        platform: the estate and its stores.
        measurement: its name.
        reading_seconds: see `READING_SECONDS`.
    """

    platform: Platform
    measurement: str
    reading_seconds: float = READING_SECONDS
    _with_data: set[date] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The asset that is watched for."""
        return f"timeseries/{self.measurement}"

    @property
    def own(self) -> dict[str, SourceSpec]:
        """The sources of the measurement."""
        return {spec.name: spec for spec in self.platform.estate.sources_of(self.measurement)}

    @property
    def registers(self) -> dict[str, SourceSpec]:
        """The sources that say which building a sensor stands in, where rows name only the sensor."""
        estate = self.platform.estate
        if not any(role.from_sensor for spec in self.own.values() for role in spec.roles.values()):
            return {}
        return {spec.name: spec for target in SENSOR_TARGETS for spec in estate.sources_of(target)}

    def meaning(self) -> str:
        """Changes with the estate file, the contract, and the way digests are made."""
        estate = self.platform.estate
        rules = MappingRules(estate, contract_of(self.measurement), self.platform.now)
        # of any one: what differs between them stands in the estate file
        first = [meaning_of(spec, rules) for spec in estate.sources_of(self.measurement)[:1]]
        return mark_of([estate.file.read_text(encoding="utf-8"), *first])

    def files(self) -> dict[str, FileState]:
        """The sources' files."""
        return source_states({**self.registers, **self.own}.values())

    def acknowledged(self, states: Mapping[str, FileState]) -> set[str]:
        """All that are there, where every day in the ledger was recorded for these versions of them; else none."""
        estate = self.platform.estate
        with self.platform.postgres.connection() as connection:
            recorded = ledger.shared_versions(connection, estate.code, self.name)
        found = {name: states[name].version for name in self.own if states[name].is_readable}
        is_current = recorded == versions_token(estate, self.measurement, self.platform.now, found)
        return {name for name, state in states.items() if state.is_readable} if is_current else set()

    def compare(self, states: Mapping[str, FileState], names: Collection[str]) -> Comparison:
        """Scan sources, each once in a process for a version of it, and compare their digests day by day."""
        own = self.own
        registers = {name for name in names if name not in own}
        # what rows mean depends on the register: with it, all of them may mean something else
        wanted = [name for name in own if states[name].is_readable] if registers else [n for n in names if n in own]
        problems: dict[str, str] = {}
        try:
            rules = mapping_rules(self.platform, self.measurement)
        except SourceError as error:
            return Comparison(problems=dict.fromkeys(names, str(error)))
        scans: dict[str, Scan] = {}
        deadline = time.monotonic() + self.reading_seconds
        for name in wanted:
            if time.monotonic() > deadline:
                break
            try:
                found = self.platform.scan(own[name])
            except SourceError as error:
                problems[name] = str(error)
                continue
            if found.version == states[name].version:
                scans[name] = found
        held: dict[str, dict[str, str]] = {}
        for name, found in scans.items():
            meaning = meaning_of(own[name], rules)
            held[name] = {_partition(day): f"{digest}@{meaning}" for day, digest in found.digests.items()}
        compared = set(scans)
        if len(scans) == len(wanted):
            compared |= registers
        return Comparison(self._touched(held, frozenset(registers)), compared, problems)

    def _touched(self, held: Mapping[str, Mapping[str, str]], registers: frozenset[str]) -> dict[str, Touched]:
        with self.platform.postgres.connection() as connection:
            recorded = ledger.digests(connection, self.platform.estate.code, self.name, sorted(held))
        self._with_data |= {date.fromisoformat(p) for p in recorded if p != UNDATED}
        self._with_data |= {date.fromisoformat(p) for by_day in held.values() for p in by_day if p != UNDATED}
        never = (datetime.fromtimestamp(0, UTC), {})
        touched: dict[str, Touched] = {}
        for partition in sorted(set(recorded).union(*held.values())):
            since, known = recorded.get(partition, never)
            differing = frozenset(name for name in held if held[name].get(partition) != known.get(name))
            if differing:
                content = mark_of(f"{name} {held[name].get(partition)}" for name in sorted(differing))
                touched[partition] = Touched(content, since.isoformat(), differing | registers)
        return touched

    def stretches(self, partitions: Collection[str]) -> list[Stretch]:
        """Days as runs; rows that fall on no day go with the first, else with the newest day that holds data."""
        days = sorted(date.fromisoformat(partition) for partition in partitions if partition != UNDATED)
        made = [
            Stretch(((span.first.isoformat(), span.last.isoformat()),), span) for span in spans(days, self._with_data)
        ]
        if UNDATED not in partitions:
            return made
        if not made:
            day = max(self._with_data, default=self.platform.estate.first_day)
            return [Stretch(((UNDATED, UNDATED),), DayRange(day, day))]
        return [Stretch(((UNDATED, UNDATED), *made[0].covers), made[0].days), *made[1:]]


def touched_days(platform: Platform, measurement: str, reading_seconds: float = 30.0) -> list[date]:
    """The days of a measurement whose verdict is not about what its sources hold, as far as these can be read."""
    watch = DaysWatch(platform, measurement, reading_seconds)
    states = watch.files()
    known = watch.acknowledged(states)
    names = [name for name, state in states.items() if state.is_readable and name not in known]
    touched = watch.compare(states, names).touched if names else {}
    return sorted(date.fromisoformat(partition) for partition in touched if partition != UNDATED)


def spans(days: Sequence[date], with_data: Collection[date], at_most: int = MOST_RUNS) -> list[DayRange]:
    """Sorted days as ranges: one for each contiguous stretch of days that hold data.

    Args:
        days: to be covered.
        with_data: days that hold data; a few others between two days do not part them.
        at_most: so many ranges; where there were more, those with the smallest gaps between them are joined.
    """
    ranges: list[DayRange] = []
    for span in contiguous(days):
        before = ranges[-1].last if ranges else None
        if before is not None and _is_empty(before, span.first, with_data):
            ranges[-1] = DayRange(ranges[-1].first, span.last)
        else:
            ranges.append(span)
    while len(ranges) > at_most:
        gaps = [after.first - before.last for before, after in pairwise(ranges)]
        place = gaps.index(min(gaps))
        ranges[place : place + 2] = [DayRange(ranges[place].first, ranges[place + 1].last)]
    return ranges


def _is_empty(before: date, after: date, with_data: Collection[date]) -> bool:
    between = list(DayRange(before + timedelta(days=1), after - timedelta(days=1)))
    return len(between) <= BRIDGED_DAYS and not any(day in with_data for day in between)


def _partition(day: date | None) -> str:
    return UNDATED if day is None else day.isoformat()
