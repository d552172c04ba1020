"""Sources on a medium that nobody can write to, read by a user who is not its owner: nothing is created beside them."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

# rights of files say nothing to root: it becomes somebody else once everything is imported
_READ = """
import encodings.utf_16_le, gzip, json, os, sys
from pathlib import Path
import pyarrow.csv
from energy_platform.domain.errors import SourceError
from energy_platform.sources.csv.reader import CsvSource
from energy_platform.sources.spec import SourceSpec
from energy_platform.sources.sqlite.reader import SqliteSource
folder = Path(sys.argv[1])
list(SqliteSource(SourceSpec("warm up", "sqlite", folder / "plain.db", "energy_consumption", table="t")).batches(1))
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
found = {}
for path in sorted(folder.iterdir()):
    if path.suffix == ".db":
        source = SqliteSource(SourceSpec(path.name, "sqlite", path, "energy_consumption", table="t"))
    elif path.suffix in {".csv", ".gz"}:
        source = CsvSource(SourceSpec(path.name, "csv", path, "energy_consumption"))
    else:
        continue
    try:
        found[path.name] = [row[0] for frame in source.batches(1) for row in frame.rows()]
    except SourceError as error:
        found[path.name] = str(error)
print(json.dumps(found))
"""


def database(path: Path, *, log: bool, beside: tuple[str, ...]) -> None:
    """A database with two rows; the second stands in a log that was never merged."""
    place = path.parent.parent / "made.db"
    with closing(sqlite3.connect(place)) as made:
        made.executescript("PRAGMA journal_mode = wal; CREATE TABLE t (v); INSERT INTO t VALUES (1);")
        made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if log:
            made.executescript("INSERT INTO t VALUES (2);")
        for ending in ("", *beside):
            shutil.copy(f"{place}{ending}", f"{path}{ending}")
    for ending in ("", "-wal", "-shm"):
        Path(f"{place}{ending}").unlink(missing_ok=True)


@pytest.fixture
def medium():
    # not below pytest's own folder, which another run of it closes to other users again
    with tempfile.TemporaryDirectory() as place:
        yield from _medium(Path(place) / "medium")


def _medium(folder: Path):
    folder.mkdir()
    with closing(sqlite3.connect(folder / "plain.db")) as plain:
        plain.executescript("CREATE TABLE t (v); INSERT INTO t VALUES (1), ('x');")
    database(folder / "merged.db", log=False, beside=())
    database(folder / "unmerged.db", log=True, beside=("-wal", "-shm"))
    database(folder / "without_index.db", log=True, beside=("-wal",))
    (folder / "a.csv").write_text("v\n1\n", encoding="utf-16")
    (folder / "b.gz").write_bytes(gzip.compress(b"v\n1\n"))
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    # other users may come as far as the folder
    for parent in [folder, *folder.parents][1:]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    yield folder
    folder.chmod(0o755)


def test_what_cannot_be_written_is_read(medium: Path) -> None:
    before = sorted(path.name for path in medium.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(medium)],
        check=False, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "a.csv": ["1"], "b.gz": ["1"], "merged.db": [1], "plain.db": [1, "x"], "unmerged.db": [1, 2],
        "without_index.db": [1, 2],
    }  # fmt: skip
    assert sorted(path.name for path in medium.iterdir()) == before


_READ_ESTATE = """
import os, sys
from pathlib import Path
from energy_platform.domain.errors import EstateError
from energy_platform.sources.estate import read_estate
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    read_estate(Path(sys.argv[1]))
except EstateError as error:
    print(error)
"""


def test_a_folder_that_may_not_be_entered_is_said(medium: Path) -> None:
    (medium.parent / "closed").mkdir(mode=0o000)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ESTATE, str(medium.parent / "closed")],
        check=False, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{medium.parent / 'closed'}: This user may not enter the folder. "
        "Let it read the folder and its files; in a container it is user 10001.\n"
    )
