"""What the verbs share: the estate that is meant, its stores started, and the platform over them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from energy_platform.domain.errors import UsageError
from energy_platform.settings import Settings, get_settings

if TYPE_CHECKING:
    from energy_platform.sources.estate import Estate
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.reports.details import Details

Directory = Annotated[
    Path | None, typer.Argument(help="Folder of the estate; without it, the setting ENERGY_ESTATE (data/).")
]
EstateFile = Annotated[
    Path | None, typer.Option("--estate", help="The estate file, where it is not estate.yaml in the folder.")
]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the report as JSON to this file.")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", help="Write the report as one page of HTML, with plots, to this file.")
]


def settings_for(directory: Path | None, estate_file: Path | None) -> Settings:
    """The settings, with the estate that the command line names."""
    settings = get_settings()
    if directory is not None:
        settings = settings.model_copy(update={"estate": directory, "estate_file": None})
    if estate_file is not None:
        settings = settings.model_copy(update={"estate_file": estate_file})
    kept = kept_estate_file(settings)
    if settings.estate_file is None and kept.exists() and not (settings.estate / "estate.yaml").exists():
        settings = settings.model_copy(update={"estate_file": kept})
    return settings


def kept_estate_file(settings: Settings) -> Path:
    """Where the proposed estate file of a folder stands that cannot be written, e.g. on a read-only medium."""
    folder = settings.estate.absolute()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    return settings.home.absolute() / "estates" / f"{folder.name}-{digest}.yaml"


def check_report_file(path: Path | None) -> None:
    """A report that cannot be written is noticed before the work, not after it."""
    if path is None:
        return
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise UsageError(
            "The report cannot be written there.", where=str(path), remedy="Name a file in a folder of yours."
        )


def write_reports(facts: Mapping[str, Any], report: Path | None, html: Path | None, details: Details | None) -> None:
    """Write the facts of a run to the files that were asked for: JSON, and a page of HTML with these details."""
    if report is not None:
        report.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if html is not None and details is not None:
        from energy_platform.transfer.reports.page import page_of

        html.write_text(page_of(facts, details), encoding="utf-8")


def started(settings: Settings, say: Callable[[str], None] = print) -> tuple[Settings, Estate]:
    """The estate, checked before anything is started, and the settings with the stores' addresses filled in.

    A source that is gone as a whole passes where the ledger knows it: it is retired, and its last figures stand.
    """
    from energy_platform.local.stores import start_stores
    from energy_platform.sources.estate import check_estate, read_estate

    estate = read_estate(settings.estate, settings.estate_file)
    gone = {spec.name for spec in estate.sources if not spec.path.exists()}
    if not gone:
        check_estate(estate)
        return start_stores(settings, say=say), estate
    from energy_platform.stores.postgres import ledger
    from energy_platform.stores.postgres.connection import PostgresStore
    from energy_platform.transfer.reports.verdicts import total_accounts

    settings = start_stores(settings, say=say)
    with PostgresStore(settings.postgres_url).connection() as connection:
        gone &= total_accounts(ledger.read(connection, estate.code)).keys()
    check_estate(replace(estate, sources=tuple(spec for spec in estate.sources if spec.name not in gone)))
    return settings, estate


@contextmanager
def opened(directory: Path | None, estate_file: Path | None) -> Iterator[Platform]:
    """The platform over the estate's stores; local ones are started where they are not running."""
    from energy_platform.transfer.context import open_platform

    settings, estate = started(settings_for(directory, estate_file))
    with open_platform(settings, estate) as platform:
        yield platform
