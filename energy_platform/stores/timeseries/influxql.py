"""InfluxQL's quoting: names and texts of any content stay names and texts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name(text: str) -> str:
    """A measurement, tag or field by its name."""
    return '"' + _escaped(text).replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """A text as a value. It must hold neither a carriage return nor the character 0: the server's parser drops them."""
    return "'" + _escaped(text).replace("'", "\\'") + "'"


def tag(text: str) -> str:
    """A tag by its name, and no field of that name: somebody else's field `tenant_id` would take the tag's place."""
    return f"{name(text)}::tag"


def instant(time: datetime) -> str:
    """A time (with a zone) as a value, in microseconds since 1970."""
    return f"{(time - _EPOCH) // timedelta(microseconds=1)}u"


def condition(tenants: Sequence[str], start: datetime | None, stop: datetime | None) -> str:
    """What a WHERE asks for: these tenants, from start (included) to stop (not included)."""
    parts = ["(" + " OR ".join(f"{tag('tenant_id')} = {literal(tenant)}" for tenant in tenants) + ")"]
    if start is not None:
        parts.append(f"time >= {instant(start)}")
    if stop is not None:
        parts.append(f"time < {instant(stop)}")
    return " AND ".join(parts)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
