"""A scan: one pass over a source that says what it speaks of and what it holds of each day, hardly mapping its rows.

Of rows that name the same tenant, building and sensor one that is accepted is enough: only rows that name something
new are mapped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import SourceError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.opening import forget_files
from energy_platform.sources.source import Source
from energy_platform.sources.stretches import Stretch, are_within, merged
from energy_platform.transfer.concurrency import STREAMS, worked
from energy_platform.transfer.reading.mapping import (
    ORDER,
    REASON,
    SOURCE,
    MappingRules,
    dated,
    fixed_contract,
    map_batch,
    next_future_time,
)
from energy_platform.transfer.reading.opening import open_rows
from energy_platform.transfer.reading.raw_columns import inferred_type, present
from energy_platform.transfer.scanning.digests import Contents, figures_of, meaning_of
from energy_platform.transfer.scanning.scans import Scan, drop_scan, keep_scan, kept_scan

ENTITY_SCHEMA: Final = {
    "tenant_id": pl.String(),
    "sensor_id": pl.String(),
    "building_id": pl.String(),
    "sensor_type": pl.String(),
    "unit": pl.String(),
    "floor": pl.Int64(),
    "room_type": pl.String(),
}


#: A part of a source is read again alone as long as it holds at most this share of the rows.
_MOST_REREAD: Final = 0.5


class _Part(NamedTuple):
    entities: list[pl.DataFrame]
    figures: pl.DataFrame | None
    next_future: datetime | None
    extra_types: dict[str, ColumnType]


_NOTHING: Final = pl.DataFrame()
_SCANS: dict[tuple[str, ...], Scan] = {}


def scan_source(
    estate: Estate,
    spec: SourceSpec,
    now: datetime,
    batch_rows: int,
    folder: Path,
    *,
    with_entities: bool = False,
) -> Scan:
    """Scan a source. One that has not changed since it was scanned is not read, of another only what has changed.

    Args:
        estate: whose source it is.
        spec: of the source.
        now: rows later than this lie in the future.
        batch_rows: rows that are read at once.
        folder: where scans are kept for later processes.
        with_entities: look for entities and the types of extra fields, too.
    """
    source = open_rows(spec, estate, now)
    version = source.version()
    rules = MappingRules(estate, fixed_contract(spec), now, with_attributes=spec.target == "sensor_data")
    meaning = scan_meaning(estate, spec, now)
    known = _recalled(estate, spec, folder)
    if known is not None and (
        known.meaning != meaning or not known.holds_at(now) or (with_entities and known.entities is None)
    ):
        known = None
    if known is not None and known.version == version:
        return known
    blank = Scan(version, meaning, now, parts=source.parts())

    def read(within: Sequence[Stretch] | None) -> Scan:
        scanner = _Scanner(spec, estate, rules, with_entities=with_entities)
        return _read(blank, source, scanner, batch_rows, within)

    scan = _rescanned(known, blank, read) if known is not None else None
    if scan is None:
        scan = read(None)
    if source.version() == version:
        remember(estate, spec, scan, folder)
    return scan


def scan_meaning(estate: Estate, spec: SourceSpec, now: datetime) -> str:
    """What a scan must have in common with another one to be compared with it."""
    return f"{_position(estate, spec)}/{meaning_of(spec, MappingRules(estate, fixed_contract(spec), now))}"


def remember(estate: Estate, spec: SourceSpec, scan: Scan, folder: Path) -> None:
    """Keep a scan for this process, and where the next one can use it for that one too.

    Only one of a source that nobody has touched from before its rows were read until its parts were.
    """
    _SCANS[_place(estate, spec)] = scan
    if scan.parts is not None:
        keep_scan(folder, _place(estate, spec), scan)


def doubt_scans(estate: Estate, now: datetime, folder: Path) -> None:
    """Forget scans of files that hold something else than they did, though their versions are the same.

    Somebody may write into a file and give it back its time. Every byte is looked at; no row is read.

    Args:
        estate: whose sources.
        now: aware; as for `scan_source`.
        folder: where scans are kept.
    """
    forget_files()
    for spec in estate.sources:
        known = _recalled(estate, spec, folder)
        if known is None:
            continue
        try:
            source = open_rows(spec, estate, now)
            # one of another version is compared with the file by whoever reads that
            is_same = known.version != source.version() or _are_same(known.parts, source.parts())
        except SourceError:
            is_same = False
        if not is_same:
            _SCANS.pop(_place(estate, spec), None)
            drop_scan(folder, _place(estate, spec))


def _are_same(known: pl.DataFrame | None, found: pl.DataFrame | None) -> bool:
    return known is not None and found is not None and known.equals(found)


def _recalled(estate: Estate, spec: SourceSpec, folder: Path) -> Scan | None:
    place = _place(estate, spec)
    if place not in _SCANS and (kept := kept_scan(folder, place)) is not None:
        _SCANS[place] = kept
    return _SCANS.get(place)


def _position(estate: Estate, spec: SourceSpec) -> int:
    # what the register says of a sensor goes before what its readings do
    return -1 if spec.target == "sensors" else estate.position_of(spec)


def _place(estate: Estate, spec: SourceSpec) -> tuple[str, ...]:
    return str(estate.file), spec.target, spec.name


def _read(blank: Scan, source: Source, scanner: _Scanner, batch_rows: int, within: Sequence[Stretch] | None) -> Scan:
    """What a source holds, or stretches of it."""
    entities: list[pl.DataFrame] = []
    contents = Contents()
    times: list[datetime] = []
    extra_types: dict[str, ColumnType] = {}
    for part in worked(source.streams(batch_rows, STREAMS, within), scanner.part):
        entities += part.entities
        if part.figures is not None:
            contents.add(part.figures)
        times += [part.next_future] if part.next_future is not None else []
        for name, kind in part.extra_types.items():
            extra_types[name] = merged_type(extra_types.get(name, kind), kind)
    scan = replace(blank, contents=contents, next_future=min(times, default=None))
    if not scanner.with_entities:
        return scan
    nothing = pl.DataFrame(schema={**ENTITY_SCHEMA, SOURCE: pl.Int32(), ORDER: pl.Int64()})
    found = _distinct(pl.concat(entities).sort(ORDER)) if entities else nothing
    return replace(scan, entities=found, extra_types=extra_types)


def _rescanned(known: Scan, blank: Scan, read: Callable[[Sequence[Stretch]], Scan]) -> Scan | None:
    """A scan of a source of which some parts have changed since a known one; None where it has to be read whole."""
    if known.parts is None or blank.parts is None or known.extra_types:
        return None
    changed = known.contents.whole_pieces(_changed(known.parts, blank.parts))
    figures = known.contents.figures
    touched = figures.filter(are_within(figures.get_column("piece"), changed))
    if int(touched.get_column("rows").sum()) > _MOST_REREAD * int(figures.get_column("rows").sum()):
        return None
    fresh = read(changed)
    contents = known.contents.without(changed)
    contents.add(fresh.contents.figures)
    times = [scan.next_future for scan in (known, fresh) if scan.next_future is not None]
    scan = replace(fresh, contents=contents, next_future=min(times, default=None))
    if fresh.entities is None:
        return scan
    entities = _joined(known.entities, fresh.entities, changed)
    return None if entities is None else replace(scan, entities=entities)


def _changed(before: pl.DataFrame, after: pl.DataFrame) -> list[Stretch]:
    """The stretches of the parts that only one of the two has."""
    first = (pl.col("last").shift() + 1).fill_null(-(2**63)).alias("first")
    one, other = (parts.with_columns(first).select("first", "last", "hash") for parts in (before, after))
    differing = pl.concat([one.join(other, on=one.columns, how="anti"), other.join(one, on=one.columns, how="anti")])
    return merged(differing.select("first", "last").iter_rows())


def _joined(known: pl.DataFrame | None, fresh: pl.DataFrame, changed: Sequence[Stretch]) -> pl.DataFrame | None:
    """The entities of a source by those it had and those of the stretches that have changed.

    None where one of them may now come first at a place that was not looked at.
    """
    if known is None or known.is_empty():
        return None
    names = [name for name in ENTITY_SCHEMA if name in known.columns]
    gone = known.filter(are_within(known.get_column(ORDER), changed))
    if fresh.is_empty():
        return known if gone.is_empty() else None
    again = gone.join(fresh, on=names, how="left", nulls_equal=True, suffix="_again")
    if not (again.get_column(f"{ORDER}_again") <= again.get_column(ORDER)).fill_null(value=False).all():
        return None
    return _distinct(pl.concat([known, fresh]).sort(ORDER))


def merged_type(one: ColumnType, other: ColumnType) -> ColumnType:
    """The type of a field that holds values of both types."""
    return one if one == other else "text"


class _Scanner:
    """Scans record batches of one source, in several threads."""

    def __init__(self, spec: SourceSpec, estate: Estate, rules: MappingRules, *, with_entities: bool) -> None:
        self.with_entities = with_entities
        self._spec = spec
        self._position = _position(estate, spec)
        self._rules = rules
        # each thread for itself: what one has met far down in the source must not hide where it comes first
        self._seen = threading.local()

    def part(self, raw: pl.DataFrame) -> _Part:
        spec = self._spec
        figures = next_future = None
        if spec.target in MEASUREMENTS:
            days = dated(raw, spec, self._rules)
            figures, next_future = figures_of(raw, days), next_future_time(raw, days, spec, self._rules)
        if not self.with_entities:
            return _Part([], figures, next_future, {})
        extra = spec.extra if spec.target in MEASUREMENTS else {}
        types: dict[str, ColumnType] = {
            name: inferred_type(present(raw.get_column(column), spec), spec.numbers) for name, column in extra.items()
        }
        return _Part(self._entities(raw), figures, next_future, types)

    @property
    def _met(self) -> pl.DataFrame:
        """What this thread has met in accepted rows."""
        return getattr(self._seen, "met", _NOTHING)

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
                self._seen.met = pl.concat([self._met, further]).unique() if self._met.height else further
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
