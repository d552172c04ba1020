"""Holds an estate file against its folder: everything there is mapped or ignored, and what is mapped is there."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from energy_platform.domain.errors import EstateError, SourceMissingError
from energy_platform.domain.tables import TABLES
from energy_platform.sources.estate import role_name
from energy_platform.sources.naming import listed, suggestion
from energy_platform.sources.opening import open_source
from energy_platform.sources.source import Source, file_status
from energy_platform.sources.spec import GROUP_COLUMN, Estate, SourceSpec

_BESIDE_SQLITE = ("-wal", "-shm", "-journal")


def check(estate: Estate) -> None:
    """Raises EstateError, SourceMissingError or SourceError for the first thing that is wrong; see `check_estate`."""
    for spec in estate.sources:
        file_status(spec.path, spec.name)
    if estate.models_folder is not None and not estate.models_folder.is_dir():
        raise SourceMissingError(
            f"There is no folder {estate.models_folder}.",
            where=f"{estate.file.name}: models.folder",
            remedy="Put the folder there, or take `models:` out of the estate file.",
        )
    _check_files(estate)
    opened = [(spec, open_source(spec)) for spec in estate.sources]
    _check_tables(estate, opened)
    columns = {_identity(spec): source.columns() for spec, source in opened}
    resolved = [spec.resolved(columns[_identity(spec)]) for spec, _ in opened]
    for spec in resolved:
        _check_named(spec, columns[_identity(spec)])
        _check_needed(spec, columns[_identity(spec)])
    _check_unnamed(resolved, columns)


def _check_files(estate: Estate) -> None:
    mapped = {_name(spec.path, estate.folder) for spec in estate.sources}
    sqlite = {_name(spec.path, estate.folder) for spec in estate.sources if spec.kind == "sqlite"}
    free = {file + ending for file in sqlite for ending in _BESIDE_SQLITE}
    ignored = {_normal(name) for name in estate.ignored}
    folders = tuple(f"{name.rstrip('/')}/" for name in ignored)
    if estate.models_folder is not None:
        folders += (f"{_name(estate.models_folder, estate.folder)}/",)
    named = mapped | free | ignored
    estate_file = estate.file.resolve()
    unnamed = [
        name
        for path in _files_below(estate.folder)
        if (name := _name(path, estate.folder)) not in named
        and not name.startswith(folders)
        and path.resolve() != estate_file
    ]
    if unnamed:
        raise EstateError(
            f"{_these(unnamed, 'file')} neither mapped nor ignored: {listed(unnamed)}.",
            where=estate.file.name,
            remedy=f"Map it, or say under `ignore:` why it is not loaded: `{unnamed[0]}: reason`.",
        )


def _check_tables(estate: Estate, opened: list[tuple[SourceSpec, Source]]) -> None:
    from energy_platform.sources.sqlite.reader import SqliteSource

    mapped: dict[Path, list[str]] = defaultdict(list)
    there: dict[Path, tuple[str, ...]] = {}
    ignored = {_normal(name) for name in estate.ignored}
    for spec, source in opened:
        if isinstance(source, SqliteSource):
            mapped[spec.path].append(spec.table or "")
            if spec.path not in there:
                there[spec.path] = source.tables()
            if spec.table not in there[spec.path]:
                raise EstateError(
                    f"There is no table or view {spec.table!r} in {spec.path.name}.",
                    where=f"{spec.where}.table",
                    remedy=f"{suggestion(spec.table or '', there[spec.path])}Tables are {listed(there[spec.path])}.",
                )
    _check_views(opened)
    unnamed = [
        name
        for path, tables in there.items()
        for table in tables
        if table not in mapped[path] and _normal(name := f"{_name(path, estate.folder)}/{table}") not in ignored
    ]
    if unnamed:
        raise EstateError(
            f"{_these(unnamed, 'table')} neither mapped nor ignored: {listed(unnamed)}.",
            where=estate.file.name,
            remedy=f'Map it, or say under `ignore:` why it is not loaded: `"{unnamed[0]}": reason`.',
        )


def _check_views(opened: list[tuple[SourceSpec, Source]]) -> None:
    """No row is loaded by its table, and by a view of that table too."""
    from energy_platform.sources.sqlite.reader import SqliteSource

    mapped: dict[tuple[Path, str, str], SourceSpec] = {}
    for spec, _ in opened:
        if spec.kind == "sqlite":
            mapped[spec.path, spec.target, spec.table or ""] = spec
    for spec, source in opened:
        if not isinstance(source, SqliteSource):
            continue
        for table in sorted(source.tables_behind() - {spec.table}):
            beside = mapped.get((spec.path, spec.target, table))
            if beside is not None:
                raise EstateError(
                    f"{spec.table!r} is a view of {table!r}, which is mapped in {beside.where}: "
                    "the same rows would be loaded twice.",
                    where=f"{spec.where}.table",
                    remedy="Map one of the two, and say under `ignore:` why the other is not loaded.",
                )


def _check_named(spec: SourceSpec, columns: tuple[str, ...]) -> None:
    if not columns and spec.kind == "json":
        return  # an empty array has no columns
    for column, place in spec.columns_used().items():
        if column not in columns:
            raise EstateError(
                f"There is no column {column!r} in {spec.name}.",
                where=f"{spec.where}.{role_name(spec.target, place)}",
                remedy=f"{suggestion(column, columns)}Columns are {listed(columns)}.",
            )


def _check_needed(spec: SourceSpec, columns: tuple[str, ...]) -> None:
    """A table's source has every column without which no row could be loaded."""
    contract = TABLES.get(spec.target)
    if contract is None or (not columns and spec.kind == "json"):
        return
    needed = {column.name for column in contract.columns if column.required}
    needed |= {name for name in contract.key if contract.column(name).type != "text"}
    if spec.target != "tenants":  # elsewhere the estate's own tenant stands in
        needed.discard("tenant_id")
    for name in contract.column_names:
        if name in needed and name not in spec.roles:
            role = role_name(spec.target, name)
            raise EstateError(
                f"The column {role!r} is missing: no row of {spec.target} can be without it.",
                where=spec.where,
                remedy=f"{suggestion(name, columns)}Write `{role}: column`, or {{const: …}}. "
                f"Columns are {listed(columns)}.",
            )


