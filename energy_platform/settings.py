"""Every setting, once. All are environment variables with the prefix ENERGY_, also read from `.env`."""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

NO_SECRET = SecretStr("")


class SecretFromFile(SecretStr):
    """A secret that stood in a file of the folder of secrets: nobody gave it, and it may be made anew."""


class Settings(BaseSettings):
    """What the platform can be told from outside. An empty store setting means: a local store below `.energy/`."""

    model_config = SettingsConfigDict(env_prefix="ENERGY_", env_file=".env", extra="ignore", frozen=True)

    environment: Literal["local", "staging", "production"] = Field(
        default="local", description="Shown in every UI and report."
    )
    estate: Path = Field(default=Path("data"), description="Folder of the estate that this instance serves.")
    estate_file: Path | None = Field(
        default=None, description="The estate file, where it is not `estate.yaml` inside the folder."
    )
    home: Path = Field(default=Path(".energy"), description="Where local stores and their state live.")

    secrets_dir: Path | None = Field(
        default=None, description="Folder of files such as `energy_influx_token`, read for what no variable names."
    )

    timeseries: Literal["auto", "influxdb", "postgres"] = Field(
        default="auto", description="Where time series live, where influx_url is empty: auto takes a found influxd."
    )
    influxd: Path | None = Field(default=None, description="The influxd program to start; empty: looked for.")
    postgres_bin: Path | None = Field(
        default=None, description="Folder of the PostgreSQL programs to start; empty: looked for."
    )
    redis_server: Path | None = Field(default=None, description="The redis-server program to start; empty: looked for.")

    postgres_url: SecretStr = Field(default=NO_SECRET, description="PostgreSQL as energy_loader.")
    postgres_admin_url: SecretStr = Field(default=NO_SECRET, description="PostgreSQL as energy_owner.")
    postgres_app_url: SecretStr = Field(default=NO_SECRET, description="PostgreSQL as energy_app.")
    dagster_postgres_url: SecretStr = Field(
        default=NO_SECRET, description="PostgreSQL database of Dagster's own state."
    )
    postgres_backup_url: SecretStr = Field(default=NO_SECRET, description="PostgreSQL as energy_backup.")
    migration_lock_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="How long a statement of a migration waits for a lock."
    )
    influx_url: str = Field(default="", description="InfluxDB 2, e.g. http://127.0.0.1:8086. Empty: see timeseries.")
    influx_token: SecretStr = Field(default=NO_SECRET, description="A token that may read and write the bucket.")
    influx_org: str = Field(default="energy", description="InfluxDB organisation.")
    influx_bucket: str = Field(default="energy", description="InfluxDB bucket.")
    influx_timeout_seconds: float = Field(
        default=60.0, gt=0, description="For how long one request to InfluxDB may stand still, in seconds."
    )
    influx_patience_seconds: float = Field(
        default=300.0,
        gt=0,
        description="For how long a request is repeated while InfluxDB is busy, silent or breaks connections.",
    )
    influx_first_pause_seconds: float = Field(
        default=0.25, gt=0, description="Pause before the first repetition; doubled from one to the next."
    )
    influx_longest_pause_seconds: float = Field(
        default=30.0, gt=0, description="The longest such pause, where InfluxDB does not ask for a longer one."
    )
    influx_connections: int = Field(
        default=2, ge=1, le=64, description="Requests to InfluxDB at once; each holds one body in memory."
    )
    influx_body_lines: int = Field(
        default=50_000, ge=1, le=1_000_000, description="Points of one request to InfluxDB, at most."
    )
    provision_postgres_url: SecretStr = Field(
        default=NO_SECRET,
        description="For `provision` alone: PostgreSQL as a role that may create roles and databases.",
    )
    provision_influx_token: SecretStr = Field(
        default=NO_SECRET, description="For `provision` alone: a token that may create buckets and tokens."
    )
    provision_influx_password: SecretStr = Field(
        default=NO_SECRET, description="Password that InfluxDB's first user is set up with; judged, never used here."
    )
    redis_url: SecretStr = Field(default=NO_SECRET, description="Redis 7, e.g. redis://127.0.0.1:6379/0.")
    objects_url: str = Field(default="", description="Object store; empty: a folder below `home`.")

    latest_ttl_seconds: int = Field(default=7 * 86_400, description="Time to live of latest:building:… keys.")
    notifications_ttl_seconds: int = Field(
        default=30 * 86_400, description="Time to live of notifications:building:… keys."
    )
    batch_rows: int = Field(default=50_000, ge=1, description="Rows of one record batch.")
    spill_rows: int = Field(
        default=1_000_000,
        ge=1,
        description="Rows held in memory before they go to temporary files; of long rows fewer.",
    )

    arrivals_seconds: int = Field(
        default=30, ge=5, description="Pause between two looks at the estate's files, in seconds."
    )
    settle_seconds: float = Field(
        default=10.0,
        ge=0,
        description="A CSV, JSON or PKL file is taken once it has stayed the same for so long; 0: as it is.",
    )
    keep_runs_days: int = Field(
        default=90, ge=1, description="What Dagster remembers of runs and ticks beyond this age is pruned weekly."
    )

    notify_webhook_url: SecretStr = Field(
        default=NO_SECRET, description="Told of failed runs by an HTTP POST of JSON; its `text` is what chats show."
    )
    notify_email_to: str = Field(default="", description="Told of failed runs by e-mail; several, with commas.")
    notify_email_from: str = Field(default="", description="Sender of such mail; empty: the first who is told.")
    smtp_host: str = Field(default="", description="Mail server; needed for mail.")
    smtp_port: int = Field(default=587, ge=1, le=65_535, description="Port of the mail server.")
    smtp_user: str = Field(default="", description="User of the mail server; empty: it asks for none.")
    smtp_password: SecretStr = Field(default=NO_SECRET, description="That user's password.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection to the mail server is encrypted."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, variables, `.env`, then the files of the folder that one of these names."""
        named = dotenv_settings() | env_settings()
        folder = init_settings().get("secrets_dir") or named.get("secrets_dir")
        if not folder or not Path(folder).is_dir():
            return init_settings, env_settings, dotenv_settings
        files = _SecretFiles(settings_cls, Path(folder), {name for name, value in named.items() if value})
        return init_settings, files, env_settings, dotenv_settings


class _SecretFiles(SecretsSettingsSource):
    """The files of the folder of secrets, for what is named nowhere else; an empty variable names nothing."""

    def __init__(self, settings_cls: type[BaseSettings], folder: Path, named: Set[str]) -> None:
        self._named = named
        super().__init__(settings_cls, secrets_dir=folder)

    def __call__(self) -> dict[str, Any]:
        """Values by the name of their setting."""
        found = {name: value for name, value in super().__call__().items() if name not in self._named}
        fields = self.settings_cls.model_fields
        return {
            name: SecretFromFile(value) if fields[name].annotation is SecretStr else value
            for name, value in found.items()
        }


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
