"""What of a measurement has to be loaded: the ledger's verdicts against the sources as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from energy_platform.domain import fingerprints
from energy_platform.domain.accounts import UNDATED
from energy_platform.domain.days import DayRange, day_of
from energy_platform.domain.errors import EstateError
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reports.verdicts import accounts_in, total_accounts
from energy_platform.transfer.scanning.digests import Digest
from energy_platform.transfer.scanning.survey import retired_sources, source_versions
from energy_platform.transfer.timeseries.versions import versions_token


class LoadPlan:
    """What the ledger knows of a measurement, and which of its days are settled.

    Attributes:
        asset: its name in the ledger.
        specs: the sources that feed it, by their position in the estate.
        entries: of the ledger, by partition.
        versions: a token of the versions of all sources that are there, and of what the estate file says about them:
            every day of the ledger holds one, however many sources there are.
        basis: of which store the figures are, and by which version of the fingerprint.
        retired: names of the sources that are gone but whose figures the ledger knows.
        today: the estate's current local day.
    """

    def __init__(self, platform: Platform, name: str, days: DayRange | None = None) -> None:
        estate = platform.estate
        self.asset = f"timeseries/{name}"
        self.specs = {estate.position_of(spec): spec for spec in estate.sources_of(name)}
        self.today = day_of(platform.now, estate.zone)
        self._first_day = estate.first_day
        self._days = days
        with platform.postgres.connection() as connection:
            self.entries = {entry.partition: entry for entry in ledger.read(connection, estate.code, self.asset)}
        check_zone(estate, self.entries.get(UNDATED))
        self.basis = f"{platform.timeseries.implementation}, fingerprint {fingerprints.VERSION}"
        found = source_versions(tuple(self.specs.values()))
        self.versions = versions_token(estate, name, platform.now, found)
        self.retired = retired_sources(self.specs.values(), found, total_accounts(self.entries.values()))

    @property
    def present(self) -> dict[int, SourceSpec]:
        """The sources that are there, by position."""
        return {position: spec for position, spec in self.specs.items() if spec.name not in self.retired}

    def is_chosen(self, day: date) -> bool:
        """Whether a day lies in the range that is asked for."""
        return self._days is None or day in self._days

    def chosen_entries(self) -> dict[date, LedgerEntry]:
        """The ledger's entries of chosen days, in order."""
        days = {date.fromisoformat(day): entry for day, entry in sorted(self.entries.items()) if day != UNDATED}
        return {day: entry for day, entry in days.items() if self.is_chosen(day)}

    def is_settled(self, entry: LedgerEntry) -> bool:
        """Proven for the sources as they are now, and not in need of another proof because its day has ended."""
        return self.is_proven_for_good(entry) and entry.facts.get("versions") == self.versions

    def nothing_new(self) -> bool:
        """Whether every chosen day that holds data is proven for the sources as they are now."""
        undated = self.entries.get(UNDATED)
        if undated is None or not self.is_settled(undated) or _has_future_rows(undated):
            return False
        with_data = {day for text in undated.facts.get("days", []) if self.is_chosen(day := date.fromisoformat(text))}
        known = self.chosen_entries()
        return with_data <= known.keys() and all(self.is_settled(entry) for entry in known.values())

    def pending(self, days: Sequence[date]) -> list[date]:
        """Of these days the ones that are not settled.

        Where no day holds data the first one stands for them all, so that rows that fall on no day are accounted for.
        """
        undated = self.entries.get(UNDATED)
        if not days and (undated is None or not self.is_settled(undated)):
            return [self._first_day]
        settled = {partition for partition, entry in self.entries.items() if self.is_settled(entry)}
        return [day for day in days if day.isoformat() not in settled]

    def can_compare(self) -> bool:
        """Whether the ledger holds digests to compare the sources with."""
        undated = self.entries.get(UNDATED)
        return undated is not None and "digests" in undated.facts

    def unchanged(self, digests: Mapping[str, Mapping[date | None, Digest]], meanings: Mapping[str, str]) -> set[date]:
        """The chosen days whose verdict still stands, because the sources hold the same rows of them.

        Only of a day without a single refused or doubled row: elsewhere the order of rows counts too.

        Args:
            digests: of the sources as they are now, by source and day.
            meanings: see `digests.meaning_of`, by source.
        """
        same: set[date] = set()
        for day, entry in self.chosen_entries().items():
            accounts = accounts_in(entry).values()
            if not self.is_proven_for_good(entry) or any(a.read != a.loaded for a in accounts):
                continue
            if entry.facts.get("digests") == digest_facts(day, digests, meanings):
                same.add(day)
        return same

    def confirmed(self, day: date) -> LedgerEntry:
        """The entry of a day whose verdict still stands, for the sources as they are now."""
        entry = self.entries[day.isoformat()]
        return replace(entry, facts={**entry.facts, "versions": self.versions})

    def is_proven_for_good(self, entry: LedgerEntry) -> bool:
        """Proven on this basis, and not in need of another proof because its day has ended since."""
        # rows that fall on no day are never open
        ended = entry.open and date.fromisoformat(entry.partition) < self.today
        return entry.proven and not ended and entry.facts.get("basis") == self.basis


def check_zone(estate: Estate, undated: LedgerEntry | None) -> None:
    """See that the days of the ledger were cut in the estate's zone.

    Args:
        estate: as its file is now.
        undated: what the ledger says of a measurement's rows that fall on no day; None where nothing was loaded.

    Raises:
        EstateError: they were cut in another one.
    """
    known = undated.facts.get("zone") if undated is not None else None
    if known not in {None, str(estate.zone)}:
        raise EstateError(
            f"The time zone is fixed once data is loaded, and this data was loaded with days of {known}.",
            where=f"{estate.file.name}: timezone",
            remedy=f"Write `timezone: {known}` again; or load under another code of the estate and of its tenants.",
        )


def digest_facts(
    day: date | None, digests: Mapping[str, Mapping[date | None, Digest]], meanings: Mapping[str, str]
) -> dict[str, Any]:
    """The digests of a day, or of the rows that fall on none, as they stand in the ledger."""
    return {source: f"{by_day[day]}@{meanings[source]}" for source, by_day in sorted(digests.items()) if day in by_day}


def contiguous(days: Sequence[date]) -> list[DayRange]:
    """Sorted days as ranges without gaps."""
    ranges: list[DayRange] = []
    for day in days:
        if ranges and ranges[-1].last + timedelta(days=1) == day:
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges


def _has_future_rows(undated: LedgerEntry) -> bool:
    return any("in_the_future" in account.reasons for account in accounts_in(undated).values())
