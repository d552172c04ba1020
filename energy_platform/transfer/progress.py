"""Progress of long work, told in rows while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["reading", "writing", "proving"]


@dataclass(frozen=True, slots=True)
class Step:
    """Some rows are done.

    Attributes:
        asset: that is loaded, e.g. `timeseries/sensor_data`.
        phase: of its load.
        name: the source that is read, else the asset.
        rows: done since the last step of this phase and name.
        total: rows of this phase and name as far as known; may be an estimate.
    """

    asset: str
    phase: Phase
    name: str
    rows: int
    total: int | None = None


#: Called from the loading thread; must return quickly.
Progress = Callable[[Step], None]
