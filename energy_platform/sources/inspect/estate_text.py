"""A proposal as the text of an estate file: plain YAML, with comments where something is not sure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from energy_platform.sources.inspect.proposal import Proposal, SourceProposal

_PLAIN = re.compile(r"[A-Za-z_\uac00-\ud7a3](?:[\w\uac00-\ud7a3./ -]*[\w\uac00-\ud7a3])?")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"})
_WIDTH = 110


def estate_text(proposal: Proposal) -> str:
    """The whole estate file."""
    lines = ["# What each file of this folder is, as `energy-platform inspect` found it: look it over."]
    if proposal.questions:
        lines += ["#", "# Open questions; values that begin with a question mark wait for an answer:"]
        for question in proposal.questions:
            lines += _comment(f"- {question.where}: {question.what} {question.how}")
    for key, value in proposal.head.items():
        lines.append(_with_comment(f"{key}: {_flow(value)}", proposal.comments.get(key, "")))
    sections = dict.fromkeys(source.section for source in proposal.sources if source.is_section)
    for section in sections:
        lines += ["", f"{section}:"]
        for source in proposal.sources:
            if source.section == section:
                lines += _notes(source, "  ")
                lines += _block(source, "  - ", "    ")
    tables = dict.fromkeys(source.section for source in proposal.sources if not source.is_section)
    if tables:
        lines += ["", "tables:"]
    for table in tables:
        several = [source for source in proposal.sources if source.section == table]
        lines += [f"  {table}:"]
        for source in several:
            lines += _notes(source, "    ")
            if len(several) == 1:
                lines += _block(source, "    ", "    ")
            else:
                lines += _block(source, "      - ", "        ")
    if proposal.models_folder is not None:
        lines += ["", f"models: {_flow({'folder': proposal.models_folder})}"]
    if proposal.ignored:
        lines += ["", "ignore:"]
        lines += [f"  {scalar(name)}: {scalar(why)}" for name, why in sorted(proposal.ignored.items())]
    return "\n".join(lines) + "\n"


def scalar(value: Any) -> str:
    """A single value as YAML that reads back as the same value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | date):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # what YAML does not take as it is, a byte order mark and line ends of Unicode among it
    if character.isprintable() and character != "\ufeff":
        return character
    return f"\\U{ord(character):08x}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def _block(source: SourceProposal, first: str, further: str) -> list[str]:
    lines: list[str] = []
    for key, value in source.entry.items():
        start = further if lines else first
        comment = source.comments.get(key, "")
        flow = _flow(value)
        if isinstance(value, Mapping) and len(start) + len(key) + len(flow) > _WIDTH:
            lines.append(_with_comment(f"{start}{key}:", comment))
            lines += [f"{further}  {scalar(inner)}: {_flow(one)}" for inner, one in value.items()]
        else:
            lines.append(_with_comment(f"{start}{key}: {flow}", comment))
    return lines


def _notes(source: SourceProposal, indent: str) -> list[str]:
    return [indent + line for note in source.notes for line in _comment(note)]


def _with_comment(line: str, comment: str) -> str:
    return f"{line}  # {_one_line(comment)}" if comment else line


def _comment(text: str) -> list[str]:
    import textwrap

    return [f"# {line}" for line in textwrap.wrap(_one_line(text), _WIDTH, break_on_hyphens=False)]


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
