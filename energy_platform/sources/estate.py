"""Reads estate.yaml: what each file of a folder is. Opens no data file, and is quick: Dagster's definitions load it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from energy_platform.domain.contracts import Column, Contract
from energy_platform.domain.days import zone_of
from energy_platform.domain.errors import EstateError
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.registers import CORRECTIONS_TABLE, REGISTER
from energy_platform.domain.tables import TABLES
from energy_platform.domain.time_forms import Ambiguous
from energy_platform.sources.estate_options import OptionReading
from energy_platform.sources.estate_registers import RegisterReading
from energy_platform.sources.estate_roles import RoleReading
from energy_platform.sources.estate_values import kind_of
from energy_platform.sources.globs import fitting_files, is_glob
from energy_platform.sources.naming import suggestion
from energy_platform.sources.open_questions import refuse_open_questions
from energy_platform.sources.spec import Estate, FilePattern, Kind, Role, SourceSpec
from energy_platform.sources.yaml_file import load_yaml

__all__ = ["Estate", "Role", "SourceSpec", "check_estate", "read_estate"]

#: The file that an estate is described in, where no other is named.
ESTATE_FILE = "estate.yaml"

_SECTIONS = {
    "readings": "sensor_data",
    "energy": "energy_consumption",
    "alerts": "alerts",
    "predictions": "predictions",
}
_TOP_LEVEL = (
    *("estate", "timezone", "ambiguous", "first_day", "last_day", "tenant"),
    *(*_SECTIONS, "tables", "models", "ignore"),
)
_KINDS: tuple[Kind, ...] = ("sqlite", "csv", "json")
_SHORT = {"building": "building_id", "sensor": "sensor_id", "meter": "meter_id", "tenant": "tenant_id"}

#: Role names of each section and the canonical columns that they are.
_ROLES: Mapping[str, Mapping[str, str]] = {
    "readings": {
        **{name: _SHORT.get(name, name) for name in ("time", "building", "sensor", "value", "state", "confidence")},
        **{name: _SHORT.get(name, name) for name in ("status", "unit", "floor", "room_type", "tenant")},
        "type": "sensor_type",
    },
    "energy": {
        name: _SHORT.get(name, name)
        for name in ("time", "building", "meter", "power_kw", "temperature_c", "humidity_pct", "occupancy", "tenant")
    },
    "alerts": {
        **{name: _SHORT.get(name, name) for name in ("time", "building", "sensor", "severity", "message", "resolved")},
        "type": "alert_type",
        "tenant": "tenant_id",
    },
    "predictions": {
        name: _SHORT.get(name, name)
        for name in (
            *("time", "building", "model", "lead_days", "power_kw", "lower_kw", "upper_kw", "issued_at", "tenant"),
        )
    },
}

_CODE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,59}")
_TENANT_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f{}:*?\[\]/\\]|^\s|\s$")

_SAMPLE = "`energy-platform sample DIR` makes a folder with one to look at."


def read_estate(folder: Path, file: Path | None = None) -> Estate:
    """Reads and checks the estate file alone; no data file is opened (`check_estate` does that).

    Args:
        folder: the folder that holds the files.
        file: the estate file; `estate.yaml` inside of the folder where None.

    Raises:
        EstateError: the folder or the file is missing, or something in the file is wrong.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        problem = "This is a file, not a folder." if folder.exists() else "There is no such folder."
        raise EstateError(problem, where=str(folder), remedy="Name the folder that holds the data and its estate.yaml.")
    path = (folder / ESTATE_FILE if file is None else Path(file)).absolute()
    try:
        found = path.is_file()
    except PermissionError:
        raise EstateError(
            "This user may not enter the folder.",
            where=str(path.parent),
            remedy="Let it read the folder and its files; in a container it is user 10001.",
        ) from None
    if not found:
        raise EstateError(
            "There is no such estate file.",
            where=str(path),
            remedy=f"Let `energy-platform inspect` propose one, or name one with --estate. {_SAMPLE}",
        )
    content = load_yaml(path)
    refuse_open_questions(content, path)
    return _Reading(folder, path).estate(content)


