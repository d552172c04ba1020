"""Looks at a folder that nobody has prepared, and proposes its estate file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from energy_platform.domain.days import zone_of
from energy_platform.domain.errors import EnergyPlatformError, EstateError
from energy_platform.sources.inspect.folder import FoundFile, files_of
from energy_platform.sources.inspect.groups import FileGroup, groups_of
from energy_platform.sources.inspect.naming import fit, sensor_type_of, slug
from energy_platform.sources.inspect.proposal import Proposal, Question, SourceProposal
from energy_platform.sources.inspect.roles import Casting, cast, hours_in_columns
from energy_platform.sources.inspect.source_entries import Surroundings, propose_source
from energy_platform.sources.inspect.tables import (
    FoundTable,
    first_rows,
    table_of_csv,
    tables_of_database,
    tables_of_json,
)
from energy_platform.sources.inspect.times import time_form
from energy_platform.sources.inspect.vocabulary import TARGETS, TIME_WORDS
from energy_platform.sources.inspect.words import ZONE_OF_OFFSET
from energy_platform.sources.open_questions import OPEN, open_question

_SECTIONS = ("readings", "energy", "alerts", "predictions")
_ORDER = [target.name for target in TARGETS]
_SHOWN_COLUMNS = 6
#: Days as spreadsheets number them, from 1990 to 2100.
_SPREADSHEET_DAYS = (32_874.0, 73_051.0)
#: A name that is a word of a vocabulary as a whole.
_WHOLE_NAME = 3
_SHOWN = 20
#: Where a zone has to be named and nothing says which, these are offered.
_OFFERED_ZONES = ("Asia/Seoul", "Europe/Berlin", "America/New_York", "UTC")


def inspect_folder(folder: Path, *, timezone: str | None = None, estate_file: Path | None = None) -> Proposal:
    """Look at every file of a folder, and say what it is taken for.

    Args:
        folder: that holds the files; nothing in it is written.
        timezone: IANA zone of times that carry none, where it is known.
        estate_file: of the folder, which is no data; it is not read.

    Raises:
        EstateError: there is no such folder, nothing in it can be loaded, or the zone is unknown.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        problem = "This is a file, not a folder." if folder.exists() else "There is no such folder."
        raise EstateError(problem, where=str(folder), remedy="Name the folder that holds the data.")
    if timezone is not None:
        zone_of(timezone)
    proposal = _Inspection(folder, timezone).proposal(files_of(folder, estate_file))
    if not proposal.sources and proposal.models_folder is None:
        shown = "".join(
            f"\n  {name}: {why.removeprefix(OPEN)}" for name, why in sorted(proposal.ignored.items())[:_SHOWN]
        )
        raise EstateError(
            "Nothing in this folder can be loaded.",
            where=str(folder),
            remedy=f"Name the folder that holds SQLite, CSV, JSON or PKL files.{shown}",
        )
    return proposal


