"""How a load is to be done, and the limits beyond which it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from energy_platform.domain.accounts import Account
from energy_platform.domain.errors import ErrorRatioExceededError
from energy_platform.sources.estate import SourceSpec
from energy_platform.transfer.progress import Progress

#: Told what happens, a line at a time.
Log = Callable[[str], None]

#: A single day is withheld where more than this share of its rows, and at least so many, were refused.
WITHHELD_RATIO, WITHHELD_ROWS = 0.20, 10
DEFAULT_MAX_ERROR_RATIO = 0.01
DEFAULT_MAX_SERIES = 1_000_000


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a load is to be done.

    Attributes:
        max_error_ratio: of a source over the run; above it the run stops before its first write.
        max_series: of a measurement in the store; a load that would pass it stops before its first write.
        force: load and prove again what is proven already.
        progress: told of rows as they are read, written and proven.
    """

    max_error_ratio: float = DEFAULT_MAX_ERROR_RATIO
    max_series: int = DEFAULT_MAX_SERIES
    force: bool = False
    progress: Progress | None = None


DEFAULT_OPTIONS = LoadOptions()


def silent(_message: str) -> None:
    """A log that nobody reads."""


def is_withheld(account: Account) -> bool:
    """Whether so many rows were refused that nothing of this day, or table, may be written."""
    return account.quarantined >= WITHHELD_ROWS and account.quarantined > WITHHELD_RATIO * account.read


def not_loaded(account: Account) -> Account:
    """The same account where nothing of it was written: its accepted rows are withheld."""
    if not account.loaded:
        return account
    reasons = {**account.reasons, "withheld": account.loaded}
    quarantined = account.quarantined + account.loaded
    return Account(account.read, 0, account.duplicates, quarantined, account.undated, reasons)


def too_many_refused(spec: SourceSpec, account: Account, ratio: float) -> ErrorRatioExceededError:
    """The error of a source of which more rows were refused than allowed."""
    return ErrorRatioExceededError(
        f"{account.quarantined} of {account.read} rows were refused ({reasons_of(account)}), "
        f"which is more than --max-error-ratio {ratio:g} allows; nothing of it was loaded.",
        where=spec.name,
        remedy="Look at them with `energy-platform quarantine list`; mend the source, or allow a higher ratio.",
    )


def reasons_of(account: Account) -> str:
    """The reasons of an account and how often each was given, readable."""
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(account.reasons.items()))
