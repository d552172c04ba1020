"""Which targets without days are touched: tables by the versions of their sources, models by what their files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from energy_platform.domain.errors import SourceError
from energy_platform.sources.source import unreadable
from energy_platform.sources.spec import SourceSpec
from energy_platform.stores.postgres import ledger
from energy_platform.transfer.arrivals.asking import Touched
from energy_platform.transfer.arrivals.files import FileState, mark_of, path_states, source_states
from energy_platform.transfer.arrivals.looking import Comparison, Stretch
from energy_platform.transfer.context import Platform
from energy_platform.transfer.model_files import ARTIFACTS, model_files
from energy_platform.transfer.tables.meaning import table_meaning

#: The table that says which content of each model file was loaded.
MODELS_TABLE = "postgres/models"
_NEVER = datetime.fromtimestamp(0, UTC).isoformat()

#: SHA-256 of model files that this process has hashed, by path and version.
_HASHED: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class TablesWatch:
    """The files of tables, as far as they have files of their own: what follows from readings comes with those.

    Attributes:
        platform: the estate and its stores.
        name: of the tables together.
        assets: e.g. `postgres/users`.
    """

    platform: Platform
    name: str
    assets: Sequence[str]

    @property
    def _sources(self) -> dict[str, tuple[SourceSpec, ...]]:
        return {asset: self.platform.estate.sources_of(asset.partition("/")[2]) for asset in self.assets}

    def meaning(self) -> str:
        """Changes with the estate file."""
        return mark_of([self.platform.estate.file.read_text(encoding="utf-8")])

    def files(self) -> dict[str, FileState]:
        """The tables' files."""
        return source_states(spec for specs in self._sources.values() for spec in specs)

    def acknowledged(self, states: Mapping[str, FileState]) -> set[str]:
        """Nothing: to compare costs as little."""
        return set()

    def compare(self, states: Mapping[str, FileState], names: Collection[str]) -> Comparison:
        """A table is touched where one of its files has another version than the one it was judged by.

        All of them are where they mean something else now.
        """
        touched: dict[str, Touched] = {}
        with self.platform.postgres.connection() as connection:
            for asset, specs in self._sources.items():
                entry = next(iter(ledger.read(connection, self.platform.estate.code, asset)), None)
                versions = entry.facts.get("versions", {}) if entry is not None else {}
                there = [spec.name for spec in specs if states[spec.name].is_readable]
                meaning = table_meaning(self.platform.estate, asset.partition("/")[2], self.platform.now)
                is_same = entry is not None and entry.facts.get("meaning") == meaning
                differing = frozenset(n for n in there if not is_same or states[n].version != versions.get(n))
                if differing & set(names):
                    content = mark_of([meaning, *(f"{name} {states[name].version}" for name in sorted(differing))])
                    recorded = entry.recorded_at.isoformat() if entry and entry.recorded_at else _NEVER
                    touched[asset] = Touched(content, recorded, differing)
        return Comparison(touched, set(names))

    def stretches(self, partitions: Collection[str]) -> list[Stretch]:
        """All of them in one run."""
        return [Stretch(tuple((asset, asset) for asset in sorted(partitions)))] if partitions else []


@dataclass(frozen=True)
class ModelsWatch:
    """The PKL files of the models folder.

    Attributes:
        platform: the estate and its stores.
    """

    platform: Platform

    @property
    def name(self) -> str:
        """The asset that is watched for."""
        return ARTIFACTS

    def meaning(self) -> str:
        """Changes with the folder."""
        return mark_of([self.platform.estate.models_folder])

    def files(self) -> dict[str, FileState]:
        """The model files. Raises SourceMissingError where the folder is gone."""
        folder = self.platform.estate.models_folder
        return {} if folder is None else path_states(folder, model_files(self.platform.estate))

    def acknowledged(self, states: Mapping[str, FileState]) -> set[str]:
        """Nothing: a version of theirs stands nowhere."""
        return set()

    def compare(self, states: Mapping[str, FileState], names: Collection[str]) -> Comparison:
        """Files whose content is not the one that the ledger knows. One that is gone touches nothing."""
        with self.platform.postgres.connection() as connection:
            entry = next(iter(ledger.read(connection, self.platform.estate.code, MODELS_TABLE)), None)
        known = entry.facts.get("versions", {}) if entry is not None else {}
        hashes: dict[str, str] = {}
        problems: dict[str, str] = {}
        for name in names:
            try:
                hashes[name] = self._hash(name, states[name].version)
            except SourceError as error:
                problems[name] = str(error)
        differing = {name for name in hashes if known.get(name) != hashes[name]}
        if not differing:
            return Comparison({}, set(hashes), problems)
        content = mark_of(f"{name} {hashes[name]}" for name in sorted(differing))
        recorded = entry.recorded_at.isoformat() if entry and entry.recorded_at else _NEVER
        return Comparison({ARTIFACTS: Touched(content, recorded, frozenset(differing))}, set(hashes), problems)

    def stretches(self, partitions: Collection[str]) -> list[Stretch]:
        """One run."""
        return [Stretch(((ARTIFACTS, ARTIFACTS),))] if partitions else []

    def _hash(self, name: str, version: str) -> str:
        folder = self.platform.estate.models_folder
        path = folder / name if folder is not None else None
        if path is None:
            return ""
        place = (str(path), version)
        if place not in _HASHED:
            try:
                with path.open("rb") as stream:
                    _HASHED[place] = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise unreadable(name, error) from None
        return _HASHED[place]
