"""Questions that an inspection has left in an estate file: values that begin with a question mark are still open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from energy_platform.domain.errors import EstateError

#: A value of the estate file that begins so has not been decided yet; its options follow.
OPEN = "? "
_BETWEEN = " | "


def open_question(*options: str) -> str:
    """The value that stands in the estate file until somebody answers: the options, the likeliest first."""
    return OPEN + _BETWEEN.join(options)


def refuse_open_questions(content: Any, file: Path) -> None:
    """Raises EstateError where values of an estate file still wait for an answer; it names all of them."""
    found = list(_open(content, ""))
    if not found:
        return
    listed = "".join(f"\n  {place}: {' or '.join(value[len(OPEN) :].split(_BETWEEN))}" for place, value in found)
    count = "A question is open" if len(found) == 1 else f"{len(found)} questions are open"
    raise EstateError(
        f"{count}.",
        where=str(file),
        remedy=f"Write the answer in the place of each value that begins with a question mark:{listed}",
    )


def _open(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.startswith(OPEN):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _open(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _open(inner, f"{place}[{position}]")