@dataclass(slots=True)
class _Inspection:
    """One look at a folder."""

    folder: Path
    timezone: str | None
    ignored: dict[str, str] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    left_arrays: dict[str, list[str]] = field(default_factory=dict)
    castings: list[tuple[tuple[FoundTable, ...], Casting, FileGroup | None]] = field(default_factory=list)

    def proposal(self, files: Sequence[FoundFile]) -> Proposal:
        tables = [table for file in files for table in self._tables_of(file)]
        self._cast(tables, files)
        register = self._register()
        sources = [self._source(*one, register) for one in self.castings]
        sources.sort(key=lambda source: (_ORDER.index(source.section), source.name))
        models_folder, model_files = self._models(files)
        self._mapped_files_are_not_ignored(sources)
        head, comments = self._head(sources)
        questions = [*self.questions, *(question for source in sources for question in source.questions)]
        return Proposal(
            folder=self.folder,
            head=head,
            comments=comments,
            sources=tuple(sources),
            models_folder=models_folder,
            model_files=tuple(model_files),
            ignored=self.ignored,
            questions=tuple(questions),
        )

    # -- files and tables -----------------------------------------------------------------------------------------

    def _tables_of(self, file: FoundFile) -> list[FoundTable]:
        if file.kind == "model":
            self.models.append(file.name)
            return []
        if file.why:
            self._ignore(file.name, file.why, asked=file.is_data)
            return []
        try:
            if file.kind == "sqlite":
                tables = tables_of_database(file.path, file.name)
                if not tables:
                    self._ignore(file.name, "a database without tables")
            elif file.kind == "json":
                tables = tables_of_json(file.path, file.name)
                if not tables:
                    self._ignore(file.name, "settings: no array of objects stands in it")
            else:
                table = table_of_csv(file.path, file.name)
                tables = [table] if table is not None else []
                if not tables:
                    self._ignore(file.name, "text that is no table", asked=file.is_surely_a_table)
        except EnergyPlatformError as error:
            self._ignore(file.name, error.what.rstrip("."), asked=file.is_surely_a_table or file.kind != "csv")
            return []
        return tables

    def _ignore(self, name: str, why: str, *, asked: bool = False) -> None:
        if not asked:
            self.ignored[name] = why
            return
        self.ignored[name] = open_question(why)
        self.questions.append(
            Question(
                name,
                f"It is not loaded: {why}. Is that right?",
                f"Mend or replace the file; or write under `ignore:` why it is left out, without the `{OPEN.strip()}`.",
            )
        )

    def _cast(self, tables: Sequence[FoundTable], files: Sequence[FoundFile]) -> None:
        groups, others = groups_of(tables, [file.name for file in files])
        for group in groups:
            casting = None if hours_in_columns(group.tables[0]) else cast(group.tables[0])
            if casting is None or not casting.target.is_section or _are_sensors(group, casting):
                # registers are read one by one, and so are files that hold a sensor of another type each
                by_name = {table.name: table for table in tables}
                others += [by_name[table.name] for table in group.tables]
            else:
                self.castings.append((group.tables, casting, group))
        for table in others:
            self._cast_one(table)

    def _cast_one(self, table: FoundTable) -> None:
        if table.is_view:
            self.ignored[table.name] = "a view: its rows come from tables"
        elif table.problem:
            self._leave(table, table.problem.rstrip("."), asked=True)
        elif not table.columns or not table.rows:
            self._leave(table, "no rows stand in it", asked=False)
        elif hours_in_columns(table):
            self._leave(table, "it has a column for each hour of the day: write a row for each time", asked=True)
        elif (casting := cast(table)) is not None:
            self.castings.append(((table,), casting, None))
        else:
            shown = ", ".join(column.name for column in table.columns[:_SHOWN_COLUMNS])
            more = ", …" if len(table.columns) > _SHOWN_COLUMNS else ""
            timed = any(column.kind in {"time", "date"} for column in table.columns)
            measured = any(column.kind in {"number", "integer"} for column in table.columns)
            told = _unread_times(table) if measured and not timed else ""
            self._leave(
                table, f"it fits no target by its columns {shown}{more}{told}", asked=measured and (timed or bool(told))
            )

    def _leave(self, table: FoundTable, why: str, *, asked: bool) -> None:
        # a file of JSON may hold several arrays: only as a whole can it be ignored
        if table.kind == "json":
            self.left_arrays.setdefault(table.file, []).append(f"{table.at or 'its array'} is not loaded: {why}.")
        self._ignore(table.name if table.kind == "sqlite" else table.file, why, asked=asked)

    def _mapped_files_are_not_ignored(self, sources: Sequence[SourceProposal]) -> None:
        mapped: set[str] = set()
        for source in sources:
            file = source.tables[0].file
            if source.tables[0].kind == "json" and file not in mapped:
                mapped.add(file)
                source.notes += self.left_arrays.get(file, [])
        for file in mapped & self.ignored.keys():
            del self.ignored[file]
            self.questions = [question for question in self.questions if question.where != file]
        for file in {name.rpartition("/")[0] for name in self.ignored}:
            parts = [name for name in self.ignored if name.rpartition("/")[0] == file]
            is_mapped = any(table.file == file for source in sources for table in source.tables)
            if file.endswith((".db", ".sqlite", ".sqlite3")) and not is_mapped and (self.folder / file).is_file():
                # nothing of the database is loaded: it is ignored as a whole
                whys = {self.ignored[name] for name in parts}
                asked = any(why.startswith(OPEN) for why in whys)
                self.ignored[file] = (OPEN if asked else "") + "; ".join(why.removeprefix(OPEN) for why in sorted(whys))
                for name in parts:
                    del self.ignored[name]

    # -- sources --------------------------------------------------------------------------------------------------

    def _register(self) -> Surroundings:
        """Whether some source knows the building of each sensor, and whether there is but one building."""
        has_register = any(
            {"sensor", "building"} <= casting.matches.keys() or {"sensor_id", "building_id"} <= casting.matches.keys()
            for _, casting, _ in self.castings
        )
        codes: set[str] = set()
        certain = True
        for _, casting, _ in self.castings:
            for role in ("building", "building_id"):
                if (column := casting.column_of(role)) is not None:
                    codes |= set(column.values)
                    certain = certain and bool(column.values)
        only = codes.pop() if certain and len(codes) == 1 else None
        return Surroundings(has_register, only, timezone=self.timezone, buildings=self._buildings())

    def _buildings(self) -> frozenset[str]:
        """The codes of buildings that a table of them holds; looked up only where columns may be called by them."""
        if not any(casting.called_by_columns for _, casting, _ in self.castings):
            return frozenset()
        found: set[str] = set()
        for tables, casting, _ in self.castings:
            column = casting.column_of("building_id") if casting.target.name == "buildings" else None
            if column is not None:
                found |= {row[column.position] or "" for row in first_rows(tables[0])}
        return frozenset(found)

    def _source(
        self,
        tables: tuple[FoundTable, ...],
        casting: Casting,
        group: FileGroup | None,
        register: Surroundings,
    ) -> SourceProposal:
        if group is None:
            return propose_source(tables, casting, register)
        no_building = "building" not in casting.matches
        around = Surroundings(
            has_register=register.has_register,
            only_building=None if group.name_pattern and no_building else register.only_building,
            name_pattern=group.name_pattern if no_building else None,
            pattern=group.pattern,
            timezone=register.timezone,
            buildings=register.buildings,
        )
        made = propose_source(tables, casting, around)
        made.notes.insert(0, f"{len(tables)} files of one kind, e.g. {tables[0].file}")
        if around.name_pattern is not None:
            codes = list(dict.fromkeys(group.varying))
            shown = ", ".join(codes[:_SHOWN_COLUMNS]) + (", …" if len(codes) > _SHOWN_COLUMNS else "")
            made.notes.append(f"The building stands in the name of each file: {shown}")
            if not group.is_building:
                made.comments["building"] = "likely: the files are called by buildings"
        return made

    # -- models ---------------------------------------------------------------------------------------------------

    def _models(self, files: Sequence[FoundFile]) -> tuple[str | None, list[str]]:
        folders = Counter(str(PurePosixPath(name).parent) for name in self.models)
        inside = {folder: count for folder, count in folders.items() if folder != "."}
        chosen = max(inside, key=lambda folder: (inside[folder], folder), default=None)
        for name in self.models:
            if chosen is None or not name.startswith(f"{chosen}/"):
                self._ignore(name, "a model outside of the one folder that models are read from: move it", asked=True)
        if chosen is None:
            return None, []
        for file in files:
            if file.name.startswith(f"{chosen}/") and file.name in self.ignored:
                del self.ignored[file.name]  # what lies beside models needs no mention
        return chosen, [name for name in self.models if name.startswith(f"{chosen}/")]

    # -- the top of the estate file -------------------------------------------------------------------------------

    def _head(self, sources: Sequence[SourceProposal]) -> tuple[dict[str, Any], dict[str, str]]:
        head: dict[str, Any] = {"estate": slug(self.folder.name, "estate")}
        comments: dict[str, str] = {"estate": "its code, from the folder's name: fixed once data is loaded"}
        head["timezone"], comments["timezone"] = self._zone(sources)
        head["first_day"], comments["first_day"] = self._first_day(sources)
        head["last_day"] = "open"
        comments["last_day"] = "or the last day, where nothing more comes"
        head["tenant"] = self._tenant(sources)
        return head, comments

    def _zone(self, sources: Sequence[SourceProposal]) -> tuple[str, str]:
        forms = [
            (source, column.name, column.time)
            for source in sources
            for table in source.tables
            for column in table.columns
            if column.time is not None and any(p.name == column.name and p.role != "ignored" for p in source.columns)
        ]
        if self.timezone is not None:
            return self.timezone, "of times that carry none, and of the days"
        naive = [(source, name) for source, name, form in forms if not form.zoned and source.is_section]
        naive = naive or [(source, name) for source, name, form in forms if not form.zoned and form.has_clock]
        offsets = frozenset[str]().union(*(form.offsets for *_, form in forms)) if forms else frozenset()
        told = [offset for offset in offsets if offset != "+00:00"]
        likely = ZONE_OF_OFFSET.get(told[0]) if len(told) == 1 else None
        if not naive:
            zone = likely or "UTC"
            return zone, "likely: all times carry a zone; this one divides them into days"
        options = [likely, *(zone for zone in _OFFERED_ZONES if zone != likely)] if likely else _OFFERED_ZONES
        source, name = naive[0]
        self.questions.insert(
            0,
            Question(
                "timezone",
                f"In which time zone are times that carry none, e.g. {name!r} of {source.name}?",
                "Write `timezone:` with an IANA zone such as Asia/Seoul; or run it with --timezone Asia/Seoul.",
            ),
        )
        return open_question(*options), "of times that carry none, and of the days"

    def _first_day(self, sources: Sequence[SourceProposal]) -> tuple[date, str]:
        days: list[date] = []
        whole = True
        for source in sources:
            if not source.is_section:
                continue
            playing = {proposal.name for proposal in source.columns if proposal.role == "time"}
            for table in source.tables:
                for column in table.columns:
                    if column.name in playing and column.days is not None:
                        days.append(column.days[0])
                        whole = whole and table.whole
        if not days:
            return date(2000, 1, 1), "no source has times"
        first = min(days)
        if whole:
            return first, "the first one in the data; earlier rows would be quarantined"
        return first.replace(month=1, day=1), f"likely: not all rows were looked at; of those the first is of {first}"

    @staticmethod
    def _tenant(sources: Sequence[SourceProposal]) -> dict[str, str]:
        for source in sources:
            if source.section == "tenants" and source.rows == 1:
                table = source.tables[0]
                roles = {proposal.role: table.column(proposal.name) for proposal in source.columns}
                code, name = roles.get("tenant"), roles.get("name")
                if code is not None and name is not None and code.values and name.values:
                    return {"code": code.values[0], "name": name.values[0]}
        return {"code": "default", "name": "Default"}


def _unread_times(table: FoundTable) -> str:
    """What to say of a column that is called like a time, and holds none that can be read."""
    for column in table.columns:
        low, high = column.low or 0.0, column.high or 0.0
        is_serial = column.kind == "number" and _SPREADSHEET_DAYS[0] < low <= high < _SPREADSHEET_DAYS[1]
        is_unread = is_serial or (column.kind == "text" and time_form([column.example]) is None)
        if is_unread and fit(column.words, TIME_WORDS) == _WHOLE_NAME:
            return (
                f"; {column.name!r} is called like a time, and {column.example!r} is in no form that is known: write"
                f" the source with `time: {{column: {column.name}, format: …}}`"
            )
    return ""


def _are_sensors(group: FileGroup, casting: Casting) -> bool:
    """Each file holds one sensor, and their names say what each measures."""
    if casting.target.name != "readings" or casting.wide or {"sensor", "type"} & casting.matches.keys():
        return False
    return bool(group.varying) and all(sensor_type_of(part) is not None for part in group.varying)
