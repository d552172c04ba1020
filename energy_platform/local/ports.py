"""Free ports of the loopback address.

Ports are taken from below the range that systems hand out to outgoing connections, so that a port chosen once is very
likely still free after a restart.
"""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Collection

from energy_platform.domain.errors import StoreError

LOOPBACK = "127.0.0.1"
FIRST_PORT = 20_000
LAST_PORT = 31_999


def is_free(port: int) -> bool:
    """Whether nobody listens on that loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # a listener on all addresses would not hinder the bind below on every system
        probe.settimeout(1.0)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # connections of a server that has just stopped linger for a minute; they are in nobody's way
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(avoid: Collection[int] = ()) -> int:
    """A free loopback port that is not among `avoid`.

    Raises:
        StoreError: none is free.
    """
    ports = range(FIRST_PORT, LAST_PORT + 1)
    for port in random.sample(ports, len(ports)):
        if port not in avoid and is_free(port):
            return port
    raise StoreError(
        f"No free port between {FIRST_PORT} and {LAST_PORT} on {LOOPBACK}.", remedy="Stop programs that listen there."
    )


def first_free_port(wanted: int) -> int:
    """`wanted`, or the next free port above it."""
    return next((port for port in range(wanted, wanted + 100) if is_free(port)), wanted)


if __name__ == "__main__":
    print(first_free_port(int(sys.argv[1])))
