"""A kept scan that was damaged is none: whoever asks for it reads the source again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from energy_platform.transfer.scanning.scans import Scan, drop_scan, keep_scan, kept_scan

PLACE = ("estate.yaml", "energy_consumption", "a.csv")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of a kept scan."""
    parts = pl.DataFrame({"last": [7], "hash": [9]}, schema={"last": pl.Int64, "hash": pl.UInt64})
    keep_scan(tmp_path, PLACE, Scan("version", "meaning", datetime(2025, 1, 1, tzinfo=UTC), parts=parts))
    (file,) = tmp_path.iterdir()
    found = kept_scan(tmp_path, PLACE)
    assert found is not None
    assert (found.version, found.meaning) == ("version", "meaning")
    return file


def test_no_damage_of_a_kept_scan_stops_anybody(kept: Path) -> None:
    content = kept.read_bytes()
    for place in range(0, len(content), 3):
        for damaged in (
            content[:place],
            content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :],
            content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :],
        ):
            kept.write_bytes(damaged)
            found = kept_scan(kept.parent, PLACE)
            # what is not read at all may be damaged: the frames have checksums
            assert found is None or (found.version, found.parts is not None) == ("version", True)


def test_a_scan_that_is_dropped_is_gone(kept: Path) -> None:
    drop_scan(kept.parent, PLACE)
    assert kept_scan(kept.parent, PLACE) is None
    drop_scan(kept.parent, PLACE)