def _identity(spec: SourceSpec) -> tuple[str, str]:
    # one entry of the estate file may stand for many files, and one file may stand in many entries
    return spec.where, spec.name


def _check_unnamed(specs: list[SourceSpec], columns: dict[tuple[str, str], tuple[str, ...]]) -> None:
    # one file may feed two targets: what either of them uses is known
    known: dict[str, set[str]] = defaultdict(set)
    for spec in specs:
        known[spec.name] |= {*spec.columns_used(), *spec.ignored, GROUP_COLUMN}
    for spec in specs:
        unnamed = [column for column in columns[_identity(spec)] if column not in known[spec.name]]
        if unnamed:
            raise EstateError(
                f"{_these(unnamed, 'column', spec.name)} neither mapped nor ignored: {listed(unnamed)}.",
                where=spec.where,
                remedy="Map it, or say under the source's `ignore:` why it is not loaded: "
                f"`ignore: {{{unnamed[0]}: reason}}`.",
            )


def _files_below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _name(path: Path, folder: Path) -> str:
    return _normal(path.relative_to(folder).as_posix())


def _normal(name: str) -> str:
    # macOS may hand out the letters of a Korean name one by one
    return unicodedata.normalize("NFC", name)


def _these(names: list[str], noun: str, owner: str = "") -> str:
    of = f" of {owner}" if owner else ""
    return f"A {noun}{of} is" if len(names) == 1 else f"{len(names)} {noun}s{of} are"
