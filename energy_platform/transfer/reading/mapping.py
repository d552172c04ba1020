"""From the raw record batches of a source to canonical rows of its target, each accepted or refused with a reason."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.domain.contracts import UNDATED_REASONS, Column, ColumnType, Contract, Measurement
from energy_platform.domain.days import local_day, local_days, start_of
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.registers import REGISTER
from energy_platform.domain.tables import TABLES
from energy_platform.domain.time_forms import Ambiguous
from energy_platform.sources.estate import Estate, SourceSpec
from energy_platform.sources.mended import content_columns
from energy_platform.sources.source import Source
from energy_platform.transfer.reading.raw_columns import COLUMN, TYPE, VALUE, converted, present

#: The tenant of refused rows whose own tenant cannot be read.
UNASSIGNED = "unassigned"
#: Columns that travel beside the canonical ones.
KEY, ORDER, SOURCE, DAY, REASON, RAW = "@key", "@order", "@source", "@day", "@reason", "@raw"
#: Columns of refused rows.
REFUSED_SCHEMA: Final = {
    "tenant_id": pl.String,
    SOURCE: pl.Int32,
    KEY: pl.String,
    ORDER: pl.Int64,
    REASON: pl.String,
    RAW: pl.String,
    DAY: pl.Date,
}
#: What a reading says of its sensor: it stands in the sensor register, not in the point.
SENSOR_ATTRIBUTES: tuple[Column, ...] = (
    Column("unit", "text"),
    Column("floor", "integer"),
    Column("room_type", "text"),
)
MAIN_METER = "main"


@dataclass(slots=True)
class ClockChanges:
    """Local times that exist twice, or not at all, that were met on the way, by source."""

    ambiguous: Counter[str] = field(default_factory=Counter)
    nonexistent: Counter[str] = field(default_factory=Counter)
    _rules: dict[str, Ambiguous] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, spec: SourceSpec, ambiguous: int, nonexistent: int) -> None:
        """Count further ones; batches are mapped in several threads."""
        if not ambiguous and not nonexistent:
            return
        with self._lock:
            self.ambiguous[spec.name] += ambiguous
            self.nonexistent[spec.name] += nonexistent
            self._rules[spec.name] = spec.ambiguous

    def notes(self) -> list[str]:
        """What people should know of them; of many sources the first ones by name, and the others together."""
        twice = "exists twice where clocks go back", "exist twice where clocks go back"
        never = "does not exist where clocks go forward", "do not exist where clocks go forward"
        rules = {name: _AMBIGUOUS_RULES[rule] for name, rule in self._rules.items()}
        return _notes(self.ambiguous, twice, rules) + _notes(self.nonexistent, never, {})


def _notes(counts: Counter[str], what: tuple[str, str], rules: Mapping[str, str]) -> list[str]:
    found = sorted((name, count) for name, count in counts.items() if count)

    def said(name: str, count: int) -> str:
        times = f"{count} local time {what[0]}" if count == 1 else f"{count} local times {what[1]}"
        return f"{name}: {times}; {rules.get(name, 'the offset before the change was taken')}."

    notes = [said(name, count) for name, count in found[:_SOURCES_NAMED]]
    if rest := found[_SOURCES_NAMED:]:
        total = sum(count for _, count in rest)
        notes.append(f"{len(rest)} more sources: {total} local times {what[1]}, each by the rule of its source.")
    return notes


#: So many sources are named in notes.
_SOURCES_NAMED: Final = 20
_AMBIGUOUS_RULES: Final[Mapping[Ambiguous, str]] = {
    "earliest": "the earlier instant was taken",
    "latest": "the later instant was taken",
    "quarantine": "such rows are quarantined",
}


@dataclass(frozen=True, slots=True)
class MappingRules:
    """All that mapping a source needs to know beside the source itself.

    Attributes:
        estate: whose sources these are.
        contract: of the target, with the estate's extra fields.
        now: rows later than this lie in the future.
        building_of_sensor: frame tenant_id, sensor_id, building_id; for sources that name a building by its sensor.
        with_attributes: carry `SENSOR_ATTRIBUTES` of readings along.
        with_content: give `@key` and `@raw` of accepted rows too.
        clock_changes: counted here.
    """

    estate: Estate
    contract: Contract
    now: datetime
    building_of_sensor: pl.DataFrame | None = None
    with_attributes: bool = False
    with_content: bool = False
    clock_changes: ClockChanges = field(default_factory=ClockChanges)


def contract_of(target: str, extra: Mapping[str, ColumnType] | None = None) -> Contract:
    """The contract of a measurement or table, with the extra fields that an estate feeds."""
    if target in MEASUREMENTS:
        fields = tuple(
            REGISTER if name == REGISTER.name else Column(name, kind, description="Named by estate.yaml.")
            for name, kind in (extra or {}).items()
        )
        return MEASUREMENTS[target].with_fields(fields)
    return TABLES[target]


def fixed_contract(spec: SourceSpec) -> Contract:
    """The contract of a source's target as far as it does not depend on what the sources hold."""
    return contract_of(spec.target, spec.fixed_fields)


