"""The PKL folder: files are read statically, never unpickled, and copied by content into the object store."""

from __future__ import annotations

import json
import time
from pathlib import Path

import polars as pl

from energy_platform.domain.accounts import WHOLE
from energy_platform.domain.errors import SourceMissingError
from energy_platform.domain.summaries import Summary
from energy_platform.domain.tables import MODELS
from energy_platform.failpoints import failpoint
from energy_platform.pickles.inspection import inspect_pickle
from energy_platform.sources.estate import Estate
from energy_platform.stores.postgres import ledger
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.transfer.context import Platform
from energy_platform.transfer.reports.verdicts import LoadReport, facts_of, verdict_of

ARTIFACTS = "models/artifacts"


def model_files(estate: Estate) -> list[Path]:
    """The PKL files of the estate's models folder, by name."""
    folder = estate.models_folder
    if folder is None:
        return []
    if not folder.is_dir():
        raise SourceMissingError(
            "The models folder does not exist.", where=str(folder), remedy="Correct `models:` in the estate file."
        )
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in {".pkl", ".pickle", ".joblib"}
    )


def model_rows(estate: Estate) -> pl.DataFrame:
    """One row of the table `models` per file, found statically."""
    folder = estate.models_folder
    found = []
    for path in model_files(estate):
        inspection = inspect_pickle(path)
        assert folder is not None
        found.append(
            {
                "tenant_id": estate.tenant_code,
                "name": path.relative_to(folder).with_suffix("").as_posix(),
                "file_name": path.relative_to(folder).as_posix(),
                "size_bytes": inspection.size_bytes,
                "sha256": inspection.sha256,
                "format": inspection.format,
                "framework": inspection.framework,
                "class_name": inspection.class_name,
                "library_version": inspection.library_version,
                "problem": inspection.problem,
                "references": json.dumps(sorted(inspection.globals), ensure_ascii=False, separators=(",", ":")),
                "attributes": None,
            }
        )
    return pl.DataFrame(found, schema=MODELS.schema())


def load_models(platform: Platform, run_id: str = "") -> LoadReport:
    """Copy every model file into the object store, and prove each copy by its hash."""
    started = time.monotonic()
    estate = platform.estate
    reasons: list[str] = []
    models = model_rows(estate)
    for path, sha256 in zip(model_files(estate), models.get_column("sha256"), strict=True):
        key = platform.objects.put_file(path)
        if sha256 not in key or not platform.objects.verify(key):
            reasons.append(f"{path.name} is not stored as it is")
    summary = Summary.of(models, MODELS.columns)
    entry = LedgerEntry(
        estate=estate.code,
        asset=ARTIFACTS,
        partition=WHOLE,
        proven=not reasons,
        open=False,
        reason="; ".join(reasons),
        rows=models.height,
        fingerprint=summary.fingerprint_text,
        facts=facts_of(summary, {}, {}, {}),
        run_id=run_id,
        seconds=time.monotonic() - started,
        recorded_at=None,
    )
    failpoint("data_before_ledger")
    with platform.postgres.connection() as connection:
        ledger.record(connection, [entry])
    return LoadReport(ARTIFACTS, verdicts=[verdict_of(entry)], seconds=entry.seconds, rows_written=models.height)
