"""Names in messages: what was probably meant, and what there is."""

from __future__ import annotations

from collections.abc import Iterable

_SHOWN = 30


def listed(names: Iterable[str]) -> str:
    """Names in quotes, separated by commas; long lists are cut."""
    every = list(names)
    shown = ", ".join(repr(name) for name in every[:_SHOWN])
    if len(every) > _SHOWN:
        return f"{shown} and {len(every) - _SHOWN} more"
    return shown or "nothing"


def suggestion(name: str, options: Iterable[str]) -> str:
    """`Did you mean 'x'? ` with a space behind it, or the empty text where nothing is close."""
    import difflib

    every = list(options)
    folded = {option.strip().casefold(): option for option in every}
    if (same := folded.get(name.strip().casefold())) is not None:
        return f"Did you mean {same!r}? "
    close = difflib.get_close_matches(name, every, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""
