"""The plain values of an estate file: each is what it must be, or an error says where, and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from energy_platform.domain.errors import EstateError
from energy_platform.sources.naming import suggestion


class ValueReading:
    """Reads values of an estate file by their kind.

    Args:
        folder: of the estate.
        file: the estate file, for messages.
    """

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder = folder
        self.file = file

    def fail(self, place: str, what: str, remedy: str) -> NoReturn:
        """Raises EstateError for a place in the file."""
        raise EstateError(what, where=f"{self.file.name}: {place}" if place else self.file.name, remedy=remedy)

    def mapping(self, value: Any, place: str) -> dict[str, Any]:
        """A mapping with texts as keys."""
        if not isinstance(value, dict):
            self.fail(place, f"A mapping must stand here, not {kind_of(value)}.", "Write `name: value` lines.")
        for key in value:
            if not isinstance(key, str):
                self.fail(place, f"The key {key!r} is no text.", f"Write it in quotes: '{key}'.")
        return value

    def known(self, value: Mapping[str, Any], names: Iterable[str], place: str) -> None:
        """Refuses keys that are none of these."""
        options = list(names)
        for key in value:
            if key not in options:
                self.fail(
                    f"{place}.{key}" if place else key,
                    f"The key {key!r} is unknown.",
                    f"{suggestion(key, options)}Keys here are {', '.join(options)}.",
                )

    def text(self, value: Any, place: str, *, empty: bool = False) -> str:
        """A text."""
        if not isinstance(value, str):
            self.fail(
                place,
                f"Text must stand here, not {kind_of(value)}.",
                "Write it in quotes." if is_scalar(value) else "Write one word or name.",
            )
        if not value and not empty:
            self.fail(place, "The text is empty.", "Write something.")
        return value

    def day(self, value: Any, place: str) -> date:
        """A calendar date."""
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        options = "a day as YYYY-MM-DD" + (", or `open`" if place == "last_day" else "")
        return self.fail(place, f"{value!r} is no day.", f"Write {options}.")

    def reasons(self, value: Any, place: str) -> dict[str, str]:
        """Names, and a reason for each."""
        if isinstance(value, list):
            self.fail(place, "A list stands here.", "Write `name: reason` for each, so that people know why.")
        found = self.mapping(value, place)
        for name, reason in found.items():
            if not isinstance(reason, str) or not reason.strip():
                self.fail(f"{place}.{name}", "The reason is missing.", f"Write `{name}: why it is not loaded`.")
        return dict(found)

    def inside(self, value: Any, place: str) -> str:
        """A relative path that stays below the folder, with forward slashes."""
        given = self.text(value, place)
        parts = PurePosixPath(given)
        if parts.is_absolute() or ".." in parts.parts or "\\" in given or "\0" in given or str(parts) == ".":
            self.fail(
                place,
                f"{given!r} does not name something inside of the folder.",
                "Write the path from the estate's folder on, with forward slashes.",
            )
        return str(parts)

    def flag(self, value: Any, place: str) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.fail(place, f"A flag must stand here, not {kind_of(value)}.", "Write true or false.")
        return value

    def choice(self, value: Any, options: Iterable[str], place: str) -> Any:
        """One of several words."""
        words = list(options)
        if value not in words:
            hint = suggestion(value, words) if isinstance(value, str) else ""
            self.fail(place, f"{value!r} is none of {', '.join(words)}.", f"{hint}Write one of these.")
        return value

    def texts(self, value: Any, place: str) -> list[str]:
        """A list of texts and numbers, as text; a single one counts as a list."""
        several = value if isinstance(value, list) else [value]
        for position, one in enumerate(several):
            if not is_scalar(one):
                where = f"{place}[{position}]" if isinstance(value, list) else place
                self.fail(where, f"A text must stand here, not {kind_of(one)}.", "Write it in quotes.")
        return [plain_text(one) for one in several]

    def expression(self, value: Any, place: str) -> re.Pattern[str]:
        """A regular expression with a group."""
        given = self.text(value, place)
        try:
            found = re.compile(given)
        except re.error as error:
            self.fail(place, f"{given!r} is no regular expression: {error}.", "Mend it, or put it in single quotes.")
        if not found.groups:
            self.fail(place, f"{given!r} has no group.", "Put what is meant in brackets: 'meter_(.+)\\.csv'.")
        return found


def is_scalar(value: Any) -> bool:
    """Whether it is a single value."""
    return isinstance(value, str | int | float | bool | date)


def plain_text(value: Any) -> str:
    """A single value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def kind_of(value: Any) -> str:
    """What it is, for messages."""
    kinds: list[tuple[Callable[[Any], bool], str]] = [
        (lambda v: v is None, "nothing"),
        (lambda v: isinstance(v, bool), f"the flag {str(value).lower()}"),
        (lambda v: isinstance(v, int | float), f"the number {value}"),
        (lambda v: isinstance(v, date), f"the day {value}"),
        (lambda v: isinstance(v, str), f"the text {value!r}"),
        (lambda v: isinstance(v, list), "a list"),
        (lambda v: isinstance(v, dict), "a mapping"),
    ]
    return next((name for test, name in kinds if test(value)), type(value).__name__)
