"""Opens a source with the reader of its kind. A new kind of source is one new folder, and one line here."""

from __future__ import annotations

from energy_platform.sources.source import Source
from energy_platform.sources.spec import SourceSpec


def open_source(spec: SourceSpec) -> Source:
    """The reader of a source. Nothing is opened yet: its methods raise what is wrong with the file."""
    if spec.mended is not None:
        from energy_platform.sources.mended import MendedSource

        return MendedSource(_reader(spec), spec.mended)
    return _reader(spec)


def forget_files() -> None:
    """Forget what this process knows of files by their versions: these may stay the same where a content does not."""
    from energy_platform.sources.csv import reader

    reader.forget_files()


def _reader(spec: SourceSpec) -> Source:
    match spec.kind:
        case "sqlite":
            from energy_platform.sources.sqlite.reader import SqliteSource

            return SqliteSource(spec)
        case "csv":
            from energy_platform.sources.csv.reader import CsvSource

            return CsvSource(spec)
        case "json":
            from energy_platform.sources.json.reader import JsonSource

            return JsonSource(spec)
