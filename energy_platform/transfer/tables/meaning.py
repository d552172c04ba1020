"""What the rows of a table's sources mean, beside what the files hold: a table is judged anew where that changes."""

from __future__ import annotations

import hashlib
from datetime import datetime

from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate
from energy_platform.transfer.reading.mapping import MappingRules
from energy_platform.transfer.scanning.digests import meaning_of
from energy_platform.transfer.tables.derived import DERIVED_TABLES


def table_meaning(estate: Estate, name: str, now: datetime) -> str:
    """Changes with what the estate file says about a table; of one that follows from the data, with all of that file.

    Args:
        estate: whose sources.
        name: of the table.
        now: aware; what lies after it is refused.

    Returns:
        32 hexadecimal digits.
    """
    rules = MappingRules(estate, TABLES[name], now)
    parts: list[object] = [estate.tenant_code, [(s.name, meaning_of(s, rules)) for s in estate.sources_of(name)]]
    if name in DERIVED_TABLES:
        # they speak of all sources, of which there may be thousands
        parts.append(estate.file.read_bytes())
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
