"""Random numbers that depend on the seed and on what they are for, never on the order of work."""

from __future__ import annotations

import numpy as np

#: One stream per purpose: a new purpose gets a new number and leaves all others as they are.
STREAMS = {
    "spell": 1,
    "moisture": 2,
    "buildings": 3,
    "day": 4,
    "energy": 5,
    "readings": 6,
    "reading_flaws": 7,
    "energy_flaws": 8,
    "alerts": 9,
    "registers": 10,
}


def random_of(seed: int, purpose: str, *places: int) -> np.random.Generator:
    """A generator of its own for a purpose (a key of `STREAMS`) at a place, such as a day and a block of buildings."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAMS[purpose], *places))))
