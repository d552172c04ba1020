"""Names of columns, files and tables as words, the unit that stands behind them, and how well they fit a vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from energy_platform.domain import units
from energy_platform.sources.inspect.words import OTHER_UNITS, SENSOR_TYPES, UNITS_IN_BRACKETS_ONLY

_BRACKETS = re.compile(r"[(\[{<]\s*([^()\[\]{}<>]*?)\s*[)\]}>]")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[%°℃℉@]?[^\W_]+|[%°℃℉@]+")
_NUMBERED = re.compile(r"([^\W\d_]+)(\d+)")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
# units that are words of their own only behind another word: `temp_c`, never `c`
_SHORTEST_ALONE = 2
_UNITS_ANYWHERE = frozenset({"kw", "kwh", "gwh"})
#: What an interval used, said with the interval: `kWh/hh`, `kWh / 15 min`.
_PER_INTERVAL = re.compile(r"(?i)^([kmg]?wh)\s*(?:/|per\b).*")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by one of its names.

    Attributes:
        name: as the estate file writes it.
        quantity: that it measures.
        canonical: it is the one that the platform stores.
    """

    name: str
    quantity: str
    canonical: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A name, taken apart.

    Attributes:
        words: in small letters, without the unit.
        unit: that stands behind it or in brackets; None where there is none.
    """

    words: tuple[str, ...]
    unit: Unit | None = None

    @property
    def phrase(self) -> str:
        """The words with blanks between them."""
        return " ".join(self.words)


@lru_cache(maxsize=4096)
def taken_apart(name: str) -> Name:
    """A name as words and a unit."""
    text = unicodedata.normalize("NFC", name.strip())
    unit = next((found for inside in _BRACKETS.findall(text) if (found := unit_named(inside))), None)
    text = _BRACKETS.sub(lambda found: " " if unit_named(found[1]) else f" {found[1]} ", text)
    written = _WORD.findall(text)
    if unit is None and written and written[-1].lower() not in UNITS_IN_BRACKETS_ONLY:
        unit = unit_named(written[-1])
        if unit is not None and len(written) > 1:
            written.pop()
        elif written[0] == written[-1] and len(written[0]) < _SHORTEST_ALONE:
            unit = None
    if unit is None:
        # `kWh/hh (per half hour)`, `kW total`: nothing else is called so
        place = next((i for i, word in enumerate(written) if word.lower() in _UNITS_ANYWHERE), None)
        if place is not None:
            unit = unit_named(written.pop(place))
    return Name(tuple(word.lower() for word in _CAMEL.sub(" ", " ".join(written)).split()), unit)


def unit_named(text: str) -> Unit | None:
    """The unit of that name; None where it is none."""
    if known := units.unit_named(text):
        return Unit(known.name, known.quantity, known.name == known.canonical)
    plain = text.strip().strip("[]()").strip()
    if per := _PER_INTERVAL.match(plain):
        return unit_named(per[1])
    quantity = OTHER_UNITS.get(plain.casefold())
    return Unit(plain, quantity, canonical=True) if quantity else None


def fit(name: Name, words: Iterable[str]) -> int:
    """How well a name fits: 3 it is one of the words, 2 it ends or begins with one, 1 it holds one, 0 not at all."""
    best = 0
    phrase = name.phrase
    for word in words:
        if word == phrase:
            return 3
        if not word:
            continue
        if _HANGUL.search(word):
            # Korean names run together: 전체건물코드
            if len(word) > 1 and word in phrase:
                best = max(best, 2 if phrase.endswith(word) or phrase.startswith(word) else 1)
            continue
        parts = tuple(word.split())
        if len(name.words) > len(parts) and len(word) > 1:
            numbered = tuple(_NUMBERED.sub(r"\1", part) for part in name.words)
            for place in range(len(name.words) - len(parts) + 1):
                if parts in (name.words[place : place + len(parts)], numbered[place : place + len(parts)]):
                    at_an_end = place == 0 or place + len(parts) == len(name.words)
                    best = max(best, 2 if at_an_end else 1)
        elif len(name.words) == 1 and (found := _NUMBERED.fullmatch(phrase)) and found[1] == word:
            best = max(best, 2)
    return best


def sensor_type_of(text: str) -> str | None:
    """What a sensor, a column or a type of that name measures; None where the name does not tell."""
    name = taken_apart(text)
    fits = {kind: fit(name, words) for kind, words in SENSOR_TYPES.items()}
    best = max(fits, key=lambda kind: fits[kind])
    if fits[best]:
        return best
    # `temperature_sensors`: the plural of a group
    singular = Name(tuple(word.removesuffix("s") for word in name.words))
    fits = {kind: fit(singular, words) for kind, words in SENSOR_TYPES.items()}
    best = max(fits, key=lambda kind: fits[kind])
    return best if fits[best] else None


def slug(text: str, fallback: str, longest: int = 40) -> str:
    """Small letters, digits and `_`, a letter first, e.g. for the name of a field."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", ascii_only).lower()).strip("_")[:longest].strip("_")
    if not plain:
        return fallback
    return plain if plain[0].isalpha() else f"{fallback}_{plain}"[:longest].strip("_")
