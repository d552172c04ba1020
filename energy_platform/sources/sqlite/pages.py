"""Which rows of a SQLite table can have changed, told by the pages of the file: not a row is read for it.

A leaf with the same bytes holds the same rows, so that of a file of which a day has changed only the leaves of that day
need be read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from energy_platform.sources.sqlite.btree import FILE_HEADER_BYTES, BTreeFile, Bytes, Level

if TYPE_CHECKING:
    import polars as pl

#: Of the file, so many bytes are looked at together.
_READ_BYTES: Final = 8 << 20
_READERS: Final = 2
_SEED: Final = 0x9E3779B9


def leaf_pages(path: Path, root: int, roots: Sequence[int]) -> pl.DataFrame | None:
    """The leaves of a table in the order of the rowid; the caller sees to it that nobody writes meanwhile.

    Args:
        path: of a file without a write-ahead log.
        root: the table's root page.
        roots: the root pages of every table and index of the file.

    Returns:
        a frame of `last` (Int64: the highest rowid that may stand in the leaf; the lowest is one above that of the leaf
        before) and `hash` (UInt64, of its bytes). None where rows may stand elsewhere than in leaves: long ones have
        pages of their own, which are not told from pages that nobody uses.

    Raises:
        ValueError, IndexError: the file is corrupt.
        OSError: it cannot be read.
    """
    import polars as pl

    # opened without a buffer, and not mapped: all of it would count as memory of this process
    with path.open("rb", buffering=0) as stream:
        file = BTreeFile(stream.fileno())
        if file.is_vacuumed_automatically:
            return None
        kinds, hashes = _looked_through(file)
        trees = {each: file.walked(each, lambda level: _kind_of_all(level, kinds)) for each in {1, root, *roots}}
    if sum(pages for pages, _ in trees.values()) + file.free_pages + file.locked_pages != file.pages:
        return None
    leaves = trees[root][1]
    return pl.DataFrame({"last": leaves.lasts, "hash": hashes.gather(leaves.pages - 1)})


def _looked_through(file: BTreeFile) -> tuple[Bytes, pl.Series]:
    """The kind of every page by its number, if it is one of a b-tree, and the hashes of their bytes (UInt64)."""
    import polars as pl
    import pyarrow as pa

    together = max(1, _READ_BYTES // file.page_bytes)

    def look(first: int) -> tuple[bytes, pl.Series]:
        count = min(together, file.pages - first)
        content = os.pread(file.descriptor, count * file.page_bytes, first * file.page_bytes)
        pages = [None, pa.py_buffer(content)]
        rows = pa.FixedSizeBinaryArray.from_buffers(pa.binary(file.page_bytes), count, pages)
        kinds = content[:: file.page_bytes]
        if not first:
            kinds = content[FILE_HEADER_BYTES : FILE_HEADER_BYTES + 1] + kinds[1:]
        return kinds, pl.Series(pl.from_arrow(rows)).hash(_SEED)

    with ThreadPoolExecutor(_READERS, "energy-platform-pages") as pool:
        found = list(pool.map(look, range(0, file.pages, together)))
    # there is no page 0
    kinds = np.frombuffer(b"\0" + b"".join(kinds for kinds, _ in found), dtype=np.uint8)
    return kinds, pl.concat(hashes for _, hashes in found)


def _kind_of_all(level: Level, kinds: Bytes) -> int:
    found = np.unique(kinds[level.pages])
    if len(found) > 1:
        raise ValueError("Pages of one depth are of several kinds.")
    return int(found[0])
