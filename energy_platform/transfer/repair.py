"""Repair: points and rows that no source accounts for, and their removal when a person says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import polars as pl

from energy_platform.domain.contracts import Measurement
from energy_platform.domain.days import local_day
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.summaries import Summary
from energy_platform.domain.tables import TABLES
from energy_platform.stores.postgres import claims, ledger, rows
from energy_platform.transfer.context import Platform
from energy_platform.transfer.options import DEFAULT_OPTIONS
from energy_platform.transfer.reading.mapping import DAY
from energy_platform.transfer.reports.verdicts import source_summaries_in
from energy_platform.transfer.scanning.survey import look_afresh, source_versions
from energy_platform.transfer.tables.load import ExpectedTable
from energy_platform.transfer.timeseries.judged import points_of
from energy_platform.transfer.timeseries.plan import contiguous
from energy_platform.transfer.timeseries.proof import target_points, target_summaries
from energy_platform.transfer.timeseries.series import without_claimed
from energy_platform.transfer.verify import expected_points, expected_summaries


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """Points or rows of one asset that are not what any source holds.

    Attributes:
        asset: e.g. `timeseries/sensor_data`.
        points: identities, and `@day` for a time series.
        content: columns that say what they hold, those of this estate alone included.
    """

    asset: str
    points: pl.DataFrame
    content: frozenset[str]

    def identities(self) -> pl.DataFrame:
        """What tells them apart, and tags that nobody knows; not what they hold."""
        return self.points.select(pl.exclude(DAY, *self.content))


def unaccounted(platform: Platform, doubted: Mapping[str, Collection[str]] | None = None) -> list[Unaccounted]:
    """Everything in the targets that no source accounts for: unknown identities, and stale or unknown field values.

    A partition that a retired source has fed is left alone: what it held can no longer be told apart. Memory grows with
    the partitions that differ from their sources, not with the targets.

    Args:
        platform: the estate and its stores.
        doubted: the partitions to look at, by asset, where somebody has compared them; None for all.
    """
    if doubted is None:
        look_afresh(platform.estate, platform.now, platform.scans_folder)
    found: list[Unaccounted] = []
    # what nobody feeds may hold something, too
    everything = [f"postgres/{name}" for name in TABLES] + [f"timeseries/{name}" for name in MEASUREMENTS]
    for asset in everything if doubted is None else doubted:
        place, name = asset.split("/", 1)
        if place == "timeseries":
            days = None if doubted is None else {date.fromisoformat(p) for p in doubted[asset] if p[:1].isdigit()}
            points = _unaccounted_points(platform, name, days)
            contract = platform.contract(name)
        elif place == "postgres" and name in TABLES:
            points = _unaccounted_rows(platform, name)
            contract = TABLES[name]
        else:
            continue
        if points.height:
            content = {column.name for column in contract.columns if column.name not in contract.key or column.personal}
            found.append(Unaccounted(asset, points, frozenset(content)))
    return found


def remove(platform: Platform, items: list[Unaccounted]) -> int:
    """Remove them from the targets, and mark their partitions unproven so that the next load proves them again."""
    removed = 0
    # what refers to others goes before them
    for item in reversed(items):
        place, name = item.asset.split("/", 1)
        if place == "timeseries":
            contract = platform.contract(name)
            platform.timeseries.delete(contract, item.points.drop(DAY))  # pyright: ignore[reportArgumentType]
            partitions = {day.isoformat() for day in item.points.get_column(DAY).unique()}
        else:
            with platform.postgres.connection() as connection:
                rows.delete_rows(connection, TABLES[name], item.points)
            partitions = {"all"}
        removed += item.points.height
        _mark(platform, item.asset, partitions)
    return removed


def _unaccounted_points(platform: Platform, name: str, days: Collection[date] | None) -> pl.DataFrame:
    asset = f"timeseries/{name}"
    present = source_versions(platform.estate.sources_of(name))
    retired = {spec.name for spec in platform.estate.sources_of(name)} - present.keys()
    with platform.postgres.connection() as connection:
        entries = ledger.read(connection, platform.estate.code, asset)
        tenants = platform.tenants()
        others = claims.others(connection, platform.estate.code, name, tenants)
    untouchable = {entry.partition for entry in entries if retired & source_summaries_in(entry).keys()}
    if days is None:
        days = _differing_days(platform, name, retired, tenants, others)
    with expected_points(platform, name, retired, days=days) as (contract, judged):
        chunks = [points_of(rows, judged.series, contract).frame() for rows, _ in judged.chunks()]
    expected = pl.concat([contract.empty(), *chunks], how="diagonal")
    identity = list(contract.key)
    fields = [column.name for column in contract.fields]
    wrong: list[pl.DataFrame] = []
    windows = [span.bounds(platform.estate.zone) for span in contiguous(sorted(days))]
    for batch in (batch for window in windows for batch in target_points(platform, contract, tenants, window)):
        points = without_claimed(batch, contract, others).frame()
        joined = points.join(
            expected.with_columns(pl.lit(value=True).alias("@known")),
            on=identity,
            how="left",
            nulls_equal=True,
            suffix="@expected",
        )
        stale = [pl.col(field).is_not_null() & pl.col(f"{field}@expected").is_null() for field in fields]
        strangers = [pl.col(c).is_not_null() for c in points.columns if c not in contract.column_names]
        wrong.append(
            joined.filter(pl.any_horizontal(pl.col("@known").is_null(), *stale, *strangers)).select(points.columns)
        )
    if not wrong:
        return contract.empty().select(identity).with_columns(pl.lit(None, dtype=pl.Date).alias(DAY))
    # whole points, as they were read: a tag that nobody knows is part of what is to be removed
    found = pl.concat(wrong, how="diagonal").with_columns(local_day("time", platform.estate.zone).alias(DAY))
    return found.filter(~pl.col(DAY).cast(pl.String).is_in(sorted(untouchable)))


def _differing_days(
    platform: Platform, name: str, retired: set[str], tenants: Sequence[str], others: pl.DataFrame
) -> set[date]:
    """The local days that the target holds otherwise than the sources do."""
    expected = expected_summaries(platform, name, retired)
    contract = cast(Measurement, platform.contract(name))
    found = target_summaries(platform, contract, tenants, others)
    return {day for day, summary in found.items() if expected.get(day.isoformat(), Summary()).differences(summary)}


def _unaccounted_rows(platform: Platform, name: str) -> pl.DataFrame:
    contract, estate = TABLES[name], platform.estate
    present = source_versions(estate.sources_of(name))
    keys = list(contract.key)
    if len(present) < len(estate.sources_of(name)):
        return contract.empty().select(keys)
    with (
        ExpectedTable(platform, name, DEFAULT_OPTIONS, set()) as expected,
        platform.postgres.connection() as connection,
    ):
        known = sorted(ledger.estates(connection) - {estate.code})
        tenants = list(platform.tenants())
        found = rows.unknown_rows(connection, contract, expected.chunks(), tenants, without=known)
        return pl.concat([contract.empty().select(keys), *found]).sort(keys)


def _mark(platform: Platform, asset: str, partitions: set[str]) -> None:
    with platform.postgres.connection() as connection:
        entries = ledger.read(connection, platform.estate.code, asset)
        changed = [
            replace(entry, proven=False, reason="repaired: to be proved again")
            for entry in entries
            if entry.partition in partitions
        ]
        ledger.record(connection, changed)
