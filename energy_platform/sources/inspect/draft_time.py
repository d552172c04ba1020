"""The time of a source: its column or columns, how they are written, and what has to be asked."""

from __future__ import annotations

from typing import Any

from energy_platform.sources.inspect.columns import Column
from energy_platform.sources.inspect.draft import Draft
from energy_platform.sources.inspect.proposal import ColumnProposal
from energy_platform.sources.inspect.roles import Match
from energy_platform.sources.inspect.times import TimeForm, date_format
from energy_platform.sources.open_questions import open_question


def add_time(draft: Draft, match: Match) -> None:
    """Say which column is the time, or which two are, and how they are written."""
    column = match.column
    if draft.casting.date_and_clock is not None:
        _two_columns(draft, match)
        return
    form = column.time
    assert form is not None
    rivals = [rival for rival in draft.casting.rivals.get("time", ()) if rival.time is not None]
    options = time_options(form)
    if not rivals:
        name = column.name
        if not form.zoned and {"utc", "gmt"} & set(column.words.words) and draft.around.timezone != "UTC":
            name = open_question(name)
            draft.ask(
                f"By its name {column.name!r} is in UTC, but its times carry no zone: they would be read as local.",
                "Where the name is right, write `timezone: UTC`, or append `Z` to the times; then take the"
                " question mark before the name away.",
            )
        draft.play("time", {"column": name, **options} if options else name, match)
    else:
        names = [column.name, *(rival.name for rival in rivals)]
        asked = open_question(*names)
        draft.play("time", {"column": asked, **options} if options else asked, match)
        ignored = draft.made.entry.setdefault("ignore", {})
        for rival in rivals:
            draft.used.add(rival.name)
            ignored[rival.name] = f"another time than {column.name}"
            draft.made.columns.append(ColumnProposal(rival.name, "time?", "unsure", "as good as the other"))
        draft.ask(
            f"Which of {', '.join(map(repr, names))} is the time of the measurement? All fit.",
            f"Write `time: {names[0]}`, and leave the others under the source's `ignore:`.",
        )
    _ask_for_order(draft, "time", column)


def date_options(draft: Draft, role: str, column: Column) -> dict[str, Any]:
    """What the estate file has to say about the times or dates of another role."""
    if column.time is None:
        return {}
    _ask_for_order(draft, role, column)
    return time_options(column.time)


def _ask_for_order(draft: Draft, role: str, column: Column) -> None:
    form = column.time
    if form is None or not form.doubtful:
        return
    other = "month first" if form.order == "day_first" else "day first"
    draft.ask(
        f"Are dates in {column.name!r} such as {column.example!r} day first or month first? Both fit"
        f" (they go on more evenly {(form.order or '').replace('_', ' ')}, not {other}).",
        f"Write `order: day_first` or `order: month_first` in its `{role}:`.",
    )


def time_options(form: TimeForm) -> dict[str, Any]:
    """What the estate file has to say about times of a form; nothing where they are read as they are."""
    if form.unit is not None:
        return {"unit": form.unit}
    if form.format is not None:
        return {"format": form.format}
    if form.order is not None:
        both = ("day_first", "month_first") if form.order == "day_first" else ("month_first", "day_first")
        return {"order": open_question(*both) if form.doubtful else form.order}
    return {}


def _two_columns(draft: Draft, match: Match) -> None:
    pair = draft.casting.date_and_clock
    assert pair is not None
    date_column, clock_column = pair
    assert date_column.time is not None
    assert clock_column.clock is not None
    day = date_format(date_column.time, date_column.example) or "%Y-%m-%d"
    form = f"{day} {clock_column.clock.format}"
    if clock_column.clock.problem:
        draft.ask(
            f"In {clock_column.name!r} {clock_column.clock.problem}.",
            "Where that is right, take the question mark before the format away; where each time begins its hour, count"
            " the hours from 0 to 23 in the file, and write `%H`.",
        )
        form = open_question(form)
    elif date_column.time.doubtful:
        swapped = form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
        draft.ask(
            f"Are dates in {date_column.name!r} such as {date_column.example!r} day first or month first? Both fit.",
            f"Write `format: {form!r}` or `format: {swapped!r}` in its `time:`.",
        )
        form = open_question(form, swapped)
    draft.play("time", {"date": date_column.name, "time": clock_column.name, "format": form}, match)
    draft.used.add(clock_column.name)
    draft.made.columns.append(ColumnProposal(clock_column.name, "time", "sure", clock_column.clock.what))
