"""The options of a source: how its text is encoded, what a CSV file is like, how numbers and missing values look."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from energy_platform.domain.time_forms import Ambiguous
from energy_platform.sources.estate_values import ValueReading, kind_of
from energy_platform.sources.naming import listed
from energy_platform.sources.spec import CsvLayout, Kind, NumberForm

#: Options of every source.
_ANY = ("key", "ignore", "ambiguous", "decimal", "thousands", "missing")
_OF_KIND: Mapping[Kind, tuple[str, ...]] = {
    "sqlite": ("table",),
    "csv": ("encoding", "separator", "header", "columns", "comment", "skip_rows", "units_row"),
    "json": ("at", "encoding"),
}
_AMBIGUOUS: tuple[Ambiguous, ...] = ("earliest", "latest", "quarantine")
_BLANK = " "


class OptionReading(ValueReading):
    """Reads the options of a source."""

    @staticmethod
    def options(kind: Kind, section: str | None) -> list[str]:
        """Names of the options that a source of a kind may have."""
        names = [kind, *_ANY, *_OF_KIND[kind]]
        if section in {"readings", "energy"}:
            names += ["shape", "values"]
        if section in {"energy", None}:
            names.append("extra")
        if section == "energy":
            names.append("register")
        return names

    def ambiguous(self, given: Mapping[str, Any], place: str, otherwise: Ambiguous) -> Ambiguous:
        """What becomes of local times that exist twice."""
        if "ambiguous" not in given:
            return otherwise
        return self.choice(given["ambiguous"], _AMBIGUOUS, f"{place}.ambiguous" if place else "ambiguous")

    def layout(self, given: Mapping[str, Any], place: str) -> CsvLayout:
        """What stands in a CSV file beside its data."""
        header = self.flag(given["header"], f"{place}.header") if "header" in given else True
        columns: list[str] = []
        if "columns" in given:
            if header:
                self.fail(f"{place}.columns", "The header names the columns.", "Add `header: false` if there is none.")
            if not isinstance(given["columns"], list) or not given["columns"]:
                what = f"A list must stand here, not {kind_of(given['columns'])}."
                self.fail(f"{place}.columns", what, "Write [first, second, …], one name for each column.")
            columns = self.texts(given["columns"], f"{place}.columns")
            if twice := sorted({name for name in columns if columns.count(name) > 1}):
                self.fail(f"{place}.columns", f"Columns are named twice: {listed(twice)}.", "Name each by itself.")
        elif not header:
            self.fail(f"{place}.columns", "A file without a header needs `columns:`.", "Write [first, second, …].")
        units_row = self.flag(given["units_row"], f"{place}.units_row") if "units_row" in given else False
        if units_row and not header:
            self.fail(f"{place}.units_row", "Units stand below a header.", "Use `skip_rows: 1` where there is none.")
        return CsvLayout(header, tuple(columns), self.comment(given, place), self.skip_rows(given, place), units_row)

    def comment(self, given: Mapping[str, Any], place: str) -> str:
        """What comment lines begin with."""
        if "comment" not in given:
            return ""
        mark = self.text(given["comment"], f"{place}.comment")
        if mark.startswith('"') or not mark.strip() or not mark.isprintable():
            self.fail(f"{place}.comment", f"{mark!r} cannot begin a comment.", "Write e.g. '#' or '//'.")
        return mark

    def skip_rows(self, given: Mapping[str, Any], place: str) -> int:
        """How many lines stand before the header."""
        count = given.get("skip_rows", 0)
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 10_000:
            self.fail(f"{place}.skip_rows", f"{count!r} is no number of lines.", "Write how many lines to skip.")
        return count

    def numbers(self, given: Mapping[str, Any], place: str) -> NumberForm:
        """How numbers are written."""
        decimal = given.get("decimal", ".")
        if decimal not in (".", ","):  # a list, not a set: it may be anything
            self.fail(f"{place}.decimal", f"{decimal!r} cannot stand before a fraction.", "Write '.' or ','.")
        thousands = given.get("thousands", "")
        fits = isinstance(thousands, str) and len(thousands) == 1 and thousands.isprintable()
        if "thousands" in given and (not (fits or thousands in ("\u00a0", "\u202f")) or thousands.isalnum()):
            self.fail(f"{place}.thousands", f"{thousands!r} cannot stand between thousands.", "Write one character.")
        if thousands and (thousands == decimal or thousands in '+-"'):
            what = f"{thousands!r} stands before the fraction" if thousands == decimal else f"{thousands!r} is a sign"
            self.fail(f"{place}.thousands", f"{what}, and cannot stand between thousands.", "Say `decimal:` too.")
        return NumberForm(decimal, _BLANK if thousands.isspace() else thousands)

    def missing(self, given: Mapping[str, Any], place: str) -> tuple[str, ...]:
        """Texts that mean that there is no value."""
        if "missing" not in given:
            return ()
        return tuple(dict.fromkeys(text.strip() for text in self.texts(given["missing"], f"{place}.missing")))

    def encoding(self, value: Any, place: str) -> str:
        """The name of an encoding."""
        name = self.text(value, place)
        try:
            codec = codecs.lookup(name)
            "a".encode(codec.name)
        except (LookupError, UnicodeError, ValueError):
            self.fail(place, f"The encoding {name!r} is unknown.", "Write e.g. utf-8, utf-16, cp949, cp1252.")
        return codec.name

    def separator(self, value: Any, place: str) -> str:
        """What stands between columns."""
        given = self.text(value, place)
        separator = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(given, given)
        if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
            self.fail(place, f"{given!r} cannot separate columns.", "Write one character, or tab.")
        return separator
