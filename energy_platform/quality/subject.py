"""What is looked at: an estate and its stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from energy_platform.domain.contracts import Contract
from energy_platform.sources.spec import Estate
from energy_platform.stores.cache.redis import BuildingCache
from energy_platform.stores.objects.interface import ObjectStore
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.tenants import tenants_of
from energy_platform.stores.timeseries.interface import TimeSeries


@dataclass(frozen=True)
class Subject:
    """An estate and the stores that hold what it has brought.

    Attributes:
        estate: whose data it is.
        postgres: as energy_loader.
        contract: gives the contract of a measurement or table, with the fields that the estate adds.
        now: one instant for the whole check, UTC.
    """

    estate: Estate
    postgres: PostgresStore
    timeseries: TimeSeries
    cache: BuildingCache
    objects: ObjectStore
    contract: Callable[[str], Contract]
    now: datetime

    @cached_property
    def tenants(self) -> list[str]:
        """Codes of the tenants that the estate has brought data of, sorted."""
        with self.postgres.connection() as connection:
            return tenants_of(connection, self.estate.code)

    def ledger(self, asset: str) -> list[LedgerEntry]:
        """The verdicts of an asset's partitions."""
        with self.postgres.connection() as connection:
            return ledger.read(connection, self.estate.code, asset)
