"""The one error tree. Each error is built from facts and says what is wrong, where, and what to do."""

from __future__ import annotations


def is_distrust(error: BaseException) -> bool:
    """Whether an error comes of a certificate that is not trusted, however deep it lies: asking again does not help."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if type(cause).__name__ == "SSLCertVerificationError" or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False


class EnergyPlatformError(Exception):
    """Base of every error that a user is meant to read.

    Args:
        what: what is wrong, as one sentence.
        where: the file, table, row, key, column or setting it concerns; empty where there is none.
        remedy: what to do about it, as one sentence.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what} {self.remedy}".strip()


class UsageError(EnergyPlatformError):
    """The command, a setting or the estate file is wrong: nothing was tried."""

    exit_code = 2


class EstateError(UsageError):
    """estate.yaml is missing, malformed, or does not account for a file, table or column."""


class SettingError(UsageError):
    """A setting (ENERGY_…) is missing or malformed."""


class SourceError(EnergyPlatformError):
    """A source cannot be read: missing, corrupt, locked, empty, ragged, or in an unknown encoding."""


class SourceMissingError(SourceError):
    """A source file named by the estate does not exist."""


class StoreError(EnergyPlatformError):
    """A store refused an operation."""


class StoreUnavailableError(StoreError):
    """A store does not answer."""


class StoreAccessError(StoreError):
    """A store refuses the user, the password or the token."""


class FieldTypeConflictError(StoreError):
    """A field already has another type in the store: one type per field, for ever."""


class RetentionError(StoreError):
    """The store would drop the points by age as soon as they are written."""


class OwnershipError(EnergyPlatformError):
    """Another estate already accounts for these points or rows."""


class ErrorRatioExceededError(EnergyPlatformError):
    """More rows of a source were refused than --max-error-ratio allows."""


class TooManySeriesError(EnergyPlatformError):
    """A load would bring more series into the store than --max-series allows."""


class ProofError(EnergyPlatformError):
    """What the target gives back is not what the sources hold."""
