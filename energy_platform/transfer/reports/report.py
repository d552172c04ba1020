"""The report of a migration or verification: the same facts in the terminal, in Dagster, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from energy_platform.domain.accounts import UNDATED, Account
from energy_platform.domain.days import DayRange
from energy_platform.domain.fingerprints import MODULUS, fingerprint_text
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.transfer.assets import assets_of
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reports.verdicts import total_accounts


def report_of(platform: Platform, days: DayRange | None = None, seconds: float = 0.0) -> dict[str, Any]:
    """The facts that stand in the ledger, over the days of a range (all: None), in the design's JSON shape.

    `proved` says whether every asset has an entry and every entry of the range is proven.
    """
    estate = platform.estate
    with platform.postgres.connection() as connection:
        entries = [entry for entry in ledger.read(connection, estate.code) if _in_range(entry, days)]
    by_asset: dict[str, list[LedgerEntry]] = {}
    for entry in entries:
        by_asset.setdefault(entry.asset, []).append(entry)
    accounts = total_accounts(entries)
    sources = [
        {"source": spec.name, "target": spec.target, **accounts.get(spec.name, Account()).as_facts()}
        for spec in estate.sources
    ]
    targets = [_target(asset, by_asset.get(asset, [])) for asset in assets_of(estate)]
    return {
        "estate": estate.code,
        "environment": platform.settings.environment,
        "proved": all(target["proved"] for target in targets),
        "seconds": round(seconds, 3),
        "sources": sources,
        "targets": targets,
    }


def _in_range(entry: LedgerEntry, days: DayRange | None) -> bool:
    if days is None or not entry.partition[:1].isdigit():
        return True
    return days.first.isoformat() <= entry.partition <= days.last.isoformat()


def _target(asset: str, entries: Iterable[LedgerEntry]) -> dict[str, Any]:
    entries = list(entries)
    loaded = [entry for entry in entries if entry.partition != UNDATED]
    held = [entry for entry in loaded if entry.rows or not entry.proven]
    unproven = {entry.partition: entry.reason for entry in entries if not entry.proven}
    fingerprints = [int(entry.fingerprint, 16) for entry in loaded if entry.fingerprint]
    return {
        "asset": asset,
        "rows": sum(entry.rows for entry in loaded),
        "partitions": len(held),
        "fingerprint": fingerprint_text(sum(fingerprints) % MODULUS) if fingerprints else "",
        "proved": bool(entries) and not unproven,
        "unproven": unproven,
    }
