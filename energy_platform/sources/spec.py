"""What an estate file says, once it has been understood: nothing here has opened a data file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from energy_platform.domain.contracts import ColumnType
from energy_platform.domain.registers import REGISTER, RegisterRule
from energy_platform.domain.time_forms import ANY_FORM, Ambiguous, TimeForm

if TYPE_CHECKING:
    from energy_platform.sources.mended import MendedRows

Kind = Literal["sqlite", "csv", "json"]
Shape = Literal["long", "wide"]

#: Columns that readers add to every batch.
KEY_COLUMN = "@key"
ORDER_COLUMN = "@order"
#: The column of mean power in kW that follows from registers.
POWER_COLUMN = "@power"
#: The column of a JSON object of arrays that holds the array's key.
GROUP_COLUMN = "@group"


@dataclass(frozen=True, slots=True)
class Role:
    """Where the values of one canonical column come from: a column, a constant, or the register of sensors.

    Attributes:
        column: name of the source's column; None where there is none. An unnamed CSV column is the empty text.
        constant: the same value for all rows: text, a number or a flag; None where it is no constant.
        map: values of the column, as text, and what they become; values it does not name stay as they are.
        from_sensor: the building follows from the sensor of the row.
        clock: name of a second column, with the time of day; it is put behind the first one with a blank between.
        time: how its times are written.
        unit: of its numbers, by its proper name; None where they are in the unit that is stored.
        strip: texts of which one may stand glued to a number, such as its unit.
        per_minutes: its numbers are the energy of so many minutes, and become mean power; None where they are not.
        from_column: it is the name of the column that a value of a wide source stands in.
    """

    column: str | None = None
    constant: object | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    from_sensor: bool = False
    clock: str | None = None
    time: TimeForm = ANY_FORM
    unit: str | None = None
    strip: tuple[str, ...] = ()
    per_minutes: float | None = None
    from_column: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the source's columns that it takes its values from."""
        return tuple(name for name in (self.column, self.clock) if name is not None)


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How the numbers of a source are written, where they are text.

    Attributes:
        decimal: what stands before the fraction.
        thousands: what stands between groups of three digits; empty where nothing does.
    """

    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """What stands in a CSV file beside its data.

    Attributes:
        header: the first record names the columns.
        columns: their names, where no header does.
        comment: lines that begin with it are no data; empty where there are none.
        skip_rows: how many lines stand before the header.
        units_row: the first record below the header holds units.
    """

    header: bool = True
    columns: tuple[str, ...] = ()
    comment: str = ""
    skip_rows: int = 0
    units_row: bool = False


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source: a table, a CSV file or a JSON array, and what its columns are.

    Attributes:
        name: as it stands in the ledger and in reports, e.g. `sensor_readings.db/alerts`.
        kind: of file.
        path: of the file.
        table: of a SQLite file; None elsewhere.
        at: dotted path inside a JSON file; None for its top level, and elsewhere.
        key: column that identifies a row to people; None where the position in the file does.
        encoding: of the text, where the estate file names one.
        separator: of a CSV file, where the estate file names one.
        layout: of a CSV file.
        numbers: how numbers are written.
        missing: texts that mean that there is no value.
        ambiguous: what becomes of local times that exist twice.
        shape: `wide` where a row holds several readings, one per column of `values`.
        target: name of the measurement or table that it feeds.
        roles: canonical column and where its values come from.
        extra: further fields (of a table: names within `attributes`) and their columns.
        values: columns of a wide source, and the sensor type that each is; of energy, its field.
        value_roles: of such columns, where they say more than their sensor type: unit and glued texts.
        ignored: columns that are not loaded, and why.
        where: its place in the estate file, for messages.
        mended: rows that a person has mended; None where there are none.
        register: what is known of the registers of meters that its power follows from; None where it does not.
    """

    name: str
    kind: Kind
    path: Path
    target: str
    table: str | None = None
    at: str | None = None
    key: str | None = None
    encoding: str | None = None
    separator: str | None = None
    shape: Shape = "long"
    roles: Mapping[str, Role] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    layout: CsvLayout = CsvLayout()
    numbers: NumberForm = NumberForm()
    missing: tuple[str, ...] = ()
    ambiguous: Ambiguous = "earliest"
    value_roles: Mapping[str, Role] = field(default_factory=dict)
    mended: MendedRows | None = None
    register: RegisterRule | None = None

    @property
    def fixed_fields(self) -> dict[str, ColumnType]:
        """Fields beside the contract's own that it feeds, whatever it holds, and their types."""
        return {REGISTER.name: REGISTER.type} if self.register is not None else {}

    @property
    def value_column(self) -> str:
        """The canonical column that the values of a wide source are of."""
        return "power_kw" if self.target == "energy_consumption" else "value"

    @property
    def has_tenant_role(self) -> bool:
        """Whether rows say themselves which tenant they belong to."""
        return "tenant_id" in self.roles

    def columns_used(self) -> dict[str, str]:
        """Every column that the estate file names for loading, and the place that names it, e.g. `time`."""
        used: dict[str, str] = {}
        for role_name, role in self.roles.items():
            for column in role.columns:
                if column != POWER_COLUMN:
                    used.setdefault(column, role_name)
        for field_name, column in self.extra.items():
            used.setdefault(column, f"extra.{field_name}")
        for column in self.values:
            used.setdefault(column, "values")
        if self.key is not None:
            used.setdefault(self.key, "key")
        return used

    def resolved(self, columns: Iterable[str]) -> SourceSpec:
        """This source with the roles that follow from its columns.

        A column of a table's source that is called like the target's column maps by itself, unless it is ignored or
        that column has a role already. Sources of measurements come back unchanged.
        """
        from energy_platform.domain.tables import TABLES

        contract = TABLES.get(self.target)
        if contract is None:
            return self
        present = set(columns)
        own = {
            name: Role(column=name)
            for name in contract.column_names
            if name in present and name not in self.roles and name not in self.ignored
        }
        return replace(self, roles={**self.roles, **own}) if own else self


