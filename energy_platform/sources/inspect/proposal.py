"""What an inspection proposes: sources, what each column is taken for, and the questions that stay open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energy_platform.sources.inspect.roles import Certainty
from energy_platform.sources.inspect.tables import FoundTable


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the files do not tell.

    Attributes:
        where: the source, or the key of the estate file.
        what: the question, with what speaks for each answer.
        how: how to answer it in the estate file.
    """

    where: str
    what: str
    how: str


@dataclass(frozen=True, slots=True)
class ColumnProposal:
    """What a column is taken for.

    Attributes:
        name: of the column.
        role: that it plays, e.g. `time`, `extra co2` or `ignored`.
        certainty: how sure that is.
        why: what speaks for it.
    """

    name: str
    role: str
    certainty: Certainty
    why: str


@dataclass(slots=True)
class SourceProposal:
    """One source of the estate file.

    Attributes:
        section: of the estate file: `readings` …, or a table.
        is_section: it is a section of its own, not one of `tables:`.
        tables: what was found; several where they are files of one kind, read by one pattern.
        entry: what the estate file says about it, by key.
        columns: what each is taken for.
        comments: by key of the entry, what one should know.
        notes: about the whole source.
        questions: that it leaves open.
    """

    section: str
    is_section: bool
    tables: tuple[FoundTable, ...]
    entry: dict[str, Any] = field(default_factory=dict)
    columns: list[ColumnProposal] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As people call it: the file or the pattern, and what of it."""
        first = self.tables[0]
        if len(self.tables) > 1:
            return str(self.entry[first.kind])
        return first.name

    @property
    def rows(self) -> int:
        """About how many it has."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an inspection proposes for a folder.

    Attributes:
        folder: that was inspected.
        head: the top of the estate file, up to the sources.
        comments: on the keys of the head.
        sources: in the order of the estate file.
        models_folder: folder of model files, inside the folder; None where there is none.
        model_files: in it.
        ignored: files, folders and tables, and why.
        questions: that are open, all of them.
    """

    folder: Path
    head: Mapping[str, Any]
    comments: Mapping[str, str]
    sources: tuple[SourceProposal, ...]
    models_folder: str | None
    model_files: tuple[str, ...]
    ignored: Mapping[str, str]
    questions: tuple[Question, ...]

    @property
    def is_certain(self) -> bool:
        """No question is open."""
        return not self.questions
