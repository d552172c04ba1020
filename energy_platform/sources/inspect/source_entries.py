"""From what a table is taken for to what the estate file says about it, with the questions that this leaves open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from energy_platform.domain.contracts import Contract
from energy_platform.domain.measurements import MEASUREMENTS
from energy_platform.domain.tables import TABLES
from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.draft import Draft, Surroundings, shown
from energy_platform.sources.inspect.draft_time import add_time, date_options
from energy_platform.sources.inspect.draft_values import (
    add_wide_power,
    add_wide_values,
    power_options,
    register_of,
    temperature_options,
    type_names,
    unit_options,
)
from energy_platform.sources.inspect.draft_writing import add_dialect, add_numbers
from energy_platform.sources.inspect.identity import Identity
from energy_platform.sources.inspect.naming import fit, sensor_type_of, slug
from energy_platform.sources.inspect.proposal import ColumnProposal, SourceProposal
from energy_platform.sources.inspect.roles import Casting, Match
from energy_platform.sources.inspect.tables import FoundTable
from energy_platform.sources.inspect.words import INDEX_WORDS, KEY_WORDS
from energy_platform.sources.open_questions import OPEN, open_question

_CONTRACT_OF = {"readings": "sensor_data", "energy": "energy_consumption"}
_SECTIONS = ("readings", "energy", "alerts", "predictions")
_WHICH_BUILDING = "Which building are these rows of? No column names one."
#: Numbers among words are faults where they are fewer.
_FEW = 0.05
#: So many columns are named in a question.
_NAMES_SHOWN = 3
_NO_EXTRA = ("readings", "alerts", "predictions")


def propose_source(tables: tuple[FoundTable, ...], casting: Casting, around: Surroundings) -> SourceProposal:
    """What the estate file says about a table, or about several files of one kind."""
    table = tables[0]
    target = casting.target
    made = SourceProposal(target.name, target.is_section, tables)
    draft = Draft(table, casting, around, made, Identity(table, casting))
    apart = _apart(draft)
    _place(draft)
    add_dialect(draft)
    add_numbers(draft)
    if casting.wide:
        made.entry["shape"] = "wide"
    _key(draft)
    for role, match in casting.matches.items():
        _role(draft, role, match)
    if target.is_section and target.name != "predictions":
        _building(draft)
    if target.name == "readings" and not casting.wide:
        _sensor(draft)
    if apart is not None:
        _tell_apart(draft, apart)
    if casting.wide:
        (add_wide_power if target.name == "energy" else add_wide_values)(draft)
    _left_over(draft)
    _strays(draft)
    made.entry = _ordered(made.entry, casting)
    made.columns.sort(key=lambda proposal: _position(table, proposal.name))
    return made


def _place(draft: Draft) -> None:
    table, entry = draft.table, draft.made.entry
    entry[table.kind] = draft.around.pattern or table.file
    if table.table is not None:
        entry["table"] = table.table
    if table.at is not None:
        entry["at"] = table.at


def _key(draft: Draft) -> None:
    if draft.casting.target.name not in _SECTIONS:
        return
    playing = {match.column.name for match in draft.casting.matches.values()}
    for column in draft.table.columns:
        numbers = column.kind in {"integer", "text"} and column.is_unique
        if column.name not in playing and numbers and fit(column.words, KEY_WORDS) == 3:
            draft.made.entry["key"] = column.name
            draft.used.add(column.name)
            draft.made.columns.append(ColumnProposal(column.name, "key", "sure", "another value in each row"))
            return


def _role(draft: Draft, role: str, match: Match) -> None:
    if role == "building" or (role == "sensor" and draft.casting.target.name == "readings"):
        if match.certainty == "unsure":
            _unsure(draft, role, match)
        else:
            draft.play(role, match.column.name, match)
        return
    if role == "time":
        add_time(draft, match)
        return
    needed = any(role in group and _rests_on(draft, role, group) for group in draft.casting.target.needed)
    if match.certainty == "unsure" and not needed:
        return  # it is treated as a column without a role
    if match.certainty == "unsure":
        _unsure(draft, role, match)
        return
    if role == "state" and "value" not in draft.casting.matches and match.column.numbers > _FEW * match.column.filled:
        draft.made.entry["value"] = match.column.name
        draft.made.notes.append(
            f"{match.column.name!r} holds numbers and words: a number is the value of a reading, a word its state."
        )
    value: Any = match.column.name
    if role == "power_kw" and (register := register_of(draft, match.column)):
        draft.play("register", register, match)
        return
    if options := _options(draft, role, match.column):
        value = {"column": match.column.name, **options}
    draft.play(role, value, match)


def _rests_on(draft: Draft, role: str, group: tuple[str, ...]) -> bool:
    """No other role of a group of which one is needed is beyond doubt."""
    others = [match for other, match in draft.casting.matches.items() if other in group and other != role]
    return all(match.certainty == "unsure" for match in others)


def _apart(draft: Draft) -> tuple[Column, ...] | None:
    """Columns of which each tells rows of one time apart; None where there is nothing to tell apart."""
    named = draft.casting.called_by_columns
    if named or draft.casting.target.name not in _CONTRACT_OF or not draft.identity.shared():
        return None
    found = draft.identity.telling_apart()
    draft.identity = Identity(draft.table, draft.casting, found[:1])
    return found


def _tell_apart(draft: Draft, apart: tuple[Column, ...]) -> None:
    """Rows of one time hold different values: say by which column they are told apart, or ask."""
    entry, made = draft.made.entry, draft.made
    role = "meter" if draft.casting.target.name == "energy" else "sensor"
    taken = draft.casting.column_of(role) is not None
    if not apart or taken:
        of_column = [c for c in draft.table.columns if c.kind in {"text", "integer"} and c.name not in draft.used]
        if not of_column:
            made.notes.append(
                "Rows of one time hold different values, and no column tells them apart: the first of them is loaded,"
                " the others go to the quarantine as conflicts."
            )
            return
        if not taken:
            entry[role] = open_question(*(column.name for column in of_column))
            draft.used |= {column.name for column in of_column[:1]}
        draft.ask(
            "Rows of one time hold different values. Which column tells them apart?",
            f"Write `{role}: column`; where it takes two columns, put both into one in the file first.",
        )
        return
    best, names = apart[0], [column.name for column in apart]
    why = "tells rows of one time apart"
    look = draft.casting.target.looks[role]
    building = entry.get("building")
    is_open = isinstance(building, dict) and str(building.get("const", "")).startswith(OPEN)
    draft.used.add(best.name)
    if is_open and best.kind == "text" and not fit(best.words, look.words):
        entry["building"] = open_question(*names)
        made.columns.append(ColumnProposal(best.name, "building?", "unsure", why))
        made.questions = [question for question in made.questions if question.what != _WHICH_BUILDING]
        draft.ask(
            f"Is {best.name!r} the building of each row? It {why}.",
            f"Write `building: {best.name}`; or `building: {{const: code}}` and `{role}: {best.name}`.",
        )
        return
    entry[role] = best.name
    made.comments[role] = f"likely: it {why}"
    made.columns.append(ColumnProposal(best.name, role, "likely", why))


def _options(draft: Draft, role: str, column: Column) -> dict[str, Any]:
    """How the values of a role are written, as far as the type of its canonical column allows."""
    contract = _contract(draft.casting.target.name)
    canonical = contract.column(role) if role in contract.column_names else None
    kind = canonical.type if canonical is not None else "text"
    options: dict[str, Any] = {}
    if kind in {"float", "integer"} and column.glued:
        options["strip"] = column.glued
    if role == "power_kw":
        options |= power_options(draft, column)
    elif role == "temperature_c":
        options |= temperature_options(draft, column)
    elif kind == "float" and canonical is not None:
        options |= unit_options(column, role, canonical.unit)
    if role in {"type", "sensor_type"} and (names := type_names(column)):
        options["map"] = names
    if kind == "time" or (kind == "date" and column.time is not None and column.time.unit is None):
        options |= date_options(draft, role, column)
    return options


def _unsure(draft: Draft, role: str, match: Match) -> None:
    draft.play(role, open_question(match.column.name), match)
    draft.ask(
        f"Is {match.column.name!r} ({shown(match.column)}) the {role} of each row?"
        f" Only this speaks for it: {match.why}.",
        f"Write `{role}: {match.column.name}`, the name of another column, or `{{const: …}}`.",
    )


def _building(draft: Draft) -> None:
    entry, around, made = draft.made.entry, draft.around, draft.made
    if draft.casting.called_by_columns:
        _called_by_columns(draft)
        return
    if "building" in entry:
        return
    if around.name_pattern is not None:
        entry["building"] = {"from": "name", "pattern": around.name_pattern}
        return
    has_sensor = draft.casting.target.name in {"readings", "alerts"} and "sensor" in draft.casting.matches
    if has_sensor and around.has_register:
        entry["building"] = {"from": "sensor"}
        return
    if around.only_building is not None:
        entry["building"] = {"const": around.only_building}
        made.comments["building"] = "likely: the estate has no other building"
        return
    playing = {match.column.name for match in draft.casting.matches.values()}
    codes = [c.name for c in draft.table.columns if c.kind == "text" and not c.is_unique and c.name not in playing]
    if codes and draft.table.dialect is not None and not draft.table.dialect.header:
        entry["building"] = open_question(*codes)
        draft.used |= set(codes)
    else:
        stem = draft.table.file.rpartition("/")[2].partition(".")[0]
        entry["building"] = {"const": open_question(stem)}
    draft.ask(
        _WHICH_BUILDING,
        "Write `building: {const: code}` with the code of the building, or the name of the column that holds it.",
    )


def _called_by_columns(draft: Draft) -> None:
    """Columns are called by the buildings, or by meters or sensors of one, that their values are of."""
    entry, around, names = draft.made.entry, draft.around, list(draft.casting.wide)
    if "building" in entry:
        if draft.casting.target.name == "energy" and "meter" not in entry:
            entry["meter"] = {"from": "column"}
        return
    if set(names) <= around.buildings:
        entry["building"] = {"from": "column"}
        draft.made.comments["building"] = "each column is called by its building, which a table of them knows"
        return
    role = "meter" if draft.casting.target.name == "energy" else "sensor"
    entry["building"] = {"from": open_question("column")}
    shown_names = ", ".join(map(repr, names[:_NAMES_SHOWN])) + (", …" if len(names) > _NAMES_SHOWN else "")
    draft.ask(
        f"Is each of the columns {shown_names} a building?",
        f"Write `building: {{from: column}}`; or `building: {{const: code}}` and `{role}: {{from: column}}` where they"
        f" are {role}s of one.",
    )


def _sensor(draft: Draft) -> None:
    entry, made = draft.made.entry, draft.made
    if "sensor" in entry:
        return
    kind = draft.casting.column_of("type")
    if kind is not None:
        entry["sensor"] = kind.name
        made.comments["sensor"] = "likely: one sensor of each type in a building, as no column names the sensor"
        return
    if draft.around.name_pattern is not None:
        entry["sensor"] = {"from": "name", "pattern": draft.around.name_pattern}
        made.comments["sensor"] = "likely: one sensor in each file, as no column names the sensor"
        return
    stem = draft.table.file.rpartition("/")[2].partition(".")[0]
    entry["sensor"] = {"const": stem}
    made.comments["sensor"] = "likely: one sensor in this file, called like the file"
    column = draft.casting.column_of("value")
    by_unit = column.unit.quantity if column is not None and column.unit is not None else None
    measured = sensor_type_of(stem) or (by_unit if by_unit in {"temperature", "power"} else None)
    if measured is not None:
        entry["type"] = {"const": measured}


def _left_over(draft: Draft) -> None:
    table, made, casting = draft.table, draft.made, draft.casting
    section = casting.target.name
    contract = _contract(section)
    ignored: dict[str, str] = made.entry.setdefault("ignore", {})
    extra: dict[str, str] = {}
    for column in table.columns:
        name = column.name
        if name in draft.used:
            continue
        if column.name.lower() in INDEX_WORDS and column.kind == "integer" and column.is_unique:
            ignored[name] = "numbers the rows"
            made.columns.append(ColumnProposal(name, "ignored", "sure", "numbers the rows"))
        elif column.kind == "empty":
            ignored[name] = "empty" if table.whole else "empty in all rows that were looked at"
            made.columns.append(ColumnProposal(name, "ignored", "sure" if table.whole else "likely", "empty"))
        elif section in _NO_EXTRA:
            ignored[name] = f"nothing of {section} is called so"
            made.columns.append(ColumnProposal(name, "ignored", "likely", f"{shown(column)}; {ignored[name]}"))
        else:
            field_name = _field(name, column, {*contract.column_names, *extra})
            extra[field_name] = name
            made.columns.append(ColumnProposal(name, f"extra {field_name}", "likely", shown(column)))
    if extra:
        made.entry["extra"] = extra
    if not ignored:
        del made.entry["ignore"]


def _contract(section: str) -> Contract:
    name = _CONTRACT_OF.get(section, section)
    return MEASUREMENTS[name] if name in MEASUREMENTS else TABLES[name]


def _field(name: str, column: Column, taken: Iterable[str]) -> str:
    base = slug(name, f"column_{column.position + 1}")
    known, number, found = set(taken), 1, base
    while found in known:
        number += 1
        found = f"{base}_{number}"
    return found


def _strays(draft: Draft) -> None:
    """Columns that hold values of several kinds."""
    for column in draft.table.columns:
        if column.strays and column.name in draft.used:
            draft.made.notes.append(
                f"{column.name!r} holds values of another kind in {column.strays} of {column.filled} rows that were"
                " looked at: they go to the quarantine."
            )


_FIRST_KEYS = ("sqlite", "csv", "json", "table", "at", "encoding", "separator", "skip_rows", "comment", "header")
_NEXT_KEYS = ("columns", "units_row", "decimal", "thousands", "missing", "shape", "key")


def _ordered(entry: Mapping[str, Any], casting: Casting) -> dict[str, Any]:
    """The keys of an entry as people would write them: the file, how it is written, the roles, the rest."""
    roles = list(casting.target.looks)
    order = [*_FIRST_KEYS, *_NEXT_KEYS, *roles, "register", "values", "extra", "ignore"]
    return {key: entry[key] for key in sorted(entry, key=order.index)}


def _position(table: FoundTable, name: str) -> int:
    return next((column.position for column in table.columns if column.name == name), len(table.columns))
