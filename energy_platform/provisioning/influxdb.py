"""InfluxDB made ready: bucket, and a token for it alone, kept in a file that the settings read."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from energy_platform.domain.errors import SettingError, StoreAccessError
from energy_platform.local.files import write_private
from energy_platform.settings import SecretFromFile, Settings
from energy_platform.stores.timeseries.provisioning import InfluxAdministration

TOKEN_FILE = "energy_influx_token"  # noqa: S105  the name of the file that the setting influx_token is read from


def provision_influxdb(settings: Settings, say: Callable[[str], None]) -> None:
    """Make the bucket and a token where the settings name an administrator's; else try the given token.

    A token that works is kept. Where a variable names the token, it is a person's, and never replaced.

    Args:
        settings: judged before.
        say: is told, in a sentence, what was made or found.

    Raises:
        SettingError: a token must be made, and no folder is named to keep it in.
        StoreAccessError: the given tokens lack a right.
        StoreError: the server does not answer, or refuses.
    """
    administrator = _as(settings, settings.provision_influx_token.get_secret_value())
    if not administrator:
        token = settings.influx_token.get_secret_value()
        tried = _as(settings, token)
        if tried is None:
            raise SettingError(
                "There is no token.",
                where="ENERGY_INFLUX_TOKEN",
                remedy="Set it to one that reads and writes the bucket, or ENERGY_PROVISION_INFLUX_TOKEN to one that"
                " makes it.",
            )
        tried.check_rights()
        say(f"{tried.place}: the token reads and writes the bucket {tried.bucket}.")
        return
    with _alone(settings.secrets_dir):
        file, token, is_given = _known_token(settings)
        if is_given and _works(settings, token):
            say(f"{administrator.place}: the token of ENERGY_INFLUX_TOKEN reads and writes the bucket.")
            return
        made = administrator.ensure_bucket()
        if token and _works(settings, token):
            say(f"{administrator.place}: bucket and token are there, and work.")
            return
        if is_given:
            raise StoreAccessError(
                f"The token of ENERGY_INFLUX_TOKEN may not read and write the bucket {administrator.bucket}.",
                where=administrator.place,
                remedy="Give it these rights, or leave it empty: then one is made.",
            )
        if file is None:
            raise SettingError(
                "A token is to be made, and there is no folder to keep it in.",
                where="ENERGY_SECRETS_DIR",
                remedy="Set it to a folder that this user may write, and all parts of the platform read.",
            )
        made.append(f"a token for the bucket alone (in {file})" + (", in place of one that is refused" * bool(token)))
        _keep(file, administrator.make_token())
        say(f"{administrator.place}: made {', '.join(made)}.")


def _as(settings: Settings, token: str) -> InfluxAdministration | None:
    if not token:
        return None
    return InfluxAdministration(
        settings.influx_url, token, organisation=settings.influx_org, bucket=settings.influx_bucket
    )


def _works(settings: Settings, token: str) -> bool:
    tried = _as(settings, token)
    try:
        return tried is not None and tried.check_rights() is None
    except StoreAccessError:
        return False


def _known_token(settings: Settings) -> tuple[Path | None, str, bool]:
    """The file for the token, the token in use, and whether a person gave it.

    The file is read again: somebody else may have made another meanwhile.
    """
    file = settings.secrets_dir / TOKEN_FILE if settings.secrets_dir else None
    token = settings.influx_token.get_secret_value()
    if token and not isinstance(settings.influx_token, SecretFromFile):
        return file, token, True
    return file, file.read_text(encoding="utf-8").strip() if file and file.exists() else "", False


def _keep(file: Path, token: str) -> None:
    write_private(file, token + "\n")


@contextmanager
def _alone(folder: Path | None) -> Iterator[None]:
    """Keep others from making a token for the same folder meanwhile."""
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".provisioning").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise SettingError(
            f"The folder of secrets cannot be written: {error.strerror}.",
            where=str(folder),
            remedy="Set ENERGY_SECRETS_DIR to a folder that this user may write.",
        ) from error
