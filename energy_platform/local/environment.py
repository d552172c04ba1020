"""The environment in which the platform's programs find the stores: as a block in `.env`, and as export lines.

`.env` belongs to its user; only the block between our two marks is ours. Values of local stores stand there so that
plain `dagster dev` and `dg dev` work. They are never taken for servers elsewhere: a setting that merely repeats the
block counts as empty (see `without_local_urls`).
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from energy_platform.local.files import write_private
from energy_platform.settings import NO_SECRET, Settings

BLOCK_BEGIN = "# --- local stores, written by energy-platform up; changes in this block are lost"
BLOCK_END = "# --- end of local stores"
_URL_SETTINGS = (
    "postgres_url",
    "postgres_admin_url",
    "postgres_app_url",
    "dagster_postgres_url",
    "influx_url",
    "influx_token",
    "redis_url",
)


def project_root() -> Path:
    """The folder that holds dagster.yaml: the working folder or one above it, else the checkout of this package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dagster.yaml").exists() and (folder / "workspace.yaml").exists():
            return folder
    return Path(__file__).resolve().parents[2]


def env_file() -> Path | None:
    """The `.env` that settings are read from."""
    name = Settings.model_config.get("env_file")
    return Path(name) if isinstance(name, str | Path) else None


def environment(settings: Settings) -> dict[str, str]:
    """Variables that make Dagster and our own programs use these stores.

    Args:
        settings: with the URLs of all stores filled in.
    """
    values = {
        "DAGSTER_HOME": str(project_root()),
        # one write per thousand events: most of the time of a run over many days goes there
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "ENERGY_DAGSTER_STORAGE": str(settings.home.absolute() / "dagster"),
    }
    return values | {f"ENERGY_{name.upper()}": value for name in _URL_SETTINGS if (value := _text(settings, name))}


def write_env_file(settings: Settings, *, given: Settings) -> Path:
    """Write our block into `.env`, mode 0600, and leave every other line as it is; returns its path.

    Args:
        settings: with the URLs of all stores filled in.
        given: the settings as a person gave them (see `without_local_urls`). What stands there is not repeated in the
            block, so that it is not mistaken for a local store the next time.
    """
    path = env_file() or Path(".env")
    text = path.read_text() if path.exists() else ""
    others = _without_block(text)
    theirs = set(dotenv_values(stream=io.StringIO(others)))
    theirs |= {f"ENERGY_{name.upper()}" for name in _URL_SETTINGS if _text(given, name)}
    lines = [f"{name}={_quoted(value)}" for name, value in environment(settings).items() if name not in theirs]
    block = "\n".join([BLOCK_BEGIN, *lines, BLOCK_END, ""])
    content = f"{others.rstrip()}\n\n{block}" if others.strip() else block
    if content != text or path.stat().st_mode & 0o077:
        write_private(path, content)
    return path


def export_lines(settings: Settings) -> list[str]:
    """`export NAME='value'` lines for a shell: our settings, and those that psql, redis-cli and influx read."""
    values = environment(settings)
    values["ENERGY_HOME"] = str(settings.home.absolute())
    values["ENERGY_ESTATE"] = str(settings.estate.absolute())
    postgres = urlsplit(settings.postgres_url.get_secret_value())
    if postgres.hostname:
        values["PGHOST"] = postgres.hostname
        values["PGPORT"] = str(postgres.port or 5432)
        values["PGUSER"] = unquote(postgres.username or "")
        values["PGPASSWORD"] = unquote(postgres.password or "")
        values["PGDATABASE"] = postgres.path.lstrip("/")
    redis = urlsplit(settings.redis_url.get_secret_value())
    if redis.password:
        values["REDISCLI_AUTH"] = unquote(redis.password)
    if settings.influx_url:
        values["INFLUX_HOST"] = settings.influx_url
        values["INFLUX_TOKEN"] = settings.influx_token.get_secret_value()
        values["INFLUX_ORG"] = values["ENERGY_INFLUX_ORG"] = settings.influx_org
        values["INFLUX_BUCKET_NAME"] = values["ENERGY_INFLUX_BUCKET"] = settings.influx_bucket
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items() if value]


def without_local_urls(settings: Settings, credentials: Mapping[str, str]) -> Settings:
    """The settings as a person gave them: URLs of this home's own stores are taken out again.

    A URL is ours where it carries a password made up for this home, or only repeats our block in `.env`.
    """
    block = _block_values()
    ours = {
        name
        for name in _URL_SETTINGS
        if (value := _text(settings, name))
        and (value == block.get(f"ENERGY_{name.upper()}") or any(secret in value for secret in credentials.values()))
    }
    if "influx_token" in ours:
        ours.add("influx_url")
    return settings.model_copy(update={name: "" if name == "influx_url" else NO_SECRET for name in ours})


def without_secrets(url: str) -> str:
    """The URL for the eyes: no user, no password, no query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _text(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _block_values() -> dict[str, str | None]:
    path = env_file()
    if path is None or not path.exists():
        return {}
    text = path.read_text()
    block = text[len(_before_block(text)) : len(text) - len(_after_block(text))]
    return dotenv_values(stream=io.StringIO(block))


def _before_block(text: str) -> str:
    return text.partition(BLOCK_BEGIN)[0]


def _after_block(text: str) -> str:
    return text.partition(BLOCK_END)[2] if BLOCK_BEGIN in text else ""


def _without_block(text: str) -> str:
    return _before_block(text) + _after_block(text).lstrip("\n")


def _quoted(value: str) -> str:
    """As dotenv, sh and compose all read it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" if not _is_plain(value) else value


def _is_plain(value: str) -> bool:
    return all(character.isalnum() or character in "_-./:@+,=" for character in value)
