"""A first look over an estate: its tenants, buildings and sensors, and the types of its extra fields.

Tables that no source names are derived from it; a source that names a building only by its sensor is resolved by it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import SourceMissingError
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.transfer.mapping import (
    ORDER,
    SOURCE,
    MappingRules,
    contract_of,
    inferred_type,
    mapped_batches,
)

_SENSOR_SCHEMA = {
    "tenant_id": pl.String(),
    "sensor_id": pl.String(),
    "building_id": pl.String(),
    "sensor_type": pl.String(),
    "unit": pl.String(),
    "floor": pl.Int64(),
    "room_type": pl.String(),
}
_ENTITY_TARGETS = ("sensors", "sensor_data", "sensor_status", "buildings", "energy_consumption", "predictions")


@dataclass(frozen=True, slots=True)
class Survey:
    """What an estate's sources speak of.

    Attributes:
        versions: of the sources when they were looked at, by source name; sources that are gone are not in it.
        tenants: codes, sorted.
        buildings: frame tenant_id, building_id; sorted.
        sensors: frame of `_SENSOR_SCHEMA`; the first source that knows a sensor wins; sorted.
        extra_fields: per measurement the extra fields and their types.
        varying: sensors whose attributes vary between rows, as readable facts.
    """

    versions: dict[str, str]
    tenants: tuple[str, ...]
    buildings: pl.DataFrame
    sensors: pl.DataFrame
    extra_fields: dict[str, dict[str, ColumnType]] = field(default_factory=dict)
    varying: tuple[str, ...] = ()

    @property
    def building_of_sensor(self) -> pl.DataFrame:
        """Frame tenant_id, sensor_id, building_id of the sensors whose building is known."""
        return self.sensors.filter(pl.col("building_id").is_not_null()).select("tenant_id", "sensor_id", "building_id")


_SURVEYS: dict[tuple[str, str], Survey] = {}


def survey(estate: Estate, now: datetime, batch_rows: int) -> Survey:
    """Look over all sources of the estate; an unchanged estate is looked over once in a process."""
    versions = source_versions(estate.sources)
    identity = (str(estate.folder), str(estate.file))
    known = _SURVEYS.get(identity)
    if known is not None and known.versions == versions:
        return known
    extra_fields = _extra_fields(estate, versions, batch_rows)
    specs = [spec for target in _ENTITY_TARGETS for spec in estate.sources_of(target)]
    # of all others only the tenants are of interest, where their rows name one
    specs += [spec for spec in estate.sources if spec not in specs and "tenant_id" in spec.roles]
    found = [_entities(estate, spec, now, batch_rows) for spec in specs if spec.name in versions]
    entities = pl.concat(found, how="diagonal") if found else pl.DataFrame(schema=_SENSOR_SCHEMA)
    result = _summarize(estate, entities, versions, extra_fields)
    _SURVEYS[identity] = result
    return result


def source_versions(specs: tuple[SourceSpec, ...]) -> dict[str, str]:
    """Version of each source that is there; a source that is gone is left out."""
    versions: dict[str, str] = {}
    for spec in specs:
        try:
            versions[spec.name] = open_source(spec).version()
        except SourceMissingError:
            continue
    return versions


def retired_sources(specs: Iterable[SourceSpec], versions: Mapping[str, str], known: Container[str]) -> set[str]:
    """Names of the sources that are gone as a whole but whose figures the ledger knows.

    Args:
        specs: the sources that are asked for.
        versions: of those that are there.
        known: names of the sources that stand in the ledger.

    Raises:
        SourceMissingError: a source is gone that the ledger never knew.
    """
    gone = [spec for spec in specs if spec.name not in versions]
    for spec in gone:
        if spec.name not in known:
            raise SourceMissingError(
                "The file does not exist.", where=str(spec.path), remedy="Put it back, or take it out of the estate."
            )
    return {spec.name for spec in gone}


def retirement_warnings(retired: Iterable[str]) -> list[str]:
    """What people should know of retired sources."""
    return [f"{name} is retired: the file is gone, its last proven figures stand." for name in sorted(retired)]


def _extra_fields(estate: Estate, versions: dict[str, str], batch_rows: int) -> dict[str, dict[str, ColumnType]]:
    types: dict[str, dict[str, ColumnType]] = {}
    for spec in estate.sources_of("energy_consumption"):
        if not spec.extra or spec.name not in versions:
            continue
        known = types.setdefault(spec.target, {})
        for batch in open_source(spec).batches(batch_rows):
            for name, column in spec.extra.items():
                kind = inferred_type(batch.get_column(column))
                known[name] = kind if known.get(name, kind) == kind else "text"
    return types


def _entities(estate: Estate, spec: SourceSpec, now: datetime, batch_rows: int) -> pl.DataFrame:
    """Distinct tenants, buildings and sensors of one source, in its order."""
    rules = MappingRules(estate, contract_of(spec.target), now, with_attributes=spec.target == "sensor_data")
    position = -1 if spec.target == "sensors" else estate.sources.index(spec)
    distinct: list[pl.DataFrame] = []
    for batch in mapped_batches(open_source(spec), position, rules, batch_rows):
        names = [name for name in _SENSOR_SCHEMA if name in batch.columns]
        rows = batch.filter(pl.col("@reason").is_null()).select(*names, SOURCE, ORDER)
        distinct.append(rows.unique(names, keep="first", maintain_order=True))
    if not distinct:
        return pl.DataFrame(schema=_SENSOR_SCHEMA)
    together = pl.concat(distinct)
    names = [name for name in _SENSOR_SCHEMA if name in together.columns]
    return together.unique(names, keep="first", maintain_order=True)


def _summarize(
    estate: Estate, entities: pl.DataFrame, versions: dict[str, str], extra_fields: dict[str, dict[str, ColumnType]]
) -> Survey:
    missing = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in _SENSOR_SCHEMA.items() if name not in entities.columns
    ]
    entities = entities.with_columns(missing)
    tenants = {estate.tenant_code, *entities.get_column("tenant_id").drop_nulls().to_list()}
    buildings = (
        entities.filter(pl.col("building_id").is_not_null() & (pl.col("building_id") != ""))
        .select("tenant_id", "building_id")
        .unique()
        .sort("tenant_id", "building_id")
    )
    identity = ["tenant_id", "sensor_id"]
    with_sensor = entities.filter(pl.col("sensor_id").is_not_null() & (pl.col("sensor_id") != ""))
    attributes = [name for name in _SENSOR_SCHEMA if name not in identity]
    blank = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in attributes if _SENSOR_SCHEMA[name] == pl.String]
    known = with_sensor.with_columns(blank)
    if SOURCE in known.columns:
        known = known.sort(SOURCE, ORDER, maintain_order=True)
    sensors = known.group_by(identity, maintain_order=True).agg(
        pl.col(name).drop_nulls().first() for name in attributes
    )
    variants = known.group_by(identity).agg(pl.col(name).drop_nulls().n_unique() for name in attributes)
    varying = [
        f"sensor {row['sensor_id']} of tenant {row['tenant_id']} has {row[name]} values of {name}; the first one stands"
        for row in variants.sort(identity).iter_rows(named=True)
        for name in attributes
        if row[name] > 1
    ]
    return Survey(
        versions,
        tuple(sorted(tenants)),
        buildings,
        sensors.sort(identity).cast(_SENSOR_SCHEMA),  # pyright: ignore[reportArgumentType]
        extra_fields,
        tuple(varying),
    )