@dataclass(frozen=True, slots=True)
class FilePattern:
    """An entry of the estate file that stands for every file that fits.

    Attributes:
        glob: the pattern, from the estate's folder on.
        template: the source that one of the files is.
        texts: canonical columns whose text the file's path holds, and the regular expression that finds it.
    """

    glob: str
    template: SourceSpec
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estate:
    """A folder of somebody's files, and what each of them is.

    Attributes:
        code: of the estate: in the ledger, and in the name of Dagster's database.
        folder: absolute.
        file: the estate file, absolute.
        zone: of times that carry none, and of the days.
        first_day: rows before it are quarantined.
        last_day: None where the estate is open.
        tenant_code: of rows that name no tenant themselves.
        tenant_name: of that tenant.
        sources: in the order of the file, which decides which of two rows came first.
        models_folder: folder of PKL files, absolute; None where there is none.
        ignored: files, folders (`name/`) and tables (`file.db/table`) that are not loaded, and why.
        patterns: entries that stand for several files; those that are there are among the sources.
    """

    code: str
    folder: Path
    file: Path
    zone: ZoneInfo
    first_day: date
    last_day: date | None
    tenant_code: str
    tenant_name: str
    sources: tuple[SourceSpec, ...]
    models_folder: Path | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[FilePattern, ...] = ()
    _positions: dict[tuple[str, str], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Notes where each source stands: there may be thousands."""
        places = {(spec.target, spec.name): position for position, spec in enumerate(self.sources)}
        object.__setattr__(self, "_positions", places)

    def position_of(self, source: SourceSpec) -> int:
        """The place of a source among all sources, which says which of two rows came first."""
        return self._positions[source.target, source.name]

    def sources_of(self, target: str) -> tuple[SourceSpec, ...]:
        """The sources that feed a measurement or table, in the order of the file."""
        return tuple(source for source in self.sources if source.target == target)

    def register_sources(self) -> tuple[SourceSpec, ...]:
        """The sources whose power follows from registers of meters."""
        return tuple(source for source in self.sources if source.register is not None)

    def targets(self) -> tuple[str, ...]:
        """Measurements and tables that are fed, each once, in the order of the file."""
        return tuple(dict.fromkeys(source.target for source in self.sources))
