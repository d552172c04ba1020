"""The books of a sample: the account that every source must have, and every planted flaw with its outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from energy_platform.domain.accounts import UNDATED, Account
from energy_platform.sample.flaws import FlawKind
from energy_platform.sample.options import SampleOptions


class Manifest:
    """Counts what is written; `write` says it as JSON."""

    def __init__(self, options: SampleOptions) -> None:
        self.options = options
        self.accounts: dict[str, Account] = {}
        self.flaws: list[dict[str, Any]] = []

    def count(self, source: str, rows: int) -> None:
        """So many good rows of a source."""
        self.accounts[source] = self.accounts.get(source, Account()) + Account(read=rows, loaded=rows)

    def enter(
        self, source: str, rows: int, flaws: Sequence[tuple[int, FlawKind]], *, day: date, first: int, by_key: bool
    ) -> None:
        """Rows of one day with flaws among them.

        Args:
            source: as reports name it.
            rows: all of them.
            flaws: index among the rows and kind.
            day: local day of the rows.
            first: key, or line in the file, of the first of the rows.
            by_key: whether `first` is a key; else a line, the first line of the file being 1.
        """
        file = source.partition("/")[0]
        loaded, duplicates, undated = rows, 0, 0
        reasons: dict[str, int] = {}
        for index, kind in flaws:
            loaded -= kind.outcome != "loaded"
            duplicates += kind.outcome == "duplicate"
            undated += kind.undated
            if kind.reason:
                reasons[kind.reason] = reasons.get(kind.reason, 0) + 1
            self.flaws.append(
                {
                    "source": source,
                    "file": file,
                    "key": str(first + index) if by_key else None,
                    "line": None if by_key else first + index,
                    "day": UNDATED if kind.undated else day.isoformat(),
                    "flaw": kind.name,
                    "outcome": kind.outcome,
                }
            )
        self.accounts[source] = self.accounts.get(source, Account()) + Account(
            rows, loaded, duplicates, sum(reasons.values()), undated, reasons
        )

    def write(self, path: Path) -> None:
        """Writes the manifest as JSON, one flaw a line."""
        options = self.options
        head = {
            "estate": options.estate,
            "tenant": options.tenant,
            "timezone": options.timezone,
            "first_day": options.start.isoformat(),
            "last_day": options.end.isoformat(),
            "buildings": options.buildings,
            "days": options.days,
            "seed": options.seed,
            "interval_minutes": options.interval_minutes,
        }
        accounts = {source: self.accounts[source].as_facts() for source in sorted(self.accounts)}
        body = json.dumps({**head, "sources": accounts}, ensure_ascii=False, indent=2)
        flaws = sorted(self.flaws, key=lambda flaw: (flaw["source"], int(flaw["key"] or flaw["line"])))
        lines = ",\n    ".join(json.dumps(flaw, ensure_ascii=False) for flaw in flaws)
        listed = f"[\n    {lines}\n  ]" if flaws else "[]"
        path.write_text(f'{body[:-2]},\n  "flaws": {listed}\n}}\n', encoding="utf-8")
