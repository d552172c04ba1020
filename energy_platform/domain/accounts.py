"""Accounts: read = loaded + duplicates + quarantined, for every source and partition, in every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Partition of rows that fall on no day, and of tables, which have no days.
UNDATED = "undated"
WHOLE = "all"


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of one source in one partition.

    Attributes:
        read: rows that the source gave.
        loaded: rows that stand in the target.
        duplicates: rows whose identity and content an earlier row already has.
        quarantined: rows that were refused, those that fall on no day included.
        undated: of the quarantined, those that fall on no day.
        reasons: the quarantined by reason code.
    """

    read: int = 0
    loaded: int = 0
    duplicates: int = 0
    quarantined: int = 0
    undated: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Account) -> Account:
        """Both accounts together."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return Account(
            self.read + other.read,
            self.loaded + other.loaded,
            self.duplicates + other.duplicates,
            self.quarantined + other.quarantined,
            self.undated + other.undated,
            reasons,
        )

    @property
    def balanced(self) -> bool:
        """Whether every row read is accounted for."""
        return (
            self.read == self.loaded + self.duplicates + self.quarantined
            and self.quarantined == sum(self.reasons.values())
            and self.undated <= self.quarantined
        )

    def as_facts(self) -> dict[str, Any]:
        """As JSON, for the ledger and for reports."""
        return {
            "read": self.read,
            "loaded": self.loaded,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "undated": self.undated,
            "reasons": dict(sorted(self.reasons.items())),
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Account:
        """The account that `as_facts` wrote; facts beyond it are passed over."""
        return cls(
            facts["read"],
            facts["loaded"],
            facts["duplicates"],
            facts["quarantined"],
            facts["undated"],
            dict(facts["reasons"]),
        )
