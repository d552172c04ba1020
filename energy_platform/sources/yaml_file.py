"""Reads a YAML file strictly: a key that stands twice, and everything that is no plain YAML, is an error with a line.

Of YAML 1.1, only `true` and `false` are flags here, so that a column called `no` or `on` keeps its name, and `12:30` is
text, not a number.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from energy_platform.domain.errors import EstateError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOLVERS: tuple[tuple[str, str, str], ...] = (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+)$",
        "-+0123456789.",
    ),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN"),
    ("tag:yaml.org,2002:timestamp", r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "0123456789"),
    ("tag:yaml.org,2002:merge", r"^<<$", "<"),
)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader that refuses a key that stands twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} stands here, and in line {seen[key.value]} already",
                        problem_mark=key.start_mark,
                    )
                seen[key.value] = line
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), [*_first, ""] if "null" in _tag else list(_first))


def load_yaml(file: Path) -> Any:
    """The content of a YAML file. Raises EstateError with the line for what is no valid YAML."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EstateError(
            f"The file cannot be read: {error.strerror}.", where=str(file), remedy="Make it readable for this user."
        ) from None
    try:
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file.name}, line {mark.line + 1}, column {mark.column + 1}" if mark else file.name
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise EstateError(f"This is no valid YAML: {problem}.", where=place, remedy="Mend that line.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # a date that does not exist, bytes that are no UTF-8
        raise EstateError(
            f"This is no valid YAML: {' '.join(str(error).split())}.",
            where=file.name,
            remedy="Write it as UTF-8 text, with dates as YYYY-MM-DD.",
        ) from None
