"""The checks on what is derived and copied: keys in Redis, and files in the object store."""

from __future__ import annotations

from energy_platform.domain.quality.outcomes import SHOWN, Outcome
from energy_platform.domain.tables import MODELS
from energy_platform.quality.subject import Subject
from energy_platform.stores.cache import keys
from energy_platform.stores.objects.interface import key_of
from energy_platform.stores.postgres.rows import read_rows

PREFIXES = {"redis/latest": keys.LATEST, "redis/notifications": keys.NOTIFICATIONS}
#: What a key holds: by sensor, or newest first.
KINDS: dict[str, type] = {"redis/latest": dict, "redis/notifications": list}


def check_cache(subject: Subject, asset: str) -> list[Outcome]:
    """Whether every key has a time to live, and holds JSON of the kind that readers expect."""
    present = [key for key, _, _ in subject.cache.scan(PREFIXES[asset], subject.tenants)]
    # a key that has expired meanwhile is no fault
    entries = [entry for entry in subject.cache.read_many(present) if entry.value is not None or entry.problem]
    broken = [
        {"key": entry.key, "problem": entry.problem or "It holds JSON of another kind."}
        for entry in entries
        if not isinstance(entry.value, KINDS[asset])
    ]
    endless = [{"key": entry.key} for entry in entries if entry.value is not None and entry.ttl_seconds is None]
    return [
        Outcome("decodes", not broken, "error", len(entries), len(broken), broken[:SHOWN]),
        Outcome("time_to_live", not endless, "error", len(entries), len(endless), endless[:SHOWN]),
    ]


def check_model_artifacts(subject: Subject) -> list[Outcome]:
    """Whether every model of the register lies in the object store with the content that its hash promises."""
    with subject.postgres.connection() as connection:
        models = read_rows(connection, MODELS, subject.tenants)
    changed = [
        {"name": name, "sha256": sha256}
        for name, sha256 in models.select("name", "sha256").iter_rows()
        if not subject.objects.verify(key_of(sha256))
    ]
    return [Outcome("hash_matches", not changed, "error", models.height, len(changed), changed[:SHOWN])]
