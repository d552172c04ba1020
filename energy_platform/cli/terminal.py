"""The terminal that the verbs print to."""

from __future__ import annotations

from rich.console import Console

#: Where there is no terminal, as in CI or behind a pipe, tables need not fold.
WIDTH_WITHOUT_TERMINAL = 140


def terminal() -> Console:
    """A console on standard output, as wide as the terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)
