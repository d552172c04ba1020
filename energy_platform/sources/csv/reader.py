"""Reads a CSV file as a stream: every value is its exact text, and a row that is not like the header is an error."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv as arrow_csv

from energy_platform.domain.errors import SourceError
from energy_platform.sources.csv.comments import without_comments
from energy_platform.sources.csv.header import Header, first_width, read_header, start_of_table
from energy_platform.sources.csv.sections import Section, covering, frame_of, sections_of
from energy_platform.sources.source import DEFAULT_BATCH_ROWS, Source, changed, file_status, within_stretches
from energy_platform.sources.spec import KEY_COLUMN, ORDER_COLUMN
from energy_platform.sources.stretches import Stretch
from energy_platform.sources.text import Utf8Stream, detect_encoding, read_beginning

# small enough that what allocators keep of past blocks does not add up
_BLOCK_BYTES = 1 << 20
_ROW_BYTES = 4 << 20
_HEADER_BYTES = 1 << 20
# A row of our own behind the last one: where it does not come back, an open quote has swallowed it.
_END = "\x1a end of file \x1a"
_INTEGER = r"^[+-]?[0-9]{1,18}$"
# the text that follows from the number; not `007` or `+7`
_PLAIN_INTEGER = r"^(?:0|-?[1-9][0-9]{0,17})$"


class _LongRowError(Exception):
    """A row does not fit into a block."""


class _Key(Enum):
    """What the keys of a file are: a text somewhere, or whole numbers, some perhaps spelled in ways of their own."""

    TEXT = auto()
    NUMBER = auto()
    SPELLED_NUMBER = auto()


# finding out takes a pass over the file: once is enough, as long as nobody touches it
_KEYS: dict[tuple[Path, str, str, Header, str], _Key] = {}
_MOST_KEYS = 1 << 16
#: How many of the unnamed columns at the end of a file hold nothing; known in the same way.
_EMPTY_ENDS: dict[tuple[Path, str, str, Header], int] = {}
#: The sections of a file that is plain, in the version that was seen last.
_SECTIONS: dict[tuple[Path, str, Header], tuple[str, list[Section] | None]] = {}


def forget_files() -> None:
    """Forget what is known of files by their versions: the next look reads them again."""
    for known in (_KEYS, _EMPTY_ENDS, _SECTIONS):
        known.clear()


class CsvSource(Source):
    """A CSV file. All columns are String; an empty value is null, a quoted empty one is the empty text."""

    #: How much of the file is parsed at once.
    block_bytes = _BLOCK_BYTES
    #: A single row cannot be longer.
    row_bytes = _ROW_BYTES

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, as the header has them; an unnamed one is the empty text.

        One that stands there twice has a number behind its name the second time. Unnamed columns at the end that hold
        nothing in any row are the work of separators, and are none.
        """
        encoding, header = self._open()
        return self._check_columns(self._held(encoding, header))

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows; see `Source.batches`."""
        encoding, header = self._open()
        columns = self._check_columns(self._held(encoding, header))
        key = self._key(encoding, header)
        yield from self._numbered(_regrouped(self._frames(encoding, header, columns), batch_rows), 0, key)

    def parts(self) -> pl.DataFrame | None:
        """The sections of a plain file without a key; see `Source.parts`."""
        encoding, header = self._open()
        sections = self._sections(encoding, header)
        # the same bytes are other rows below another header
        token = hashlib.sha256(repr((encoding, header)).encode()).digest()[:8]
        return None if sections is None else frame_of(sections, int.from_bytes(token, "big"))

    def _batches_within(self, batch_rows: int, stretches: Sequence[Stretch]) -> Iterator[pl.DataFrame]:
        encoding, header = self._open()
        sections = self._sections(encoding, header)
        if sections is None:
            yield from super()._batches_within(batch_rows, stretches)
            return
        columns = self._check_columns(self._held(encoding, header))
        for section in covering(sections, stretches):
            frames = _regrouped(self._frames(encoding, header, columns, section), batch_rows)
            numbered = self._numbered(frames, section.rows_before, _Key.TEXT)
            yield from within_stretches(numbered, stretches, ascending=True)

    def estimated_rows(self) -> int | None:
        """The size of the file by the mean length of the lines in its first MiB."""
        size = file_status(self.spec.path, self.spec.name).st_size
        head, taken = read_beginning(self.spec.path, self.spec.name, _HEADER_BYTES)
        lines = head.count(b"\n") or head.count(b"\r")
        if taken == size and len(head) < _HEADER_BYTES:
            # the header, and a last line that does not end
            others = self.spec.layout.header + self.spec.layout.units_row + self.spec.layout.skip_rows
            return max(0, lines - others + (not head.endswith((b"\n", b"\r"))))
        return round(size * lines / taken) if lines else None

    def _numbered(self, frames: Iterator[pl.DataFrame], rows_before: int, kind: _Key) -> Iterator[pl.DataFrame]:
        for frame in frames:
            yield self._identified(frame, rows_before, kind)
            rows_before += frame.height

    def _identified(self, frame: pl.DataFrame, rows_before: int, kind: _Key) -> pl.DataFrame:
        order = pl.int_range(rows_before + 1, rows_before + frame.height + 1, dtype=pl.Int64, eager=True)
        key = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
        if self.spec.key is not None:
            # no pl.col: names such as `*` and `^a$` are patterns there
            given = frame.get_column(self.spec.key)
            order = order if kind is _Key.TEXT else given.cast(pl.Int64)
            key = key if kind is _Key.NUMBER else given
        return frame.with_columns(key.alias(KEY_COLUMN), order.alias(ORDER_COLUMN))

    def _key(self, encoding: str, header: Header) -> _Key:
        """What the keys of all rows are: where they are whole numbers, they say which row came first."""
        key = self.spec.key
        if key is None:
            return _Key.TEXT
        place = (self.spec.path, self.version(), encoding, header, key)
        if place not in _KEYS:
            if len(_KEYS) >= _MOST_KEYS:
                _KEYS.clear()
            _KEYS[place] = self._read_key(encoding, header, key)
        return _KEYS[place]

    def _read_key(self, encoding: str, header: Header, key: str) -> _Key:
        kind = _Key.NUMBER
        for frame in self._frames(encoding, header, (key,)):
            values = frame.get_column(key)
            if not values.str.contains(_PLAIN_INTEGER).fill_null(value=False).all():
                if not values.str.contains(_INTEGER).fill_null(value=False).all():
                    return _Key.TEXT
                kind = _Key.SPELLED_NUMBER
        return kind

    def _sections(self, encoding: str, header: Header) -> list[Section] | None:
        """The sections of a file whose rows are in the order of their numbers; None where it is not plain."""
        if self.spec.key is not None or self.spec.layout.comment:
            return None
        place, version = (self.spec.path, encoding, header), self.version()
        if _SECTIONS.get(place, ("",))[0] != version:
            if len(_SECTIONS) >= _MOST_KEYS:
                _SECTIONS.clear()
            with Utf8Stream(self.spec.path, self.spec.name, encoding, skip=header.length) as stream:
                _SECTIONS[place] = (version, sections_of(stream, header.separator))
        return _SECTIONS[place][1]

    def _open(self) -> tuple[str, Header]:
        spec = self.spec
        encoding = detect_encoding(spec.path, spec.name, spec.encoding)
        with Utf8Stream(spec.path, spec.name, encoding) as stream:
            head = stream.read(_HEADER_BYTES)
            whole = not stream.read(1)
        layout = spec.layout
        text = head.decode("utf-8", "ignore") + ("\n" if whole else "")
        start = start_of_table(text, layout)
        if start is None:
            raise SourceError(
                f"The file has no {layout.skip_rows} lines that could be skipped.",
                where=spec.name,
                remedy="Say with `skip_rows:` how many lines stand before the header.",
            )
        if start >= len(text.rstrip("\r\n")):
            what = "blank lines" if not layout.comment and not layout.skip_rows else "lines that are no data"
            raise SourceError(
                f"The file holds nothing but {what}.",
                where=spec.name,
                remedy="Export it again, with a header, or ignore it in the estate file with a reason.",
            )
        header = read_header(text, spec.separator, layout, start)
        if header is None:
            raise SourceError(
                "The header does not end: a quote in it is not closed.",
                where=spec.name,
                remedy="Close the quote in the first line.",
            )
        if not layout.header and (width := first_width(text, header)) not in {None, len(header.names)}:
            raise SourceError(
                f"Row 1 has {width} columns where `columns:` names {len(layout.columns)}.",
                where=spec.name,
                remedy="Name every column of the file in its order; say `separator:` where it is another one.",
            )
        length = len(text[: header.length].encode())
        return encoding, replace(header, length=length)

    def _held(self, encoding: str, header: Header) -> tuple[str, ...]:
        """The names of the columns without unnamed ones at the end that hold nothing."""
        known = {*self.spec.columns_used(), *self.spec.ignored}
        doubtful = [name for name in header.names[len(header.names) - header.unnamed :] if name not in known]
        if not doubtful:
            return header.names
        place = (self.spec.path, self.version(), encoding, header)
        if place not in _EMPTY_ENDS:
            if len(_EMPTY_ENDS) >= _MOST_KEYS:
                _EMPTY_ENDS.clear()
            _EMPTY_ENDS[place] = self._read_empty_end(encoding, header, doubtful)
        return header.names[: len(header.names) - _EMPTY_ENDS[place]]

    def _read_empty_end(self, encoding: str, header: Header, doubtful: list[str]) -> int:
        filled: set[str] = set()
        for frame in self._frames(encoding, header, tuple(doubtful)):
            filled |= {column.name for column in frame if not (column.is_null() | (column == "")).all()}
        empty = 0
        for name in reversed(header.names):
            if name not in doubtful or name in filled:
                break
            empty += 1
        return empty

    def _frames(
        self, encoding: str, header: Header, wanted: tuple[str, ...], section: Section | None = None
    ) -> Iterator[pl.DataFrame]:
        """Blocks of rows with the wanted columns, as String; of the whole file or a section of it."""
        version = self.version()
        given = 0
        try:
            for frame in self._blocks(encoding, header, wanted, self.block_bytes, version, section):
                yield frame
                given += frame.height
        except _LongRowError:
            # once more in larger blocks, without the rows that are out
            for frame in self._blocks(encoding, header, wanted, self.row_bytes, version, section):
                if given < frame.height:
                    yield frame.slice(given)
                given = max(0, given - frame.height)

    def _blocks(
        self,
        encoding: str,
        header: Header,
        wanted: tuple[str, ...],
        block_bytes: int,
        version: str,
        section: Section | None,
    ) -> Iterator[pl.DataFrame]:
        # Arrow refuses two columns of one name, and ours are checked: numbers keep any name out of its way
        names = [str(position) for position in range(len(header.names))]
        picked = [names[header.names.index(name)] for name in wanted]
        # The end mark has to be seen, so the first column is always read
        read = picked if names[0] in picked else [names[0], *picked]
        named = [pl.col(number).alias(name) for number, name in zip(picked, wanted, strict=True)]
        refused: list[Any] = []

        def refuse(bad: Any) -> str:
            refused.append(bad)
            return "error"

        tail = ("\n" + _END + header.separator * (len(names) - 1) + "\n").encode()
        comment, separator = self.spec.layout.comment.encode(), header.separator.encode()
        edited = partial(without_comments, mark=comment, separator=separator) if comment else None
        skip = header.length + (section.start if section else 0)
        length = section.stop - section.start if section else None
        rows_before = rows = section.rows_before if section else 0
        last: pl.DataFrame | None = None
        with Utf8Stream(
            self.spec.path, self.spec.name, encoding, skip=skip, length=length, tail=tail, edited=edited
        ) as stream:
            try:
                reader = arrow_csv.open_csv(
                    pa.PythonFile(stream, mode="r"),
                    # one thread: only then are rows numbered
                    read_options=arrow_csv.ReadOptions(use_threads=False, block_size=block_bytes, column_names=names),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=header.separator, newlines_in_values=True, invalid_row_handler=refuse
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()),
                        include_columns=read,
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                        null_values=[""],
                        check_utf8=True,
                    ),
                )
                for batch in reader:
                    if not batch.num_rows:
                        continue
                    if last is not None:
                        yield last.select(named)
                    rows += batch.num_rows
                    last = pl.DataFrame(pl.from_arrow(batch))
            except (pa.ArrowInvalid, UnicodeDecodeError) as error:
                if self.version() != version:
                    raise changed(self.spec.name) from None
                if not refused and "straddl" in str(error) and block_bytes < self.row_bytes:
                    raise _LongRowError from None
                raise self._explained(error, refused, rows_before, rows, len(names)) from None
        if self.version() != version:
            raise changed(self.spec.name)
        assert last is not None
        if last.item(last.height - 1, 0) != _END:
            raise SourceError(
                f"A quote opens in row {rows} and is never closed.",
                where=self.spec.name,
                remedy="Close the quote in that row, or double it where it belongs to the text.",
            )
        if last.height > 1:
            yield last.head(-1).select(named)

    def _explained(
        self, error: Exception, refused: list[Any], rows_before: int, rows: int, expected: int
    ) -> SourceError:
        name = self.spec.name
        if refused:
            bad = refused[-1]
            number = rows_before + bad.number
            if _END in bad.text:
                return SourceError(
                    f"A quote opens in row {number} and is never closed.",
                    where=name,
                    remedy="Close the quote in that row, or double it where it belongs to the text.",
                )
            return SourceError(
                f"Row {number} has {bad.actual_columns} columns where the header has {expected}."
                if self.spec.layout.header
                else f"Row {number} has {bad.actual_columns} columns where `columns:` names {expected}.",
                where=name,
                remedy="Mend that row (the first one of data is 1): a value with a separator in it needs quotes.",
            )
        if "straddl" in str(error):
            return SourceError(
                f"A row after row {rows} is longer than {self.row_bytes >> 20} MiB.",
                where=name,
                remedy="Look for a quote that is never closed.",
            )
        message = re.sub(r"\s+", " ", str(error))
        return SourceError(f"After row {rows} it is no valid CSV: {message}.", where=name, remedy="Export it again.")


def _regrouped(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of `rows`, the last one excepted."""
    waiting: list[pl.DataFrame] = []
    height = 0
    for frame in frames:
        waiting.append(frame)
        height += frame.height
        if height >= rows:
            whole = pl.concat(waiting, rechunk=True)
            full = height - height % rows
            yield from whole.head(full).iter_slices(rows)
            waiting, height = [whole.slice(full)], height - full
    if height:
        yield pl.concat(waiting, rechunk=True)
