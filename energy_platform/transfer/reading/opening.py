"""Opens a source to load its rows: what follows from several of them at once stands in each."""

from __future__ import annotations

from datetime import datetime

from energy_platform.sources import opening
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.source import Source


def open_rows(spec: SourceSpec, estate: Estate, now: datetime) -> Source:
    """The reader of a source whose rows are to be mapped. `sources.opening` gives them as the file holds them.

    Args:
        spec: of the source.
        estate: whose source it is.
        now: rows later than this lie in the future.
    """
    source = opening.open_source(spec)
    if spec.register is None:
        return source
    from energy_platform.transfer.reading.registers import RegisterSource

    return RegisterSource(source, estate, now)
