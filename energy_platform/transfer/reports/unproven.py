"""The standing list of what is not proven, with what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from energy_platform.domain.accounts import UNDATED, WHOLE
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.connection import PostgresStore

#: Beginnings of reasons and what helps.
_REMEDIES = (
    ("withheld", "Look at `energy-platform quarantine list`, mend the rows at their source, and load it again."),
    ("a load of this day has not ended", "Nothing needs mending: load it again."),
)
_REFUSED = "Look at `energy-platform quarantine list`; mend the rows, or raise the limit of refused ones, and load it."
_OTHERWISE = "Load it again; if it stays, `energy-platform repair` shows what no source accounts for."


@dataclass(frozen=True, slots=True)
class UnprovenPartition:
    """A partition that is not proven.

    Attributes:
        asset: e.g. `timeseries/sensor_data`.
        partition: ISO day, `undated`, or `all`.
        reason: why.
        since: when that was found.
        remedy: what to do.
    """

    asset: str
    partition: str
    reason: str
    since: datetime
    remedy: str


def unproven_partitions(store: PostgresStore, estate: str) -> list[UnprovenPartition]:
    """Every partition of an estate that is not proven, by asset and partition."""
    with store.connection() as connection:
        found = ledger.unproven(connection, estate)
    return [
        UnprovenPartition(each.asset, each.partition, each.reason, each.since, remedy_of(each.reason)) for each in found
    ]


def remedy_of(reason: str) -> str:
    """What to do about a reason."""
    for beginning, remedy in _REMEDIES:
        if reason.startswith(beginning):
            return remedy
    return _REFUSED if "were refused" in reason else _OTHERWISE


def unproven_lines(found: Sequence[UnprovenPartition], shown: int = 10) -> list[str]:
    """The same for a terminal."""
    if not found:
        return ["No partition that was loaded is unproven."]
    many = f"{len(found)} partitions are" if len(found) > 1 else "1 partition is"
    lines = [f"{many} not proven:"]
    for each in found[:shown]:
        partition = "" if each.partition == WHOLE else f" {each.partition}"
        what = "rows that fall on no day" if each.partition == UNDATED else ""
        lines.append(f"  {each.asset}{partition}{f' ({what})' if what else ''}: {each.reason}")
        lines.append(f"    {each.remedy}")
    if len(found) > shown:
        lines.append(f"  and {len(found) - shown} more, in the asset maintenance/unproven")
    return lines
