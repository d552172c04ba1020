"""Files that fitted a pattern of the estate file and are gone: they are sources still, whose last figures stand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from energy_platform.sources.globs import fits
from energy_platform.sources.spec import Estate, FilePattern, Role, SourceSpec


def with_gone_files(estate: Estate, known: Iterable[str]) -> Estate:
    """The estate with sources for known files that fit one of its patterns and are not there any more.

    Args:
        estate: as it was read: only with the files that are there.
        known: names of sources whose rows were loaded once.
    """
    sources = list(estate.sources)
    there = {(spec.target, spec.name) for spec in sources}
    for pattern in estate.patterns:
        found = [gone for name in set(known) if (gone := _gone(estate, pattern, name)) is not None]
        gone = [spec for spec in found if (spec.target, spec.name) not in there]
        if not gone:
            continue
        own = [spec for spec in sources if spec.where == pattern.template.where]
        start = sources.index(own[0])
        sources[start : start + len(own)] = sorted([*own, *gone], key=lambda spec: _file(estate, spec))
    return replace(estate, sources=tuple(sources)) if len(sources) > len(estate.sources) else estate


def _gone(estate: Estate, pattern: FilePattern, name: str) -> SourceSpec | None:
    template = pattern.template
    ending = template.name.removeprefix(_file(estate, template))
    file = name.removesuffix(ending)
    path = estate.folder / file
    folders = tuple(f"{ignored.rstrip('/')}/" for ignored in estate.ignored)
    if not name.endswith(ending) or not fits(file, pattern.glob) or path.exists():
        return None
    if file in estate.ignored or file.startswith(folders):
        return None
    texts = {column: re.search(expression, file) for column, expression in pattern.texts.items()}
    if not all(texts.values()):
        return None
    roles = {column: Role(constant=match[1]) for column, match in texts.items() if match is not None}
    return replace(template, name=name, path=path, roles={**template.roles, **roles})


def _file(estate: Estate, spec: SourceSpec) -> str:
    return unicodedata.normalize("NFC", spec.path.relative_to(estate.folder).as_posix())
