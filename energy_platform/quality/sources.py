"""The checks on sources: the file opens, its first rows can be read, and it is still written."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import cast

from energy_platform.domain.errors import EnergyPlatformError
from energy_platform.domain.quality.outcomes import Outcome
from energy_platform.pickles.inspection import inspect_pickle
from energy_platform.quality.subject import Subject
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import SourceSpec

#: A source of time series that nobody has written for so long is not fed any more.
STALE = timedelta(hours=26)
#: Rows that are read to see that a file can be read.
FIRST_ROWS = 1000
#: Endings of files that hold models.
MODEL_ENDINGS = frozenset({".pkl", ".pickle", ".joblib"})


def check_source(subject: Subject, spec: SourceSpec, *, fed_daily: bool) -> list[Outcome]:
    """Whether a source can be read, and whether it is fresh.

    Args:
        subject: the estate.
        spec: the source.
        fed_daily: it feeds a time series of which something is expected every day while the estate is open.
    """
    return [_readable(spec), _fresh(subject, spec, fed_daily=fed_daily)]


def check_model_folder(subject: Subject) -> list[Outcome]:
    """Whether every model file of the estate can be read statically to its end."""
    folder = subject.estate.models_folder
    if folder is None or not folder.is_dir():
        return [Outcome("readable", passed=False, severity="error", problem="The folder of models does not exist.")]
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in MODEL_ENDINGS)
    broken = [
        {"file": path.relative_to(folder).as_posix(), "problem": problem}
        for path in files
        if (problem := inspect_pickle(path).problem)
    ]
    return [
        Outcome(
            "readable",
            passed=not broken,
            severity="warning",
            checked=len(files),
            unexpected=len(broken),
            samples=broken,
        )
    ]


def _readable(spec: SourceSpec) -> Outcome:
    source = open_source(spec)
    rows = 0
    try:
        columns = source.columns()
        with closing(cast("Generator", source.batches(FIRST_ROWS))) as batches:
            first = next(batches, None)
            rows = 0 if first is None else first.height
    except EnergyPlatformError as error:
        return Outcome("readable", passed=False, severity="error", checked=1, unexpected=1, problem=str(error))
    return Outcome(
        "readable", passed=True, severity="error", checked=1, facts={"columns": len(columns), "first_rows_read": rows}
    )


def _fresh(subject: Subject, spec: SourceSpec, *, fed_daily: bool) -> Outcome:
    try:
        changed = datetime.fromtimestamp(spec.path.stat().st_mtime, UTC)
    except OSError as error:
        return Outcome("fresh", passed=False, checked=1, unexpected=1, problem=error.strerror or "It cannot be found.")
    hours = round((subject.now - changed) / timedelta(hours=1), 1)
    facts = {"changed": changed.isoformat(timespec="seconds"), "hours_ago": hours}
    if subject.estate.last_day is not None:
        return Outcome("fresh", passed=True, checked=1, facts={**facts, "asked_for": "nothing: nothing more comes"})
    if not fed_daily:
        return Outcome("fresh", passed=True, checked=1, facts={**facts, "asked_for": "nothing: it changes as it likes"})
    stale = subject.now - changed > STALE
    return Outcome("fresh", passed=not stale, checked=1, unexpected=int(stale), facts=facts)
