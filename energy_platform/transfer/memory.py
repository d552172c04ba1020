"""The heaps of this process.

glibc gives threads heaps of their own, up to eight for each core, and what is freed in one is of no use to another.
Each piece is written and proved by new threads: memory would grow for a while although nothing is kept.
"""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

#: M_ARENA_MAX of mallopt(3).
_MOST_ARENAS: Final = -8
#: So many threads of a load take memory at once.
_HEAPS: Final = 2


def share_heaps() -> None:
    """Let all threads that begin from now on take from a few heaps; nothing happens where there is no glibc."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MOST_ARENAS, _HEAPS)
