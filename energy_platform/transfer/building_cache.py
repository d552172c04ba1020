"""Redis: the latest readings and the notifications of each building, derived from the time series.

Redis is derived: a missing key is no failure; one with wrong content or without a time to live is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from energy_platform.domain.accounts import WHOLE
from energy_platform.domain.measurements import ALERTS, SENSOR_DATA
from energy_platform.failpoints import failpoint
from energy_platform.stores.cache import keys
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reports.verdicts import LoadReport, verdict_of

LATEST, NOTIFICATIONS = "redis/latest", "redis/notifications"
#: How many notifications a building keeps.
NEWEST = 100

#: What one building's key holds: (tenant, building, payload).
Entry = tuple[str, str, Any]


def expected_latest(platform: Platform) -> list[Entry]:
    """The newest reading of every sensor, by building, as the time series hold them."""
    newest = platform.timeseries.latest(SENSOR_DATA, platform.tenants())
    newest = newest.sort("time", "sensor_type").unique(["tenant_id", "building_id", "sensor_id"], keep="last")
    entries: list[Entry] = []
    for (tenant, building), part in _by_building(newest):
        payload = {
            row["sensor_id"]: {
                "value": row["value"],
                "state": row["state"],
                "type": row["sensor_type"],
                "time": row["time"].isoformat(),
            }
            for row in part.iter_rows(named=True)
        }
        entries.append((tenant, building, payload))
    return entries


def expected_notifications(platform: Platform) -> list[Entry]:
    """The newest alerts of every building, newest first."""
    batches = list(platform.timeseries.read(ALERTS, platform.tenants()))
    if not batches:
        return []
    alerts = pl.concat(batches, how="diagonal").sort(
        "time", "sensor_id", "severity", "alert_type", descending=[True, False, False, False]
    )
    entries: list[Entry] = []
    for (tenant, building), part in _by_building(alerts):
        payload = [
            {
                "time": row["time"].isoformat(),
                "sensor": row["sensor_id"],
                "severity": row["severity"],
                "type": row["alert_type"],
                "message": row["message"],
                "resolved": row["resolved"],
            }
            for row in part.head(NEWEST).iter_rows(named=True)
        ]
        entries.append((tenant, building, payload))
    return entries


def load_latest(platform: Platform, run_id: str = "") -> LoadReport:
    """Write `latest:building:{tenant:code}` of every building, each with a time to live."""
    started = time.monotonic()
    entries = expected_latest(platform)
    platform.cache.replace_latest_of(entries, platform.settings.latest_ttl_seconds)
    _forget_others(platform, LATEST, entries)
    return _proven(platform, LATEST, entries, run_id, started)


def load_notifications(platform: Platform, run_id: str = "") -> LoadReport:
    """Write `notifications:building:{tenant:code}` of every building with alerts, each with a time to live."""
    started = time.monotonic()
    entries = expected_notifications(platform)
    platform.cache.replace_notifications_of(entries, platform.settings.notifications_ttl_seconds)
    _forget_others(platform, NOTIFICATIONS, entries)
    return _proven(platform, NOTIFICATIONS, entries, run_id, started)


def cache_problems(platform: Platform, asset: str, entries: Sequence[Entry]) -> list[str]:
    """What is wrong with the keys of an asset: wrong content, no time to live, or a building that nobody knows."""
    expected = _by_key(asset, entries)
    problems: list[str] = []
    for entry in platform.cache.read_many(_present(platform, asset)):
        if entry.problem:
            problems.append(f"{entry.key}: {entry.problem}")
        elif entry.key not in expected:
            problems.append(f"{entry.key}: nothing in the time series accounts for it")
        elif entry.value is not None and entry.value != expected[entry.key]:
            problems.append(f"{entry.key}: its content is not what the time series hold")
    return problems


def _by_key(asset: str, entries: Sequence[Entry]) -> dict[str, Any]:
    build = keys.latest_building if asset == LATEST else keys.notifications_building
    return {build(tenant, building): payload for tenant, building, payload in entries}


def _present(platform: Platform, asset: str) -> list[str]:
    """The keys that are there."""
    prefix = keys.LATEST if asset == LATEST else keys.NOTIFICATIONS
    return [key for key, _, _ in platform.cache.scan(prefix, platform.tenants())]


def _forget_others(platform: Platform, asset: str, entries: Sequence[Entry]) -> None:
    """Remove keys of buildings that the time series hold nothing of any more: a building was renamed, or repaired."""
    expected = _by_key(asset, entries)
    platform.cache.delete(key for key in _present(platform, asset) if key not in expected)


def _by_building(frame: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    for (tenant, building), part in frame.partition_by(
        ["tenant_id", "building_id"], as_dict=True, maintain_order=True
    ).items():
        yield (str(tenant), str(building)), part


def _proven(platform: Platform, asset: str, entries: Sequence[Entry], run_id: str, started: float) -> LoadReport:
    problems = cache_problems(platform, asset, entries)
    entry = LedgerEntry(
        estate=platform.estate.code,
        asset=asset,
        partition=WHOLE,
        proven=not problems,
        open=False,
        reason="; ".join(problems[:4]),
        rows=len(entries),
        fingerprint="",
        facts={},
        run_id=run_id,
        seconds=time.monotonic() - started,
        recorded_at=None,
    )
    failpoint("data_before_ledger")
    with platform.postgres.connection() as connection:
        ledger.record(connection, [entry])
    return LoadReport(asset, verdicts=[verdict_of(entry)], seconds=entry.seconds, rows_written=len(entries))
