"""What the verbs share: the estate that is meant, its stores started, and the platform over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from energy_platform.settings import Settings, get_settings

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform

Directory = Annotated[
    Path | None, typer.Argument(help="Folder of the estate; without it, the setting ENERGY_ESTATE (data/).")
]
EstateFile = Annotated[
    Path | None, typer.Option("--estate", help="The estate file, where it is not estate.yaml in the folder.")
]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the report as JSON to this file.")]


def settings_for(directory: Path | None, estate_file: Path | None) -> Settings:
    """The settings, with the estate that the command line names."""
    settings = get_settings()
    if directory is not None:
        settings = settings.model_copy(update={"estate": directory, "estate_file": None})
    if estate_file is not None:
        settings = settings.model_copy(update={"estate_file": estate_file})
    return settings


@contextmanager
def opened(directory: Path | None, estate_file: Path | None) -> Iterator[Platform]:
    """The platform over the estate's stores; local ones are started where they are not running."""
    from energy_platform.local.stores import start_stores
    from energy_platform.sources.estate import check_estate, read_estate
    from energy_platform.transfer.context import open_platform

    settings = settings_for(directory, estate_file)
    estate = read_estate(settings.estate, settings.estate_file)
    check_estate(estate)
    with open_platform(start_stores(settings), estate) as platform:
        yield platform