def mapped_batches(source: Source, position: int, rules: MappingRules, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Canonical frames of a source, in its order; see `map_batch`."""
    for raw in source.batches(batch_rows):
        yield from map_batch(raw, source.spec, position, rules)


def map_batch(raw: pl.DataFrame, spec: SourceSpec, position: int, rules: MappingRules) -> Iterator[pl.DataFrame]:
    """Canonical frames of one record batch; may be called from several threads at once.

    Besides the contract's columns they hold `@source` (its position in the estate), `@order`, `@key` (null where it is
    the text of `@order`, and the row is accepted), `@day` (local day; null for tables and for rows that fall on none),
    `@reason` (null where accepted) and `@raw` (the source's columns as JSON, only where refused).
    """
    if spec.shape == "wide":
        # counted once a row, however many readings it holds
        times = converted(raw, "time", "time", spec, rules.estate)
        rules.clock_changes.add(spec, times.ambiguous, times.nonexistent)
    for batch in _wide_to_long(raw, spec):
        yield _map(batch, spec, position, rules)


def accepted_and_refused(batch: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The accepted rows of a mapped frame, and the refused ones with the columns of `REFUSED_SCHEMA`."""
    refused = batch.get_column(REASON).is_not_null()
    columns = list(REFUSED_SCHEMA)
    if not refused.any():
        return batch, batch.clear().select(columns)
    return batch.filter(~refused), batch.filter(refused).select(columns)


def row_key() -> pl.Expr:
    """What people know a row by: its key, or its place in the file."""
    return pl.coalesce(KEY, pl.col(ORDER).cast(pl.String))


def raw_content(raw: pl.DataFrame) -> pl.Series:
    """Every row of a record batch as JSON: the source's own columns, as text."""
    content = raw.select(
        pl.struct(pl.col(content_columns(raw)).cast(pl.String)).struct.json_encode().alias(RAW)
    ).to_series()
    # PostgreSQL's JSON cannot hold U+0000
    return content.str.replace_all("\\u0000", "\\ufffd", literal=True)


def dated(raw: pl.DataFrame, spec: SourceSpec, rules: MappingRules) -> pl.Series:
    """The local day that each row of a measurement's source falls on, `@day`; null where it falls on none."""
    return days_of(converted(raw, "time", "time", spec, rules.estate).values, rules)


def days_of(times: pl.Series, rules: MappingRules) -> pl.Series:
    """The local day of each time, `@day`; null where it falls on none."""
    first, last = times.min(), times.max()
    begin, end = _bounds(rules)
    # mostly all of them fall on days, and then none of them needs to be asked
    if (
        isinstance(first, datetime)
        and isinstance(last, datetime)
        and begin <= first
        and last <= rules.now
        and (end is None or last < end)
    ):
        return local_days(times, rules.estate.zone).alias(DAY)
    return times.alias("time").to_frame().select(_day(rules)).to_series()


def next_future_time(raw: pl.DataFrame, days: pl.Series, spec: SourceSpec, rules: MappingRules) -> datetime | None:
    """The first time that lies in the future, of rows with these local days (see `dated`); None where none does."""
    if not days.null_count():
        return None
    undated = raw.filter(days.is_null())
    times = converted(undated, "time", "time", spec, rules.estate).values
    return times.filter(times > rules.now).min()  # pyright: ignore[reportReturnType]  times are datetimes


def _wide_to_long(raw: pl.DataFrame, spec: SourceSpec) -> Iterator[pl.DataFrame]:
    """Each value column of a wide source as readings of its own; an empty cell is no reading."""
    if spec.shape != "wide":
        yield raw
        return
    for column, sensor_type in spec.values.items():
        value = present(raw.get_column(column), spec)
        cells = raw.with_columns(value.alias(VALUE)).filter(value.is_not_null())
        yield cells.with_columns(
            pl.lit(sensor_type).alias(TYPE),
            pl.lit(column).alias(COLUMN),
            (row_key() + pl.lit(f"#{column}")).alias(KEY),
        )


def _map(raw: pl.DataFrame, spec: SourceSpec, position: int, rules: MappingRules) -> pl.DataFrame:
    contract, zone = rules.contract, rules.estate.zone
    columns: dict[str, pl.Series] = {}
    refusals: list[tuple[pl.Series, str]] = []
    wanted = [*contract.columns, *(SENSOR_ATTRIBUTES if rules.with_attributes else ())]
    for column in wanted:
        values = converted(raw, column.name, column.type, spec, rules.estate)
        columns[column.name] = values.values.alias(column.name)
        if values.refused is not None and column not in SENSOR_ATTRIBUTES:
            refusals.append((values.refused, values.reason))
        if values.doubtful is not None:
            refusals.append((values.doubtful, "ambiguous_time"))
        if spec.shape != "wide":
            rules.clock_changes.add(spec, values.ambiguous, values.nonexistent)
    frame = pl.DataFrame(columns).with_columns(
        raw.get_column(KEY), raw.get_column(ORDER), pl.lit(position, dtype=pl.Int32).alias(SOURCE)
    )
    if spec.shape == "wide" and "sensor_id" in frame.columns and "sensor_id" not in spec.roles:
        # a column that its building is called by says nothing more of the sensor
        called = TYPE if spec.roles["building_id"].from_column else COLUMN
        sensor = pl.col("building_id") + "." + pl.lit(raw.get_column(called))
        frame = frame.with_columns(sensor.alias("sensor_id"))
    frame = _fill(frame, contract, spec, rules)
    frame = frame.with_columns(_reason(refusals, frame, contract, spec, rules).alias(REASON))
    day = local_day("time", zone) if isinstance(contract, Measurement) else pl.lit(None, dtype=pl.Date)
    refused = frame.get_column(REASON).is_not_null()
    if not refused.any() and not rules.with_content:
        return frame.with_columns(day.alias(DAY), pl.lit(None, dtype=pl.String).alias(RAW))
    told = refused | rules.with_content
    undated = pl.col(REASON).is_in(list(UNDATED_REASONS)).fill_null(value=False)
    content = pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    return frame.with_columns(
        pl.when(undated).then(None).otherwise(day).alias(DAY),
        pl.when(told).then(row_key()).otherwise(KEY).alias(KEY),
        content.scatter(told.arg_true(), raw_content(raw.filter(told))).alias(RAW),
    )


def _day(rules: MappingRules) -> pl.Expr:
    undated = pl.coalesce(_undated_reasons(rules)).is_not_null()
    return pl.when(~undated).then(local_day("time", rules.estate.zone)).alias(DAY)


def _fill(frame: pl.DataFrame, contract: Contract, spec: SourceSpec, rules: MappingRules) -> pl.DataFrame:
    """Values that follow from others: absent tags, the main meter, a sensor's building."""
    if "meter_id" in frame.columns:
        meter = pl.col("meter_id")
        frame = frame.with_columns(
            pl.when(meter.is_null() | (meter == "")).then(pl.lit(MAIN_METER)).otherwise(meter).alias("meter_id")
        )
    building = spec.roles.get("building_id")
    if building is not None and building.from_sensor and rules.building_of_sensor is not None:
        frame = frame.drop("building_id").join(
            rules.building_of_sensor, on=["tenant_id", "sensor_id"], how="left", maintain_order="left"
        )
    optional_tags = [
        name for name in contract.key if contract.column(name).type == "text" and not contract.column(name).required
    ]
    return frame.with_columns(pl.col(name).fill_null("") for name in optional_tags)


def _reason(
    refusals: list[tuple[pl.Series, str]],
    frame: pl.DataFrame,
    contract: Contract,
    spec: SourceSpec,
    rules: MappingRules,
) -> pl.Expr:
    """The first reason for which a row is refused; those that leave it without a day come first."""
    reasons: list[pl.Expr] = []
    if isinstance(contract, Measurement):
        reasons += _undated_reasons(rules)
    building = spec.roles.get("building_id")
    if building is not None and building.from_sensor:
        known = pl.col("sensor_id").is_not_null() & (pl.col("sensor_id") != "")
        reasons.append(pl.when(known & pl.col("building_id").is_null()).then(pl.lit("unknown_sensor")))
    reasons += [pl.when(mask).then(pl.lit(reason)) for mask, reason in refusals]
    reasons.append(contract.violation())
    return pl.coalesce(reasons)


def _undated_reasons(rules: MappingRules) -> list[pl.Expr]:
    (begin, end), time = _bounds(rules), pl.col("time")
    found: list[pl.Expr] = [
        pl.when(time.is_null()).then(pl.lit("unreadable_time")),
        pl.when(time < begin).then(pl.lit("before_first_day")),
        pl.when(time > rules.now).then(pl.lit("in_the_future")),
    ]
    if end is not None:
        found.append(pl.when(time >= end).then(pl.lit("after_last_day")))
    return found


def _bounds(rules: MappingRules) -> tuple[datetime, datetime | None]:
    """Where the days of the estate begin, and where they end (not included; None: they go on)."""
    estate = rules.estate
    end = start_of(estate.last_day + timedelta(days=1), estate.zone) if estate.last_day is not None else None
    return start_of(estate.first_day, estate.zone), end
