"""Refused rows as a CSV file that opens in a spreadsheet, for mending and taking back."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from energy_platform.domain import spreadsheets
from energy_platform.domain.contracts import REASONS
from energy_platform.domain.errors import EnergyPlatformError, UsageError
from energy_platform.domain.spreadsheets import guarded, header_of
from energy_platform.sources.mended import content_identity
from energy_platform.sources.opening import open_source
from energy_platform.sources.spec import Estate

#: By which spreadsheets tell that a file is UTF-8.
_BYTE_ORDER_MARK = "\ufeff"


def write_export(file: Path, estate: Estate, rows: pl.DataFrame, *, overwrite: bool = False) -> None:
    """Write refused rows: which row it is and why it was refused, then the columns of its source as they came.

    Nobody but its owner may read the file: what people are to mend may be personal.

    Args:
        file: to be written.
        estate: whose rows they are.
        rows: as `listing.refused_rows` gives them.
        overwrite: a file that is there already.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL)
    try:
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8", newline="") as stream:
            stream.write(_BYTE_ORDER_MARK)
            stream.write(as_csv(estate, rows))
    except FileExistsError:
        raise UsageError(
            "The file is there already, and somebody may have mended it.",
            where=str(file),
            remedy="Name another file, or allow it with --overwrite.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"The file cannot be written: {error.strerror}.",
            where=str(file),
            remedy="Name a file in a folder of yours.",
        ) from None


def as_csv(estate: Estate, rows: pl.DataFrame) -> str:
    """The same as text, a header and a line per row."""
    contents = [json.loads(raw) for raw in rows.get_column("raw")]
    columns = list(_columns(estate, rows.get_column("source").unique().to_list(), contents))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*spreadsheets.COLUMNS, *map(header_of, columns)])
    for row, content in zip(rows.iter_rows(named=True), contents, strict=True):
        explanation = REASONS.get(row["reason"], "")
        if row["detail"]:
            explanation = f"{explanation} {row['detail']}".strip()
        about = {
            spreadsheets.SOURCE: guarded(row["source"]),
            spreadsheets.ROW: guarded(row["row_key"]),
            spreadsheets.PARTITION: row["partition"],
            spreadsheets.REASON: row["reason"],
            spreadsheets.EXPLANATION: guarded(explanation),
            spreadsheets.FIRST_SEEN: row["first_seen"].isoformat(timespec="seconds"),
            spreadsheets.IDENTITY: content_identity(content),
        }
        cells = [guarded(str(content[name])) if content.get(name) is not None else "" for name in columns]
        writer.writerow([*(about[name] for name in spreadsheets.COLUMNS), *cells])
    return text.getvalue()


def _columns(estate: Estate, sources: list[str], contents: list[dict[str, str | None]]) -> Iterator[str]:
    """The columns of these sources, each once, in the order of their files."""
    names: list[str] = []
    for spec in estate.sources:
        if spec.name in sources:
            try:
                names += open_source(spec).columns()
            except EnergyPlatformError:
                # the file is gone: the rows still say what they held
                continue
    names += sorted({name for content in contents for name in content})
    held = {name for content in contents for name in content}
    yield from dict.fromkeys(name for name in names if name in held)
