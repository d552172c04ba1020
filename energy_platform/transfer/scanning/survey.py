"""A first look over an estate: its tenants, buildings and sensors, and the types of its extra fields.

Tables that no source names are derived from it; a source that names a building only by its sensor is resolved by it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.errors import SourceMissingError
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.opening import open_source
from energy_platform.transfer.reading.mapping import ORDER, SOURCE
from energy_platform.transfer.scanning.scanner import ENTITY_SCHEMA, doubt_scans, merged_type, scan_source

#: What may say in which building a sensor is.
SENSOR_TARGETS = ("sensors", "sensor_data", "sensor_status")
#: What may speak of buildings and sensors that no table names.
ENTITY_TARGETS = (*SENSOR_TARGETS, "buildings", "energy_consumption", "predictions")


@dataclass(frozen=True, slots=True)
class Survey:
    """What an estate's sources speak of.

    Attributes:
        versions: of the sources when they were looked at, by source name; sources that are gone are not in it.
        tenants: codes, sorted.
        buildings: frame tenant_id, building_id; sorted.
        sensors: frame of `ENTITY_SCHEMA`; the first source that knows a sensor wins; sorted.
        extra_fields: per measurement the extra fields and their types.
        varying: sensors whose attributes vary between rows, as readable facts.
        gone: names of the sources that were not there.
    """

    versions: dict[str, str]
    tenants: tuple[str, ...]
    buildings: pl.DataFrame
    sensors: pl.DataFrame
    extra_fields: dict[str, dict[str, ColumnType]] = field(default_factory=dict)
    varying: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def building_of_sensor(self) -> pl.DataFrame:
        """Frame tenant_id, sensor_id, building_id of the sensors whose building is known."""
        return self.sensors.filter(pl.col("building_id").is_not_null()).select("tenant_id", "sensor_id", "building_id")


_SURVEYS: dict[tuple[str, str], Survey] = {}


def survey(estate: Estate, now: datetime, batch_rows: int, folder: Path) -> Survey:
    """Look over all sources of the estate; an unchanged estate is looked over once in a process. See `scan_source`."""
    versions = source_versions(estate.sources)
    identity = _identity(estate)
    known = _SURVEYS.get(identity)
    if known is not None and known.versions == versions:
        return known
    specs = [spec for target in ENTITY_TARGETS for spec in estate.sources_of(target)]
    # of all others only the tenants are of interest, where their rows name one
    specs += [spec for spec in estate.sources if spec.target not in ENTITY_TARGETS and "tenant_id" in spec.roles]
    present = [spec for spec in specs if spec.name in versions]
    scans = [scan_source(estate, spec, now, batch_rows, folder, with_entities=True) for spec in present]
    found = [scan.entities for scan in scans if scan.entities is not None]
    entities = pl.concat(found, how="diagonal") if found else pl.DataFrame(schema=ENTITY_SCHEMA)
    extra_fields: dict[str, dict[str, ColumnType]] = {}
    for spec, scan in zip(present, scans, strict=True):
        types = extra_fields.setdefault(spec.target, {})
        for name, kind in scan.extra_types.items():
            types[name] = merged_type(types.get(name, kind), kind)
    result = _summarize(estate, entities, versions, extra_fields)
    _SURVEYS[identity] = result
    return result


def look_afresh(estate: Estate, now: datetime, folder: Path) -> None:
    """Take nothing for known that only the versions of files speak for: see `scanner.doubt_scans`."""
    doubt_scans(estate, now, folder)
    _SURVEYS.pop(_identity(estate), None)


def known_tenants(estate: Estate) -> frozenset[str]:
    """The tenants of an estate as far as this process has surveyed it already."""
    known = _SURVEYS.get(_identity(estate))
    return frozenset(known.tenants) if known is not None else frozenset()


def _identity(estate: Estate) -> tuple[str, str]:
    return str(estate.folder), str(estate.file)


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


def _summarize(
    estate: Estate, entities: pl.DataFrame, versions: dict[str, str], extra_fields: dict[str, dict[str, ColumnType]]
) -> Survey:
    missing = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in ENTITY_SCHEMA.items() if name not in entities.columns
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
    attributes = [name for name in ENTITY_SCHEMA if name not in identity]
    blank = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in attributes if ENTITY_SCHEMA[name] == pl.String]
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
        sensors.sort(identity).cast(ENTITY_SCHEMA),  # pyright: ignore[reportArgumentType]
        extra_fields,
        tuple(varying),
        tuple(spec.name for spec in estate.sources if spec.name not in versions),
    )
