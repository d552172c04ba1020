"""A scan: one pass over a source that says what it speaks of and what it holds of each day, hardly mapping its rows.

Of rows that name the same tenant, building and sensor one that is accepted is enough: only rows that name something
new are mapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.transfer.concurrency import STREAMS, worked
from energy_platform.transfer.digests import (
    Digest,
    Stretch,
    add_digests,
    digests_by_day,
    stretches_by_day,
    widest_stretch,
)
from energy_platform.transfer.mapping import (
    ORDER,
    REASON,
    SOURCE,
    MappingRules,
    contract_of,
    dated,
    inferred_type,
    map_batch,
)

ENTITY_SCHEMA: Final = {
    "tenant_id": pl.String(),
    "sensor_id": pl.String(),
    "building_id": pl.String(),
    "sensor_type": pl.String(),
    "unit": pl.String(),
    "floor": pl.Int64(),
    "room_type": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a source holds.

    Attributes:
        spec: of the source.
        version: of the source, when it was scanned.
        now: rows later than this lay in the future.
        entities: distinct tenants, buildings and sensors of accepted rows, in the order of the source: columns of
            `ENTITY_SCHEMA`, `@source`, `@order`.
        digests: of a measurement's source by local day; None: rows that fall on none.
        stretches: where the rows of each such day stand in the order of the source.
        extra_types: of the extra fields that it feeds.
    """

    spec: SourceSpec
    version: str
    now: datetime
    entities: pl.DataFrame
    digests: Mapping[date | None, Digest] = field(default_factory=dict)
    stretches: Mapping[date | None, Stretch] = field(default_factory=dict)
    extra_types: Mapping[str, ColumnType] = field(default_factory=dict)


class _Part(NamedTuple):
    entities: list[pl.DataFrame]
    digests: dict[date | None, Digest]
    stretches: dict[date | None, Stretch]
    extra_types: dict[str, ColumnType]


_SCANS: dict[tuple[object, ...], Scan] = {}


def scan_source(estate: Estate, spec: SourceSpec, now: datetime, batch_rows: int) -> Scan:
    """Scan a source; one that has not changed is scanned once in a process."""
    source = open_source(spec)
    version = source.version()
    place = (str(estate.file), spec.name)
    known = _SCANS.get(place)
    if known is not None and known.version == version and known.spec == spec and _holds_at(known, now):
        return known
    rules = MappingRules(estate, contract_of(spec.target), now, with_attributes=spec.target == "sensor_data")
    scanner = _Scanner(spec, -1 if spec.target == "sensors" else estate.sources.index(spec), rules)
    entities: list[pl.DataFrame] = []
    digests: dict[date | None, Digest] = {}
    stretches: dict[date | None, list[Stretch]] = {}
    extra_types: dict[str, ColumnType] = {}
    for part in worked(source.streams(batch_rows, STREAMS), scanner.part):
        entities += part.entities
        add_digests(digests, part.digests)
        for day, stretch in part.stretches.items():
            stretches.setdefault(day, []).append(stretch)
        for name, kind in part.extra_types.items():
            extra_types[name] = merged_type(extra_types.get(name, kind), kind)
    found = _distinct(pl.concat(entities).sort(ORDER)) if entities else pl.DataFrame(schema=ENTITY_SCHEMA)
    widest = {day: stretch for day, parts in stretches.items() if (stretch := widest_stretch(parts))}
    scan = Scan(spec, version, now, found, digests, widest, extra_types)
    _SCANS[place] = scan
    return scan


def merged_type(one: ColumnType, other: ColumnType) -> ColumnType:
    """The type of a field that holds values of both types."""
    return one if one == other else "text"


def _holds_at(scan: Scan, now: datetime) -> bool:
    """Whether a scan says the same at another time: a row without a day may have lain in the future."""
    return scan.now == now or None not in scan.digests


class _Scanner:
    """Scans record batches of one source, in several threads."""

    def __init__(self, spec: SourceSpec, position: int, rules: MappingRules) -> None:
        self._spec = spec
        self._position = position
        self._rules = rules
        self._met = pl.DataFrame()

    def part(self, raw: pl.DataFrame) -> _Part:
        spec = self._spec
        digests: dict[date | None, Digest] = {}
        stretches: dict[date | None, Stretch] = {}
        if spec.target in MEASUREMENTS:
            days = dated(raw, spec, self._rules)
            digests, stretches = digests_by_day(raw, days), stretches_by_day(raw, days)
        extra = spec.extra if spec.target in MEASUREMENTS else {}
        types: dict[str, ColumnType] = {name: inferred_type(raw.get_column(column)) for name, column in extra.items()}
        return _Part(self._entities(raw), digests, stretches, types)

    def _entities(self, raw: pl.DataFrame) -> list[pl.DataFrame]:
        unmet = raw if self._spec.shape == "wide" else self._unmet(raw)
        found: list[pl.DataFrame] = []
        for batch in map_batch(unmet, self._spec, self._position, self._rules):
            accepted = batch.get_column(REASON).is_null()
            if not accepted.any():
                continue
            names = [name for name in ENTITY_SCHEMA if name in batch.columns]
            found.append(_distinct(batch.filter(accepted).select(*names, SOURCE, ORDER)))
            if self._spec.shape != "wide":
                further = self._named(unmet.filter(accepted)).unique()
                self._met = further if self._met.is_empty() else pl.concat([self._met, further]).unique()
        return found

    def _unmet(self, raw: pl.DataFrame) -> pl.DataFrame:
        """The rows that name something of which no accepted row has been met."""
        met = self._met
        if met.is_empty():
            return raw
        named = self._named(raw)
        unmet = named.unique().join(met, on=met.columns, how="anti", nulls_equal=True)
        if unmet.is_empty():
            return raw.clear()
        rows = named.with_row_index("@row").join(unmet, on=met.columns, how="semi", nulls_equal=True)
        return raw[rows.get_column("@row")]

    def _named(self, raw: pl.DataFrame) -> pl.DataFrame:
        """The source's columns that name tenants, buildings and sensors, as text."""
        spec = self._spec
        columns = {role.column for name in ENTITY_SCHEMA if (role := spec.roles.get(name)) and role.column is not None}
        if spec.target in TABLES:
            columns |= {name for name in ENTITY_SCHEMA if name in raw.columns and name not in spec.ignored}
        texts = {f"{number}": raw.get_column(name).cast(pl.String) for number, name in enumerate(sorted(columns))}
        return pl.DataFrame({"@any": pl.repeat(value=True, n=raw.height, eager=True), **texts})


def _distinct(entities: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in ENTITY_SCHEMA if name in entities.columns]
    return entities.unique(names, keep="first", maintain_order=True)
