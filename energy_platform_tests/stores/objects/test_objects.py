"""The object store keeps whole files only, whatever happens while they are put."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from energy_platform.domain.errors import (
    SettingError,
    SourceError,
    SourceMissingError,
    StoreAccessError,
    StoreError,
    StoreUnavailableError,
)
from energy_platform.stores.objects.folder import FolderObjectStore
from energy_platform.stores.objects.interface import ObjectStore, checked_key, key_of, sha256_of
from energy_platform.stores.objects.opening import open_object_store

CONTENT = "건물 B001".encode()
# the published hash of the empty text
EMPTY_KEY = "sha256/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

PUT = """
import sys
from pathlib import Path
from energy_platform.stores.objects.folder import FolderObjectStore

store = FolderObjectStore(Path(sys.argv[1]))
for path in sys.argv[2:]:
    store.put_file(Path(path))
"""


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FolderObjectStore(tmp_path / "objects")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(CONTENT)
    return path


def _put_in_background(root: Path, *paths: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PUT, str(root), *map(str, paths)])


def test_a_file_comes_back_as_it_was(store: ObjectStore, source: Path) -> None:
    key = store.put_file(source)
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert key == f"sha256/{digest[:2]}/{digest}" == key_of(digest)
    assert sha256_of(key) == digest
    assert store.has(key)
    assert store.read(key) == CONTENT
    assert store.size(key) == len(CONTENT)
    assert list(store.keys()) == [key]
    assert store.verify(key)
    with store.open(key) as stream:
        assert stream.read(3) == CONTENT[:3]
    assert source.read_bytes() == CONTENT


def test_an_empty_file_is_an_object_too(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert store.put_file(tmp_path / "empty") == EMPTY_KEY
    assert store.read(EMPTY_KEY) == b""


def test_putting_again_changes_nothing(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    key = store.put_file(source)
    before = (tmp_path / "objects" / key).stat()
    copy = shutil.copy(source, tmp_path / "same content")
    assert store.put_file(Path(copy)) == key
    after = (tmp_path / "objects" / key).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(store.keys()) == [key]
    assert list((tmp_path / "objects" / "incoming").iterdir()) == []


def test_only_the_owner_can_read(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        key = store.put_file(source)
    finally:
        os.umask(previous)
    path = tmp_path / "objects" / key
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (path.parent, path.parent.parent, tmp_path / "objects", tmp_path / "objects" / "incoming"):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT[:-1] + b"X", b""])
def test_damage_is_noticed_and_mended_by_putting_again(
    store: ObjectStore, source: Path, tmp_path: Path, damage: bytes
) -> None:
    key = store.put_file(source)
    (tmp_path / "objects" / key).write_bytes(damage)
    assert not store.verify(key)
    assert store.put_file(source) == key
    assert store.verify(key)
    assert store.read(key) == CONTENT


def test_what_is_not_there(store: ObjectStore) -> None:
    assert not store.has(EMPTY_KEY)
    assert not store.verify(EMPTY_KEY)
    assert list(store.keys()) == []
    store.delete(EMPTY_KEY)
    for ask in (store.read, store.size, store.open):
        with pytest.raises(StoreError, match="no such object") as raised:
            ask(EMPTY_KEY)
        assert raised.value.where == EMPTY_KEY


def test_deleting_removes_one_object(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    key = store.put_file(source)
    store.put_file(tmp_path / "empty")
    store.delete(key)
    assert not store.has(key)
    assert list(store.keys()) == [EMPTY_KEY]


@pytest.mark.parametrize(
    "key",
    [
        "",
        "../../etc/passwd",
        "sha256/../../etc/passwd",
        EMPTY_KEY.upper(),
        EMPTY_KEY[:-1],
        EMPTY_KEY + "\n",
        EMPTY_KEY.replace("/e3/", "/e4/"),
        "/" + EMPTY_KEY,
    ],
)
def test_a_path_is_no_key(store: ObjectStore, key: str) -> None:
    with pytest.raises(StoreError, match="no key"):
        checked_key(key)
    for ask in (store.has, store.read, store.delete, store.verify):
        with pytest.raises(StoreError, match="no key"):
            ask(key)


def test_foreign_files_are_no_objects(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    key = store.put_file(source)
    root = tmp_path / "objects"
    (root / "sha256" / ".DS_Store").write_text("x")
    (root / "sha256" / "ab").mkdir(exist_ok=True)
    (root / "sha256" / "ab" / "notes.txt").write_text("x")
    (root / "README").write_text("x")
    assert list(store.keys()) == [key]


def test_a_source_that_cannot_be_read(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        store.put_file(tmp_path / "none")
    with pytest.raises(SourceError, match="cannot be read"):
        store.put_file(tmp_path)


def test_a_folder_that_does_not_work(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match="ENERGY_OBJECTS_URL"):
        FolderObjectStore(tmp_path / "file" / "objects").put_file(source)


def test_a_folder_that_may_not_be_entered(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    key = store.put_file(source)
    root = tmp_path / "objects"
    root.chmod(0)
    am_root = os.geteuid() == 0
    if am_root:
        os.seteuid(65534)
    try:
        for ask in (lambda: store.has(key), lambda: store.read(key), lambda: list(store.keys())):
            with pytest.raises(StoreAccessError, match="ENERGY_OBJECTS_URL"):
                ask()
    finally:
        if am_root:
            os.seteuid(0)
        root.chmod(0o700)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    # a limit on the size of files: the system refuses in the middle of the copy, as a full disk does
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(8 << 20)
    limited = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    root = tmp_path / "objects"
    done = subprocess.run(
        [sys.executable, "-c", limited + PUT, str(root), str(big)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "StoreUnavailableError" in done.stderr
    assert list(FolderObjectStore(root).keys()) == []
    assert list((root / "incoming").iterdir()) == []


def test_a_put_that_is_killed_leaves_no_object(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(256 << 20)
    root = tmp_path / "objects"
    process = _put_in_background(root, big)
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in (root / "incoming").glob("*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        assert process.wait() == -9
    store = FolderObjectStore(root)
    assert list(store.keys()) == []
    assert len(list((root / "incoming").iterdir())) == 1
    with big.open("rb+") as file:
        file.truncate(1 << 20)
    key = store.put_file(big)
    assert store.verify(key)
    assert list(store.keys()) == [key]


def test_killed_at_any_moment_what_is_there_is_whole(tmp_path: Path) -> None:
    chance = random.Random(7)
    paths = [tmp_path / f"file {index}" for index in range(60)]
    for path in paths:
        path.write_bytes(chance.randbytes(200_000))
    root = tmp_path / "objects"
    store = FolderObjectStore(root)
    for _ in range(4):
        process = _put_in_background(root, *paths)
        wanted = len(list(store.keys())) + chance.randint(1, 10)
        while len(list(store.keys())) < wanted and process.poll() is None:
            time.sleep(chance.random() / 1000)
        process.kill()
        process.wait()
        assert all(map(store.verify, store.keys()))
    finished = _put_in_background(root, *paths)
    assert finished.wait() == 0
    assert set(store.keys()) == {key_of(hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths}


def test_leftovers_go_after_a_day_and_not_before(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    store.put_file(source)
    incoming = tmp_path / "objects" / "incoming"
    (incoming / "dead").touch()
    (incoming / "alive").touch()
    two_days_ago = time.time() - 2 * 86_400
    os.utime(incoming / "dead", (two_days_ago, two_days_ago))
    source.write_bytes(b"other content")
    store.put_file(source)
    assert [path.name for path in incoming.iterdir()] == ["alive"]


def test_two_processes_may_put_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(random.Random(7).randbytes(5_000_000))
    root = tmp_path / "objects"
    processes = [_put_in_background(root, path) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    store = FolderObjectStore(root)
    assert list(map(store.verify, store.keys())) == [True]


# --- opening


def test_the_store_that_a_url_names(tmp_path: Path) -> None:
    def root(url: str) -> Path:
        store = open_object_store(url, tmp_path / "home")
        assert isinstance(store, FolderObjectStore)
        return store.root

    assert root("") == tmp_path / "home" / "objects"
    assert root(f"file://{tmp_path}/a%20b/%EA%B1%B4%EB%AC%BC") == tmp_path / "a b" / "건물"
    assert root("file://localhost/srv/objects") == Path("/srv/objects")
    assert not (tmp_path / "home").exists()


def test_s3_is_refused_by_the_name_of_its_setting(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"not supported yet.*ENERGY_OBJECTS_URL") as raised:
        open_object_store("s3://key:verysecret@bucket/prefix", tmp_path)
    assert raised.value.where == "ENERGY_OBJECTS_URL"
    assert "verysecret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/objects",
        "objects",
        "ftp://a:verysecret@b/c",
        "file://host/srv",
        "file:relative",
        "file:///a?b=c",
        "http://[",
    ],
)
def test_other_urls_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="ENERGY_OBJECTS_URL") as raised:
        open_object_store(url, tmp_path)
    assert "verysecret" not in str(raised.value)
