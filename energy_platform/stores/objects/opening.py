"""The object store that the settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from energy_platform.domain.errors import SettingError, StoreError
from energy_platform.stores.objects.folder import FolderObjectStore
from energy_platform.stores.objects.interface import ObjectStore

_SETTING = "ENERGY_OBJECTS_URL"
_REMEDY = f"Set {_SETTING} to file:///a/folder, or leave it empty for a folder of this machine's stores."


def open_object_store(url: str, home: Path) -> ObjectStore:
    """The object store at `url`. Nothing is made or reached before its first use.

    Args:
        url: empty for `<home>/objects`, or `file:///a/folder` (percent-encoded).
        home: where local stores live.

    Raises:
        StoreError: a kind of store that is not supported yet (S3).
        SettingError: no URL of an object store at all. The URL itself is never shown: it may hold a key.
    """
    if not url:
        return FolderObjectStore(home / "objects")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingError("This is no URL.", where=_SETTING, remedy=_REMEDY) from None
    if parts.scheme == "s3":
        raise StoreError("Object stores of the kind s3:// are not supported yet.", where=_SETTING, remedy=_REMEDY)
    if parts.scheme != "file":
        kind = "a URL without a kind" if not parts.scheme else "a URL of an unknown kind"
        raise SettingError(f"This is {kind}.", where=_SETTING, remedy=_REMEDY)
    path = Path(url2pathname(parts.path))
    if parts.netloc not in ("", "localhost") or not path.is_absolute() or parts.query or parts.fragment:
        raise SettingError("A file URL has three slashes and a whole path.", where=_SETTING, remedy=_REMEDY)
    return FolderObjectStore(path)
