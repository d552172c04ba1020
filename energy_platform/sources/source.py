"""What every reader can do, whatever kind of file it reads."""

from __future__ import annotations

import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from energy_platform.domain.errors import EstateError, SourceError, SourceMissingError
from energy_platform.sources.naming import listed, suggestion
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN, SourceSpec
from energy_platform.sources.stretches import Stretch, are_within

if TYPE_CHECKING:
    import polars as pl

_HASH_BYTES = 1 << 20
DEFAULT_BATCH_ROWS = 50_000


class Source(ABC):
    """One source of an estate, opened for reading only.

    Attributes:
        spec: what the estate file says about it.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.spec = spec

    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order, without those that readers add. Raises SourceError."""

    @abstractmethod
    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows, in frames of at most `batch_rows`; memory does not grow with the file.

        Columns are String, Int64, Float64 or Boolean, and may differ in type between frames. Two are added: `@order`
        (Int64), which of two rows came first: the key where it is a whole number in all rows (SQLite: where it is the
        INTEGER PRIMARY KEY), else the row's number in the file, the first row of data being 1 (SQLite: its rowid where
        there is no key); and `@key` (String), what people know the row by: the text of the key column, and null where
        that is merely the text of `@order`, or where there is none.

        Raises:
            SourceError: the file cannot be read; rows before the fault may have been given out already.
        """

    def streams(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, count: int = 1, within: Sequence[Stretch] | None = None
    ) -> list[Iterator[pl.DataFrame]]:
        """The same rows in at most `count` streams, each in its order, that threads may read at the same time.

        Together they hold every row once. Of a file that cannot be read in pieces, each takes the batch that is next.

        Args:
            batch_rows: of one frame, at most.
            count: of the streams.
            within: only rows whose `@order` lies in one of these, which are in order and apart; None for all.

        Raises:
            SourceError: the file cannot be read.
        """
        batches = self.batches(batch_rows) if within is None else self._batches_within(batch_rows, within)
        if count == 1:
            return [batches]
        shared = _Shared(batches, count)
        return [_Turn(shared) for _ in range(count)]

    def _batches_within(self, batch_rows: int, stretches: Sequence[Stretch]) -> Iterator[pl.DataFrame]:
        """The rows of stretches of the order; see `streams`."""
        # with a key, a row far down in the file may come early in the order
        return within_stretches(self.batches(batch_rows), stretches, ascending=self.spec.key is None)

    def parts(self) -> pl.DataFrame | None:
        """What tells without reading rows which of them can have changed; None where nothing does.

        Returns:
            a frame of `last` (Int64) and `hash` (UInt64), sorted by `last`: while a part has the same hash, the same
            rows have an `@order` from one above the `last` of the part before up to its own.

        Raises:
            SourceError: the file cannot be read.
        """
        return None

    def estimated_rows(self) -> int | None:
        """About how many rows there are, for progress; None where that is not known quickly. Raises SourceError."""
        return None

    def row_count(self) -> int | None:
        """How many rows there are, where that is known without reading all of them."""
        return None

    def version(self) -> str:
        """A token that changes when the file was touched: size, time of change and inode. Raises SourceMissingError."""
        status = file_status(self.spec.path, self.spec.name)
        return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"

    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, in hex. Raises SourceMissingError."""
        digest = hashlib.sha256()
        for path in self._files():
            file_status(path, self.spec.name)
            try:
                with path.open("rb") as stream:
                    while chunk := stream.read(_HASH_BYTES):
                        digest.update(chunk)
            except OSError as error:
                raise unreadable(self.spec.name, error) from None
        return digest.hexdigest()

    def _files(self) -> tuple[Path, ...]:
        return (self.spec.path,)

    def _check_columns(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """The same columns, once they are fit to be read and the key is among them."""
        for name in (KEY_COLUMN, ORDER_COLUMN):
            if name in columns:
                raise SourceError(
                    f"A column is called {name!r}, which is reserved.",
                    where=self.spec.name,
                    remedy="Rename it, or put a view over the table.",
                )
        key = self.spec.key
        if key is not None and key not in columns:
            raise EstateError(
                f"There is no column {key!r} in {self.spec.name}.",
                where=f"{self.spec.where}.key",
                remedy=f"{suggestion(key, columns)}Columns are {listed(columns)}.",
            )
        return columns


class _Shared:
    """Frames that several threads take in turn; the error that ends them is met by all."""

    def __init__(self, frames: Iterator[pl.DataFrame], takers: int) -> None:
        self._frames = frames
        self._takers = takers
        self._turn = threading.Lock()
        self._error: BaseException | None = None

    def take(self) -> pl.DataFrame | None:
        with self._turn:
            if self._error is not None:
                raise self._error
            try:
                return next(self._frames, None)
            except BaseException as error:
                self._error = error
                raise

    def leave(self) -> None:
        with self._turn:
            self._takers -= 1
            if not self._takers and isinstance(self._frames, Generator):
                # the file is let go
                self._frames.close()


class _Turn(Iterator["pl.DataFrame"]):
    """One of the streams that share a file; it is closed as generators are."""

    def __init__(self, shared: _Shared) -> None:
        self._shared: _Shared | None = shared

    def __next__(self) -> pl.DataFrame:
        frame = self._shared.take() if self._shared is not None else None
        if frame is None:
            raise StopIteration
        return frame

    def close(self) -> None:
        if self._shared is not None:
            self._shared.leave()
            self._shared = None


def within_stretches(
    batches: Iterator[pl.DataFrame], stretches: Sequence[Stretch], *, ascending: bool
) -> Iterator[pl.DataFrame]:
    """Of frames with `@order` the rows in stretches of it; where it ascends, what lies behind them is not read."""
    with closing(batches) as read:  # pyright: ignore[reportArgumentType]  readers are generators
        for batch in read:
            order = batch.get_column(ORDER_COLUMN)
            if not stretches or (ascending and batch.height and order[0] > stretches[-1][1]):
                return
            yield batch.filter(are_within(order, stretches))


def file_status(path: Path, name: str) -> os.stat_result:
    """The status of a source's file. Raises SourceMissingError, or SourceError where it is no regular file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceMissingError(
            f"There is no file {path}.",
            where=name,
            remedy="Put the file there, or take the source out of the estate file.",
        ) from None
    except OSError as error:
        raise unreadable(name, error) from None
    if not path.is_file():
        raise SourceError("This is no regular file.", where=name, remedy="Name a file in the estate file.")
    return status


def unreadable(name: str, error: OSError) -> SourceError:
    """The error for a file that the operating system does not let us read."""
    return SourceError(
        f"The file cannot be read: {error.strerror or error}.",
        where=name,
        remedy="Make the file readable for this user.",
    )


def changed(name: str) -> SourceError:
    """The error for a file that somebody wrote while it was read."""
    return SourceError(
        "The file was written while it was read.", where=name, remedy="Run again when nobody writes to it."
    )


def empty_file(name: str) -> SourceError:
    """The error for a file of 0 bytes."""
    return SourceError(
        "The file is empty (0 bytes).",
        where=name,
        remedy="Export it again, or ignore it in the estate file with a reason.",
    )
