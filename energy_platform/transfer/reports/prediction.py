"""What a load would do, told without writing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from energy_platform.domain.accounts import Account

#: Rows a second that are written and proven, by where they go: what `make bench` measures on two cores.
ROWS_PER_SECOND: Final[Mapping[str, float]] = {"influxdb": 190_000, "postgres": 260_000, "table": 200_000}
#: So many rows at most are looked at to tell how many bytes a row has.
_SAMPLE_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a load of one asset would do.

    Attributes:
        asset: e.g. `timeseries/sensor_data`.
        rows: that it would write.
        partitions: days, or the whole table, that it would write.
        series: that would stand in the store afterwards, of all estates; None for a table.
        bytes: of these rows in memory, which is about what travels to the store.
        seconds: that it would take.
        accounts: by source, over all days that were asked for.
        problem: why it would stop before its first write; empty where it would not.
        withheld: by partition, why nothing of it would be written.
    """

    asset: str
    rows: int = 0
    partitions: int = 0
    series: int | None = None
    bytes: int = 0
    seconds: float = 0.0
    accounts: Mapping[str, Account] = field(default_factory=dict)
    problem: str = ""
    withheld: Mapping[str, str] = field(default_factory=dict)

    def as_facts(self) -> dict[str, Any]:
        """As JSON, for a report."""
        facts = {"asset": self.asset, "rows": self.rows, "partitions": self.partitions, "series": self.series}
        return facts | {
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "problem": self.problem,
            "withheld": dict(self.withheld),
        }


def bytes_of(sample: pl.DataFrame, rows: int) -> int:
    """About how many bytes rows like these are in memory."""
    return round(sample.estimated_size() / sample.height * rows) if sample.height else 0


def sample_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Some of the rows, evenly spread."""
    return frame.gather_every(max(1, frame.height // _SAMPLE_ROWS))
