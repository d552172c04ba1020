"""How a file is written, as options of the estate file: what the reader does not find out by itself."""

from __future__ import annotations

from typing import Any

from energy_platform.sources.inspect.draft import Draft
from energy_platform.sources.inspect.numbers import PLAIN
from energy_platform.sources.inspect.tables import FoundTable
from energy_platform.sources.open_questions import open_question


def add_dialect(draft: Draft) -> None:
    """How a CSV file is written: what the reader does not find out by itself."""
    dialect, text, made = draft.table.dialect, draft.table.text, draft.made
    if dialect is None or text is None:
        return
    if text.encoding == "cp1252":
        made.comments["encoding"] = "likely: letters such as ä or é, and no UTF-8"
    options: dict[str, Any] = {
        "encoding": text.encoding if text.declared else None,
        "separator": {",": None, "\t": "tab"}.get(dialect.separator, dialect.separator),
        "skip_rows": dialect.skip_rows,
        "comment": dialect.comment,
        "units_row": bool(dialect.units),
    }
    made.entry |= {key: value for key, value in options.items() if value}
    if not dialect.header:
        made.entry |= {"header": False, "columns": list(dialect.names)}
        made.comments["columns"] = "the file has no header: give them better names here and below, if you like"
    if (count := len(dialect.ragged)) > 0:
        several = f", and {count - 1} more do" if count > 1 else ""
        made.notes.append(
            f"Row {dialect.ragged[0]} has another number of columns than the header{several}: mend it first."
        )


def add_numbers(draft: Draft) -> None:
    """Say how numbers are written, and what stands where there is none."""
    table, made = draft.table, draft.made
    if table.styles[1:] and PLAIN in table.styles:
        made.entry["decimal"] = open_question(".", ",")
        draft.ask(
            f"Is the point in numbers such as {_with(table, '.')!r} a decimal sign, or does it stand between thousands?"
            " Other files with these columns have decimal commas.",
            'Write `decimal: "."`; or `decimal: ","` and `thousands: "."`.',
        )
    elif len(table.styles) > 1:
        made.entry["decimal"] = open_question(",", ".")
        draft.ask(
            "Is the comma in numbers such as "
            f"{_with(table, ',')!r} a decimal sign, or does it stand between thousands? Both fit.",
            'Write `decimal: ","`; or take the line out and write `thousands: ","`.',
        )
    else:
        signs = {"decimal": (table.style.decimal, PLAIN.decimal), "thousands": (table.style.thousands, PLAIN.thousands)}
        made.entry |= {key: sign for key, (sign, usual) in signs.items() if sign != usual}
    marks, doubtful = _missing_marks(table)
    if marks:
        made.entry["missing"] = marks
        made.comments["missing"] = "texts that mean: nothing was measured"
    if doubtful:
        made.notes.append(
            f"{', '.join(doubtful)} may mean that nothing was measured, but other columns hold such numbers too."
        )


def _with(table: FoundTable, sign: str) -> str:
    measured = (column for column in table.columns if column.time is None)
    return next((column.example for column in measured if sign in column.example), f"1{sign}234")


def _missing_marks(table: FoundTable) -> tuple[list[str], list[str]]:
    """Texts that mean null of a source, and numbers that may mean it, but are values elsewhere in it."""
    marks: list[str] = []
    doubtful: list[str] = []
    for column in table.columns:
        if column.kind not in {"integer", "number", "time", "date", "flag"}:
            continue
        for mark in sorted(column.marks):
            number = table.style.number(mark)
            others = [c for c in table.columns if c is not column and mark not in c.marks and c.low is not None]
            if number is not None and any((c.low or 0) <= number <= (c.high or 0) for c in others):
                doubtful.append(mark)
            elif (plain := mark if table.kind == "csv" else mark.removesuffix(".0")) not in marks:
                marks.append(plain)
    return marks, doubtful
