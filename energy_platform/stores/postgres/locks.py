"""Advisory locks: two runs on the same estate and target wait for each other, on whatever machines they run."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator

import psycopg
from psycopg.pq import TransactionStatus

_LOG = logging.getLogger(__name__)


def key_of(*names: str) -> int:
    """The advisory lock's number for these names: the same everywhere and for ever."""
    digest = hashlib.blake2b("\x1f".join(names).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@contextlib.contextmanager
def partition_lock(connection: psycopg.Connection, estate: str, asset: str) -> Iterator[None]:
    """Hold the lock of an estate and asset during the block; waits for it, and logs that it does.

    It belongs to the connection, not to a transaction: commits in the block keep it, and a process that is killed
    gives it back. The connection must stay open and should do nothing else that is to be rolled back.
    """
    key = key_of("partition", estate, asset)
    idle = connection.info.transaction_status == TransactionStatus.IDLE
    taken = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
    if taken != (True,):
        _LOG.info("Another run works on %s of the estate %s: waiting for it.", asset, estate)
        connection.execute("SELECT pg_advisory_lock(%s)", [key])
    if idle and not connection.autocommit:
        # a lock may be held for hours; a transaction open that long would keep the server from cleaning up
        connection.commit()
    try:
        yield
    finally:
        _release(connection, key)


def _release(connection: psycopg.Connection, key: int) -> None:
    if connection.closed or connection.broken:
        return
    # where that fails, the connection is about to go, and the lock with it; the block's own error matters more
    with contextlib.suppress(psycopg.Error):
        if connection.info.transaction_status == TransactionStatus.INERROR:
            connection.rollback()
        connection.execute("SELECT pg_advisory_unlock(%s)", [key])