def check_estate(estate: Estate) -> None:
    """Looks at the folder: every file, table and column is mapped or ignored, and what is mapped is there.

    Raises:
        EstateError: something is neither mapped nor ignored, or a mapped table, column or JSON path does not exist.
        SourceMissingError: a mapped file does not exist.
        SourceError: a mapped file cannot be read.
    """
    from energy_platform.sources.checking import check

    check(estate)


def role_name(target: str, column: str) -> str:
    """What the estate file calls a canonical column: `building` for `building_id` of a measurement."""
    for section, measurement in _SECTIONS.items():
        if measurement == target:
            found = next((role for role, name in _ROLES[section].items() if name == column), column)
            return "register" if found == REGISTER.name else found
    return "tenant" if column == "tenant_id" else column


class _Reading(RegisterReading, RoleReading, OptionReading):
    """One reading of one estate file: turns plain YAML into an `Estate`, or says where it is wrong."""

    def __init__(self, folder: Path, file: Path) -> None:
        super().__init__(folder, file)
        self.patterns: list[FilePattern] = []

    def estate(self, content: Any) -> Estate:
        if content is None:
            self.fail("", "The file is empty.", f"Say in it what each file of the folder is. {_SAMPLE}")
        top = self.mapping(content, "")
        self.known(top, _TOP_LEVEL, "")
        for name in ("estate", "timezone", "first_day"):
            if name not in top:
                self.fail(name, "This key is missing.", f"Add `{name}:`. {_SAMPLE}")
        code = self.text(top["estate"], "estate")
        if not _CODE.fullmatch(code):
            self.fail(
                "estate",
                f"{code!r} cannot be the code of an estate.",
                "Use small letters, digits, _ and -, a letter first, at most 40.",
            )
        zone_name = self.text(top["timezone"], "timezone")
        try:
            zone = zone_of(zone_name)
        except EstateError as error:
            self.fail("timezone", error.what, error.remedy)
        first_day = self.day(top["first_day"], "first_day")
        last_day = None if top.get("last_day", "open") == "open" else self.day(top["last_day"], "last_day")
        if last_day is not None and first_day > last_day:
            self.fail(
                "last_day", f"{last_day} lies before first_day, {first_day}.", "Swap them, or write `last_day: open`."
            )
        tenant_code, tenant_name = self.tenant(top.get("tenant", {"code": "default", "name": "Default"}))
        ignored = self.reasons(top.get("ignore", {}), "ignore")
        sources = self.sources(top, ignored)
        models = self.models(top["models"]) if "models" in top else None
        if not sources and models is None:
            self.fail("", "No source is mapped.", f"Add readings, energy, alerts, tables or models. {_SAMPLE}")
        self.contradictions(sources, ignored)
        return Estate(
            code=code,
            folder=self.folder,
            file=self.file,
            zone=zone,
            first_day=first_day,
            last_day=last_day,
            tenant_code=tenant_code,
            tenant_name=tenant_name,
            sources=sources,
            models_folder=models,
            ignored=ignored,
            patterns=tuple(self.patterns),
        )

    def tenant(self, value: Any) -> tuple[str, str]:
        given = self.mapping(value, "tenant")
        self.known(given, ("code", "name"), "tenant")
        if "code" not in given:
            self.fail("tenant.code", "This key is missing.", "Write `tenant: {code: …, name: …}`.")
        code = self.text(given["code"], "tenant.code")
        if code == "unassigned" or len(code) > 64 or _TENANT_FORBIDDEN.search(code):
            self.fail(
                "tenant.code",
                f"{code!r} cannot be the code of a tenant.",
                "Use at most 64 letters, digits, _ and -; `unassigned` is reserved.",
            )
        return code, self.text(given["name"], "tenant.name") if "name" in given else code

    # -- sources --------------------------------------------------------------------------------------------------

    def sources(self, top: Mapping[str, Any], ignored: Mapping[str, str]) -> tuple[SourceSpec, ...]:
        found: list[SourceSpec] = []
        rule = self.ambiguous(top, "", "earliest")
        for section in top:
            if section in _SECTIONS:
                entries = top[section]
                if not isinstance(entries, list):
                    self.fail(section, f"A list must stand here, not {kind_of(entries)}.", "Begin each source with -.")
                contract = MEASUREMENTS[_SECTIONS[section]]
                for position, entry in enumerate(entries):
                    found += self.source(entry, f"{section}[{position}]", section, contract, rule, ignored)
            elif section == "tables":
                for name, entry in self.mapping(top["tables"], "tables").items():
                    contract = self.table(name)
                    several = entry if isinstance(entry, list) else [entry]
                    for i, one in enumerate(several):
                        place = f"tables.{name}[{i}]" if isinstance(entry, list) else f"tables.{name}"
                        found += self.source(one, place, None, contract, rule, ignored)
        seen: dict[tuple[str, str], str] = {}
        for spec in found:
            earlier = seen.setdefault((spec.target, spec.name), spec.where)
            if earlier is not spec.where:
                self.fail(
                    spec.where.partition(": ")[2],
                    f"{spec.name!r} stands here, and in {earlier} already.",
                    "Remove one of the two.",
                )
        return tuple(found)

    def table(self, name: str) -> Contract:
        options = [table for table in TABLES if table not in {"models", CORRECTIONS_TABLE}]
        if name == "models":
            self.fail("tables.models", "Models are read from their files.", "Write `models: {folder: …}` instead.")
        if name == CORRECTIONS_TABLE:
            what = "Corrections of registers follow from their readings."
            self.fail(f"tables.{name}", what, "Write `register:` in the section `energy` instead.")
        if name not in options:
            self.fail(
                f"tables.{name}",
                f"The table {name!r} is unknown.",
                f"{suggestion(name, options)}Tables are {', '.join(options)}.",
            )
        return TABLES[name]

    def source(
        self,
        value: Any,
        place: str,
        section: str | None,
        contract: Contract,
        rule: Ambiguous,
        ignored: Mapping[str, str],
    ) -> list[SourceSpec]:
        """The sources of one entry: one for each file where it names several by a pattern."""
        given = self.mapping(value, place)
        kind = self.kind(given, place)
        role_names = self.role_names(section, contract)
        self.known(given, [*self.options(kind, section), *role_names], place)
        files = self.files(given[kind], f"{place}.{kind}", ignored)
        table = at = None
        if kind == "sqlite":
            if "table" not in given:
                self.fail(f"{place}.table", "This key is missing.", "Name the table or view that is read.")
            table = self.text(given["table"], f"{place}.table")
        elif given.get("at") is not None:
            at = self.text(given["at"], f"{place}.at")
        shape = given.get("shape", "long")
        if shape not in ("long", "wide"):  # a list, not a set: it may be anything
            self.fail(f"{place}.shape", f"{shape!r} is no shape.", "Write long or wide.")
        of_values = "power_kw" if section == "energy" else "value"
        column_of_values = (
            contract.column(of_values) if of_values in contract.column_names else Column("value", "float")
        )
        values, value_roles = self.values(given.get("values", {}), f"{place}.values", column_of_values)

        def role_of(role: str, column: str, file: str) -> Role:
            return self.role(given[role], f"{place}.{role}", _column_of(contract, column), file)

        roles = {column: role_of(role, column, files[0]) for role, column in role_names.items() if role in given}
        named_by_file = [
            (role, column)
            for role, column in role_names.items()
            if isinstance(given.get(role), dict) and given[role].get("from") == "name"
        ]
        register, of_register = self.register(given, place)
        roles |= of_register
        spec = SourceSpec(
            name=_name_of(files[0], table or at),
            kind=kind,
            path=self.folder / files[0],
            target=contract.name,
            table=table,
            at=at,
            key=self.text(given["key"], f"{place}.key", empty=True) if "key" in given else None,
            encoding=self.encoding(given["encoding"], f"{place}.encoding") if "encoding" in given else None,
            separator=self.separator(given["separator"], f"{place}.separator") if "separator" in given else None,
            shape=shape,
            roles=roles,
            extra=self.further(given.get("extra", {}), f"{place}.extra", contract),
            values=values,
            ignored=self.reasons(given.get("ignore", {}), f"{place}.ignore"),
            where=f"{self.file.name}: {place}",
            layout=self.layout(given, place),
            numbers=self.numbers(given, place),
            missing=self.missing(given, place),
            ambiguous=self.ambiguous(given, place, rule),
            value_roles=value_roles,
            register=register,
        )
        if section is not None:
            self.complete(spec, place, section, contract)
        self.unambiguous(spec, place)
        if is_glob(given[kind]) and not (self.folder / given[kind]).exists():
            texts = {column: given[role]["pattern"] for role, column in named_by_file}
            self.patterns.append(FilePattern(str(PurePosixPath(given[kind])), spec, texts))
        return [
            spec,
            *(
                replace(
                    spec,
                    name=_name_of(file, table or at),
                    path=self.folder / file,
                    roles={**roles, **{column: role_of(role, column, file) for role, column in named_by_file}},
                )
                for file in files[1:]
            ),
        ]

    def files(self, value: Any, place: str, ignored: Mapping[str, str]) -> list[str]:
        """The files that an entry names, from the estate's folder on: one, or those that fit a pattern."""
        given = self.inside(value, place)
        if not is_glob(given) or (self.folder / given).exists():
            return [given]
        found = fitting_files(self.folder, given, ignored)
        if not found:
            self.fail(
                place,
                f"No file fits {given!r}.",
                "Mend the pattern, or take the entry out until there is one: `**/` stands for any folders.",
            )
        return found

    def kind(self, given: Mapping[str, Any], place: str) -> Kind:
        kinds: list[Kind] = [kind for kind in _KINDS if kind in given]
        if len(kinds) != 1:
            what = f"{' and '.join(kinds)} stand side by side." if kinds else "It does not say which file it is."
            hint = "" if kinds else "".join(suggestion(key, _KINDS) for key in given)
            self.fail(place, what, f"{hint}Write exactly one of `sqlite: file`, `csv: file`, `json: file`.")
        return kinds[0]

    @staticmethod
    def role_names(section: str | None, contract: Contract) -> Mapping[str, str]:
        if section is not None:
            return _ROLES[section]
        return {**{name: name for name in contract.column_names if name != "tenant_id"}, "tenant": "tenant_id"}

    def further(self, value: Any, place: str, contract: Contract) -> dict[str, str]:
        given = self.mapping(value, place)
        for name, column in given.items():
            if not _FIELD.fullmatch(name):
                self.fail(
                    f"{place}.{name}",
                    f"{name!r} cannot be the name of a field.",
                    "Use small letters, digits and _, a letter first.",
                )
            if name in contract.column_names:
                self.fail(
                    f"{place}.{name}",
                    f"{name!r} is a column of {contract.name} itself.",
                    f"Write `{name}: {column}` beside `extra:`, or give it another name.",
                )
            self.text(column, f"{place}.{name}", empty=True)
        return dict(given)

    def complete(self, spec: SourceSpec, place: str, section: str, contract: Contract) -> None:
        """A source of a measurement has every role without which no row could be loaded."""
        role_of = {column: role for role, column in _ROLES[section].items()}
        needed = [column.name for column in contract.columns if column.required]
        needed = [name for name in needed if name not in {"tenant_id", "meter_id"}]
        if spec.shape == "wide":
            needed = [name for name in needed if name != "sensor_id"]
            if not spec.values:
                kind = "power_kw" if section == "energy" else "sensor type"
                self.fail(f"{place}.values", "A wide source needs `values:`.", f"Write {{column: {kind}, …}}.")
            if section == "energy":
                self.wide_energy(spec, place)
            for name in ("value", "state", "sensor_type", "power_kw"):
                if name in spec.roles:
                    self.fail(f"{place}.{role_of[name]}", "A wide source has its values in `values:`.", "Remove it.")
        elif spec.values:
            self.fail(f"{place}.values", "Only a wide source has `values:`.", "Add `shape: wide`.")
        for name in needed:
            if name not in spec.roles:
                self.fail(
                    f"{place}.{role_of[name]}",
                    f"The role `{role_of[name]}` is missing: no row of {contract.name} can be without it.",
                    f"Write `{role_of[name]}: column`, or {{const: …}}.",
                )
        for name, role in spec.roles.items():
            if role.from_column and spec.shape != "wide":
                self.fail(
                    f"{place}.{role_of[name]}",
                    "Only the columns of a wide source say by their names whose a value is.",
                    "Add `shape: wide` and `values:`, or name the column that holds it.",
                )
        building = spec.roles["building_id"]
        if building.from_sensor and (section not in {"readings", "alerts"} or "sensor_id" not in spec.roles):
            self.fail(
                f"{place}.building", "No sensor is mapped that the building could follow from.",
                "Write `sensor: column`, or name the column of the building.",
            )  # fmt: skip
        if contract.any_of and spec.shape == "long" and not spec.extra and not set(contract.any_of) & set(spec.roles):
            self.fail(
                place,
                f"It names no value: one of {', '.join(contract.any_of)} is needed.",
                f"Write e.g. `{contract.any_of[0]}: column`.",
            )

    def wide_energy(self, spec: SourceSpec, place: str) -> None:
        """Each value of a wide source of energy is the power of a building or meter that its column is called by."""
        if spec.register is not None:
            self.fail(
                f"{place}.register",
                "Registers of several meters cannot stand in columns of their own.",
                "Write a row for each reading of a meter, with the meter beside it.",
            )
        for column, field_name in spec.values.items():
            if field_name != spec.value_column:
                self.fail(
                    f"{place}.values.{column}",
                    f"{field_name!r} cannot stand in several columns.",
                    f"Write `{column}: {spec.value_column}`; what holds for the whole row has a role of its own.",
                )
        if len(spec.values) > 1 and not any(role.from_column for role in spec.roles.values()):
            self.fail(
                f"{place}.values",
                "Nothing tells the points of these columns apart.",
                "Write `building: {from: column}`, or `meter: {from: column}`, where a column is called by its own.",
            )

    def unambiguous(self, spec: SourceSpec, place: str) -> None:
        with_unit = [role for role in (spec.roles.get("value"), *spec.value_roles.values()) if role and role.unit]
        if with_unit and "unit" in spec.roles and spec.target not in TABLES:
            self.fail(
                f"{place}.unit",
                f"The values are said to be in {with_unit[0].unit}, and here stands another word for their unit.",
                "Remove one of the two; a column of units that is not needed goes under `ignore:`.",
            )
        if spec.extra and "attributes" in spec.roles:
            self.fail(f"{place}.extra", "`attributes` is mapped as a whole beside it.", "Remove one of the two.")
        used = spec.columns_used()
        for column in spec.ignored:
            if column in used:
                self.fail(
                    f"{place}.ignore.{column}",
                    f"The column {column!r} is ignored here, and used by {role_name(spec.target, used[column])}.",
                    "Remove one of the two.",
                )

    def models(self, value: Any) -> Path:
        given = self.mapping(value, "models")
        self.known(given, ("folder",), "models")
        if "folder" not in given:
            self.fail("models.folder", "This key is missing.", "Write `models: {folder: name}`.")
        return self.folder / self.inside(given["folder"], "models.folder")

    def contradictions(self, sources: Iterable[SourceSpec], ignored: Mapping[str, str]) -> None:
        for spec in sources:
            file = spec.path.relative_to(self.folder).as_posix()
            names = {file, spec.name} if spec.kind == "sqlite" else {file}
            if both := names & set(ignored):
                name = both.pop()
                self.fail(
                    f"ignore.{name}", f"It is ignored here, and mapped in {spec.where}.", "Remove one of the two."
                )


def _column_of(contract: Contract, name: str) -> Column:
    """A column of the target; what a reading says of its sensor stands in none."""
    if name in contract.column_names:
        return contract.column(name)
    return Column(name, "integer" if name == "floor" else "text")


def _name_of(file: str, inside: str | None) -> str:
    return unicodedata.normalize("NFC", file if inside is None else f"{file}/{inside}")
