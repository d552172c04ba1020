"""`energy-platform inspect`: looks at a folder that nobody has prepared, and proposes its estate.yaml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from energy_platform.cli.opening import Directory, kept_estate_file
from energy_platform.cli.terminal import terminal
from energy_platform.domain.errors import EstateError, UsageError
from energy_platform.settings import Settings, get_settings

if TYPE_CHECKING:
    from energy_platform.sources.inspect.proposal import Proposal, SourceProposal
    from energy_platform.sources.inspect.tables import FoundTable

Timezone = Annotated[str | None, typer.Option("--timezone", help="IANA zone of times that carry none.")]

_COLORS = {"sure": "green", "likely": "yellow", "unsure": "bold red"}
#: Columns of one source that a terminal shows; the proposed file has all.
_SHOWN = 60
_STANDARD_OUTPUT = Path("-")
_LINE_ENDS = {"\r\n": "CRLF", "\n": "LF", "\r": "lone CR"}
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def inspect(
    directory: Directory = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the proposal to this file; - for standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an estate file that is there already.")] = False,
    timezone: Timezone = None,
) -> None:
    """Look at a folder of somebody's files, say what each column is taken for, and propose its estate.yaml.

    Writes estate.yaml into the folder where there is none yet. Nothing else is written, and models are never unpickled.
    """
    from energy_platform.sources.estate import ESTATE_FILE
    from energy_platform.sources.inspect.estate_text import estate_text
    from energy_platform.sources.inspect.inspection import inspect_folder

    folder = (directory if directory is not None else get_settings().estate).absolute()
    file = output if output is not None else folder / ESTATE_FILE
    _check_output(output, force=force)
    proposal = inspect_folder(folder, timezone=timezone, estate_file=file)
    text = estate_text(proposal)
    if output == _STANDARD_OUTPUT:
        # the proposal alone, so that it can be piped
        sys.stdout.write(text)
        return
    console = terminal()
    show(console, proposal)
    _show_questions(console, proposal)
    if output is None and file.exists() and not force:
        console.print(
            f"{file} is there already: nothing was written. --force replaces it, --output FILE writes elsewhere.",
            highlight=False,
            soft_wrap=True,
        )
        return
    _write(file, text)
    console.print(f"Written: {file}", highlight=False, soft_wrap=True)
    _say_what_is_next(console, proposal, directory)


def prepare_estate(settings: Settings, console: Console, timezone: str | None = None) -> Settings:
    """The settings with an estate file: where the folder has none, it is inspected, and what is found is written.

    Raises:
        EstateError: questions are open; the file is written, and names them.
    """
    from energy_platform.sources.estate import ESTATE_FILE

    folder = settings.estate.absolute()
    file = folder / ESTATE_FILE
    if settings.estate_file is not None or file.exists() or not folder.is_dir():
        return settings
    from energy_platform.sources.inspect.estate_text import estate_text
    from energy_platform.sources.inspect.inspection import inspect_folder

    proposal = inspect_folder(folder, timezone=timezone, estate_file=file)
    show(console, proposal)
    try:
        _write(file, estate_text(proposal))
    except UsageError:
        # a medium that cannot be written: its estate file stands beside the stores
        file = kept_estate_file(settings)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, estate_text(proposal))
        settings = settings.model_copy(update={"estate_file": file})
    console.print(f"The folder had no estate file. Written: {file}", highlight=False, soft_wrap=True)
    if not proposal.is_certain:
        raise EstateError(
            f"{_questions(proposal)}.",
            where=str(file),
            remedy="Answer in that file, and run it again:"
            + "".join(f"\n  {question.where}: {question.what}\n    {question.how}" for question in proposal.questions),
        )
    return settings


def show(console: Console, proposal: Proposal) -> None:
    """Print what was found: a table per source, the models, and what is ignored."""
    for source in proposal.sources:
        console.print(Text(_title(source), style="bold"), soft_wrap=True)
        console.print(_source_table(source))
        for note in source.notes:
            console.print(f"  {note}", highlight=False, markup=False)
    if proposal.model_files:
        console.print(_models_table(proposal))
    if proposal.ignored:
        ignored = Table(title="Ignored", title_justify="left")
        ignored.add_column("file or table", overflow="fold")
        ignored.add_column("why", overflow="fold")
        for name, why in sorted(proposal.ignored.items()):
            ignored.add_row(Text(name), Text(why))
        console.print(ignored)


def _show_questions(console: Console, proposal: Proposal) -> None:
    if proposal.is_certain:
        console.print("[bold green]No question is open.[/]")
        return
    console.print(f"[bold red]{_questions(proposal)}.[/]")
    for question in proposal.questions:
        console.print(f"  {question.where}: {question.what}", highlight=False, markup=False)
        console.print(f"    {question.how}", highlight=False, markup=False, style="dim")


def _questions(proposal: Proposal) -> str:
    count = len(proposal.questions)
    return "A question is open" if count == 1 else f"{count} questions are open"


def _title(source: SourceProposal) -> str:
    """E.g. `building_data.csv → energy, 43,800 rows, comma, utf-8, LF`."""
    place = source.section if source.is_section else f"table {source.section}"
    about = "" if all(table.whole for table in source.tables) else "about "
    return f"{source.name} → {place}, {about}{source.rows:,} rows{_written(source.tables[0])}"


def _source_table(source: SourceProposal) -> Table:
    table = Table()
    table.add_column("column", overflow="fold")
    table.add_column("taken for", overflow="fold")
    table.add_column("how sure", no_wrap=True)
    table.add_column("why", overflow="fold")
    for column in source.columns[:_SHOWN]:
        certainty = Text(column.certainty, style=_COLORS[column.certainty])
        table.add_row(Text(column.name or '""'), Text(column.role), certainty, Text(column.why))
    if len(source.columns) > _SHOWN:
        table.add_row(f"{len(source.columns) - _SHOWN} more", "", "", "")
    return table


def _written(table: FoundTable) -> str:
    """How a CSV file is written, e.g. `, semicolon, cp949, CRLF`."""
    if table.dialect is None or table.text is None:
        return ""
    facts = [_SEPARATORS.get(table.dialect.separator, table.dialect.separator), table.text.encoding]
    facts += ["byte order mark"] if table.text.marked else []
    facts += [_LINE_ENDS[table.text.line_end]]
    facts += ["gzip"] if table.text.compressed else []
    facts += [] if table.dialect.header else ["no header"]
    return "".join(f", {fact}" for fact in facts)


def _models_table(proposal: Proposal) -> Table:
    from energy_platform.pickles.inspection import inspect_pickle

    table = Table(title=f"Models in {proposal.models_folder}/, read statically", title_justify="left")
    for name in ("file", "format", "framework", "class", "problem"):
        table.add_column(name, overflow="fold")
    for name in proposal.model_files[:_SHOWN]:
        found = inspect_pickle(proposal.folder / name)
        row = (found.file_name, found.format, found.framework, found.class_name, found.problem or "")
        table.add_row(*map(Text, row))
    if len(proposal.model_files) > _SHOWN:
        table.add_row(f"{len(proposal.model_files) - _SHOWN} more")
    return table


def _check_output(output: Path | None, *, force: bool) -> None:
    """What cannot be written is noticed before the work."""
    if output is None or output == _STANDARD_OUTPUT:
        return
    if output.exists() and not force:
        raise UsageError("The file is there already.", where=str(output), remedy="Name another, or add --force.")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The estate file cannot be written: {error.strerror}.",
            where=str(file),
            remedy="Name another place with --output FILE.",
        ) from None


def _say_what_is_next(console: Console, proposal: Proposal, directory: Path | None) -> None:
    if not proposal.is_certain:
        console.print("Answer the questions in it: values that begin with a question mark.", highlight=False)
        return
    where = f" {directory}" if directory is not None else ""
    console.print(f"Look it over, then: energy-platform migrate{where}", highlight=False, soft_wrap=True)
