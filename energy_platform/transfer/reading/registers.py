"""Sources of registers: rows get the mean power of the interval that they end, and corrections become a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from energy_platform.domain.registers import KINDS, REGISTER, Intervals, RegisterRule, intervals
from energy_platform.domain.tables import REGISTER_CORRECTIONS
from energy_platform.sources.estate import Estate
from energy_platform.sources.source import DEFAULT_BATCH_ROWS, Source, changed
from energy_platform.sources.spec import POWER_COLUMN
from energy_platform.sources.stretches import Stretch, are_within
from energy_platform.transfer.reading.mapping import ORDER, REASON, MappingRules, fixed_contract, map_batch
from energy_platform.transfer.scanning.digests import meaning_of
from energy_platform.transfer.scanning.survey import source_versions

if TYPE_CHECKING:
    from collections.abc import Generator

_METER: Final = ("tenant_id", "building_id", "meter_id")
_CODE: Final = "@meter"
#: Readings of several meters that are looked at together.
_TOGETHER_ROWS: Final = 100_000
_PIECES: Final = 32


class RegisterSource(Source):
    """A source whose rows hold registers of meters, and `@power` beside them.

    The power of a row follows from the reading before it, wherever that stands in the file: the source is read twice.
    What is kept of each reading are its place in the order, its meter, its time and its register, and then its power.

    Args:
        source: as it is read elsewhere.
        estate: whose source it is.
        now: rows later than this lie in the future.
    """

    def __init__(self, source: Source, estate: Estate, now: datetime) -> None:
        super().__init__(source.spec)
        self._source = source
        self._rules = MappingRules(estate, fixed_contract(source.spec), now)

    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in order."""
        return self._source.columns()

    def batches(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows with `@power`; see `Source.batches`. Raises SourceError where the file changes meanwhile."""
        readings, _ = self._readings(batch_rows)
        power = pl.Series(POWER_COLUMN, [None], dtype=pl.Float64).new_from_index(0, readings.height)
        for rows, found in self._intervals(readings):
            power.scatter(rows, found.power)
        order = readings.get_column(ORDER)
        del readings
        start = 0
        with closing(cast("Generator[pl.DataFrame]", self._source.batches(batch_rows))) as batches:
            for raw in batches:
                here = raw.get_column(ORDER)
                # rows that have come since are there again at the next load, which then knows what goes before them
                if not here[: order.len() - start].equals(order[start : start + raw.height]):
                    raise changed(self.spec.name)
                known = power[start : start + raw.height]
                yield raw.with_columns(known.extend_constant(None, raw.height - known.len()))
                start = min(start + raw.height, order.len())
        if start < order.len():
            raise changed(self.spec.name)

    def streams(
        self, batch_rows: int = DEFAULT_BATCH_ROWS, count: int = 1, within: Sequence[Stretch] | None = None
    ) -> list[Iterator[pl.DataFrame]]:
        """The same rows in streams; see `Source.streams`."""
        if within is None:
            return super().streams(batch_rows, count)
        return [_within(self.batches(batch_rows), within)]

    def estimated_rows(self) -> int | None:
        """About how many rows there are."""
        return self._source.estimated_rows()

    def row_count(self) -> int | None:
        """How many rows there are, where that is known without reading all of them."""
        return self._source.row_count()

    def version(self) -> str:
        """Of the file."""
        return self._source.version()

    def content_hash(self) -> str:
        """Of the file."""
        return self._source.content_hash()

    def corrections(self, batch_rows: int = DEFAULT_BATCH_ROWS) -> pl.DataFrame:
        """Rows of the table of corrections, without attributes."""
        readings, meters = self._readings(batch_rows)
        columns = [name for name in REGISTER_CORRECTIONS.column_names if name != "attributes"]
        found = [pl.DataFrame(schema={name: REGISTER_CORRECTIONS.schema()[name] for name in columns})]
        for _, part in self._intervals(readings):
            named = part.corrections.join(meters, on=_CODE, how="left", maintain_order="left")
            found.append(named.with_columns(pl.lit(self.spec.name).alias("source")).select(columns))
        return pl.concat(found)

    def _intervals(self, readings: pl.DataFrame) -> Iterator[tuple[pl.Series, Intervals]]:
        """What the readings come to, a few meters at a time, and where these stand; so that memory is but theirs."""
        rule = self.spec.register or RegisterRule()
        codes = readings.get_column(_CODE)
        counts = codes.value_counts().sort(_CODE)
        together = max(_TOGETHER_ROWS, readings.height // _PIECES)
        first, waiting = 0, 0
        for code, count in counts.iter_rows():
            waiting += count
            if waiting >= together or code == counts.height - 1:
                # numbers of meters have no gaps
                rows = codes.is_between(first, code).arg_true()
                yield rows, intervals(readings[rows].rename({ORDER: "order"}), (_CODE,), rule)
                first, waiting = code + 1, 0

    def _readings(self, batch_rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """A reading for each row, in their order, and the meters that they speak of, by number.

        The register of a row that the contract refuses is left out: its energy is counted with the next one's.
        """
        meters = pl.DataFrame(schema={**dict.fromkeys(_METER, pl.String), _CODE: pl.UInt32})
        schema = {ORDER: pl.Int64, _CODE: pl.UInt32, "time": pl.Datetime("us", "UTC"), REGISTER.name: pl.Float64}
        parts = {name: [pl.Series(name, [], dtype=kind)] for name, kind in schema.items()}
        with closing(cast("Generator[pl.DataFrame]", self._source.batches(batch_rows))) as batches:
            for raw in batches:
                for rows in map_batch(raw, self.spec, 0, self._rules):
                    unknown = (
                        rows.select(_METER)
                        .unique(maintain_order=True)
                        .join(meters, on=_METER, how="anti", nulls_equal=True)
                    )
                    numbered = unknown.with_row_index(_CODE, offset=meters.height).select(meters.columns)
                    meters = pl.concat([meters, numbered]) if numbered.height else meters
                    counted = pl.when(pl.col(REASON).is_null()).then(REGISTER.name).alias(REGISTER.name)
                    coded = rows.join(meters, on=_METER, how="left", nulls_equal=True, maintain_order="left")
                    for column in coded.select(ORDER, _CODE, "time", counted):
                        parts[column.name].append(column)
        # column by column: none of them stands in memory twice for longer than it takes
        return pl.DataFrame([pl.concat(parts.pop(name), rechunk=True) for name in schema]), meters


def corrections_of(estate: Estate, now: datetime, batch_rows: int, present: Sequence[str]) -> pl.DataFrame:
    """The corrections of all registers of an estate whose sources are there, without attributes.

    Args:
        estate: whose registers.
        now: rows later than this lie in the future.
        batch_rows: rows that are read at once.
        present: names of the sources that are there.
    """
    from energy_platform.transfer.reading.opening import open_rows

    columns = {name: kind for name, kind in REGISTER_CORRECTIONS.schema().items() if name != "attributes"}
    found = [pl.DataFrame(schema=columns)]
    found += [
        cast("RegisterSource", open_rows(spec, estate, now)).corrections(batch_rows)
        for spec in estate.register_sources()
        if spec.name in present
    ]
    return pl.concat(found)


def correction_notes(chunks: Iterable[pl.DataFrame]) -> list[str]:
    """What people should know of corrections: how many of which kind, by source."""
    counts: Counter[tuple[str, str]] = Counter()
    for chunk in chunks:
        counts.update({(source, kind): rows for source, kind, rows in chunk.group_by("source", "kind").len().rows()})
    sources = sorted({source for source, _ in counts})
    return [
        f"{source}: corrections of registers: "
        + ", ".join(f"{kind} {counts[source, kind]}" for kind in KINDS if counts[source, kind])
        + f"; each stands in energy.{REGISTER_CORRECTIONS.name}."
        for source in sources
    ]


def register_versions(estate: Estate, now: datetime) -> dict[str, str]:
    """What the corrections of each source follow from: its file, and what the estate file says of it."""
    sources = estate.register_sources()
    meanings = {spec.name: meaning_of(spec, MappingRules(estate, fixed_contract(spec), now)) for spec in sources}
    return {name: f"{version}/{meanings[name]}" for name, version in source_versions(sources).items()}


def _within(batches: Iterator[pl.DataFrame], stretches: Sequence[Stretch]) -> Iterator[pl.DataFrame]:
    with closing(cast("Generator[pl.DataFrame]", batches)) as read:
        for batch in read:
            yield batch.filter(are_within(batch.get_column(ORDER), stretches))
