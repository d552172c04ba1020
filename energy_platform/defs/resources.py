"""What assets are given: the stores of the estate, opened when first needed, and the limits of a load."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, PrivateAttr

from energy_platform.settings import get_settings
from energy_platform.sources.estate import read_estate

if TYPE_CHECKING:
    from energy_platform.transfer.context import Platform
    from energy_platform.transfer.options import LoadOptions


class PlatformResource(dg.ConfigurableResource):
    """The estate and its stores, opened when a run first asks for them and closed with the run.

    No address and no password is part of it: those come from the settings, in the process that runs.
    """

    estate: str = Field(description="Folder of the estate.")
    estate_file: str = Field(default="", description="The estate file, where it is not estate.yaml in the folder.")

    _stack: ExitStack = PrivateAttr(default_factory=ExitStack)
    _platform: Platform | None = PrivateAttr(default=None)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the stores."""
        self._platform = None
        self._stack.close()

    def opened(self) -> Platform:
        """The estate with its open stores.

        Raises:
            StoreUnavailableError: the stores were never started, or one does not answer.
            StoreAccessError: one refuses the password.
        """
        if self._platform is None:
            from energy_platform.local.stores import resolve_settings
            from energy_platform.transfer.context import open_platform

            folder, file = Path(self.estate), Path(self.estate_file) if self.estate_file else None
            settings = resolve_settings(get_settings().model_copy(update={"estate": folder, "estate_file": file}))
            self._platform = self._stack.enter_context(open_platform(settings, read_estate(folder, file)))
        return self._platform


class LoadLimits(dg.ConfigurableResource):
    """How a run loads; shown in the launchpad, once for all assets of the run."""

    max_error_ratio: float = Field(
        default=0.01, ge=0.0, le=1.0, description="Share of refused rows of one source above which the run stops."
    )
    max_series: int = Field(
        default=1_000_000,
        ge=1,
        description="Series of one measurement in the store above which its load stops, before its first write.",
    )
    force: bool = Field(default=False, description="Load again what is proven already.")

    def options(self) -> LoadOptions:
        """The same, as transfer knows it; rows are announced to all who listen in this process."""
        from energy_platform.transfer.options import LoadOptions
        from energy_platform.transfer.progress import announce

        return LoadOptions(
            max_error_ratio=self.max_error_ratio, max_series=self.max_series, force=self.force, progress=announce
        )
