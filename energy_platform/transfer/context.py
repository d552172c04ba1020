"""The platform at work: an estate, its stores, and what a survey of the sources has told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from energy_platform.domain.contracts import ColumnType, Contract
from energy_platform.failpoints import check_failpoints
from energy_platform.settings import Settings
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.gone_files import with_gone_files
from energy_platform.stores.cache.redis import BuildingCache
from energy_platform.stores.objects.interface import ObjectStore
from energy_platform.stores.objects.opening import open_object_store
from energy_platform.stores.postgres import claims, ledger
from energy_platform.stores.postgres.connection import KEPT_CONNECTIONS, PostgresStore
from energy_platform.stores.postgres.tenants import tenants_of
from energy_platform.stores.timeseries.interface import TimeSeries
from energy_platform.stores.timeseries.opening import open_timeseries
from energy_platform.transfer.memory import share_heaps
from energy_platform.transfer.reading.mapping import contract_of
from energy_platform.transfer.reading.mending import with_mended_rows
from energy_platform.transfer.scanning.scanner import scan_source
from energy_platform.transfer.scanning.scans import Scan
from energy_platform.transfer.scanning.survey import Survey, known_tenants, survey


@dataclass(frozen=True)
class Platform:
    """Everything that a load or a verification works with.

    Attributes:
        settings: with the addresses of all stores filled in.
        estate: whose data it is.
        now: one instant for the whole run, so that all rows are judged alike; UTC.
    """

    settings: Settings
    estate: Estate
    postgres: PostgresStore
    timeseries: TimeSeries
    cache: BuildingCache
    objects: ObjectStore
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def survey(self) -> Survey:
        """What the sources speak of; looked over again only where a source has changed.

        Among the tenants are those that a source spoke of which is gone.
        """
        found = survey(self.estate, self.now, self.settings.batch_rows, self.scans_folder)
        if not found.gone:
            return found
        with self.postgres.connection() as connection:
            tenants = {*found.tenants, *claims.tenants(connection, self.estate.code)}
        return replace(found, tenants=tuple(sorted(tenants)))

    def tenants(self) -> tuple[str, ...]:
        """Whose rows and points are looked at: all tenants that sources speak of now, or that were ever loaded; sorted.

        A tenant that sources call otherwise now has left rows and points that nobody accounts for.
        """
        with self.postgres.connection() as connection:
            return tuple(sorted({*self.survey().tenants, *tenants_of(connection, self.estate.code)}))

    def scan(self, spec: SourceSpec) -> Scan:
        """What a source holds; of one that has changed since only the change is read, where that can be told."""
        return scan_source(self.estate, spec, self.now, self.settings.batch_rows, self.scans_folder)

    @property
    def scans_folder(self) -> Path:
        """Where scans are kept for later processes."""
        return self.settings.home / "scans"

    def known_tenants(self) -> frozenset[str]:
        """The tenants of the estate as far as this process has looked it over already."""
        return known_tenants(self.estate)

    def contract(self, target: str) -> Contract:
        """The contract of a measurement or table, with the extra fields of this estate."""
        sources = self.estate.sources_of(target)
        extra = self.survey().extra_fields.get(target, {}) if any(spec.extra for spec in sources) else {}
        fields: dict[str, ColumnType] = dict(extra)
        for spec in sources:
            fields |= spec.fixed_fields
        return contract_of(target, fields)


@contextmanager
def open_platform(settings: Settings, estate: Estate) -> Iterator[Platform]:
    """The platform over the stores that the settings name; the connections are closed when the block ends.

    The sources of its estate hold what people have mended.
    """
    check_failpoints()
    share_heaps()
    timeseries = open_timeseries(settings)
    cache = BuildingCache(settings.redis_url)
    postgres = PostgresStore(settings.postgres_url, kept=KEPT_CONNECTIONS)
    try:
        yield Platform(
            settings,
            with_mended_rows(_with_gone_files(estate, postgres), postgres),
            postgres,
            timeseries,
            cache,
            open_object_store(settings.objects_url, settings.home),
        )
    finally:
        timeseries.close()
        postgres.close()
        cache.close()


def _with_gone_files(estate: Estate, postgres: PostgresStore) -> Estate:
    if not estate.patterns:
        return estate
    with postgres.connection() as connection:
        return with_gone_files(estate, ledger.sources(connection, estate.code))
