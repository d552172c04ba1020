import stat
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from energy_platform.local import environment
from energy_platform.local.credentials import ensure_credentials, load_credentials
from energy_platform.local.environment import export_lines, without_local_urls, without_secrets, write_env_file
from energy_platform.settings import Settings

LOCAL = "postgresql://energy_loader:made-up@127.0.0.1:20001/energy"
CREDENTIALS = {"energy_loader": "made-up", "redis": "other", "influxdb_token": "token"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    return tmp_path


def local_settings(**more: object) -> Settings:
    return Settings.model_validate({"postgres_url": LOCAL, "redis_url": "redis://:other@127.0.0.1:20002/0", **more})


def write_block(settings: Settings) -> None:
    write_env_file(settings, given=without_local_urls(Settings(), CREDENTIALS))


def test_the_env_file_is_private_and_keeps_other_lines(folder: Path):
    (folder / ".env").write_text("# mine\nENERGY_ENVIRONMENT=staging\n")
    for _ in range(2):
        write_block(local_settings())
    text = (folder / ".env").read_text()
    assert text.startswith("# mine\nENERGY_ENVIRONMENT=staging\n\n# --- local stores")
    assert text.count("ENERGY_POSTGRES_URL=") == 1
    assert f"ENERGY_POSTGRES_URL={LOCAL}\n" in text
    assert "DAGSTER_EVENT_BATCH_SIZE=1000\n" in text
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_line_after_the_block_stays(folder: Path):
    write_block(local_settings())
    with (folder / ".env").open("a") as file:
        file.write("ENERGY_BATCH_ROWS=7\n")
    write_block(local_settings(redis_url="redis://:other@127.0.0.1:20003/0"))
    assert Settings().batch_rows == 7
    assert Settings().redis_url.get_secret_value().endswith(":20003/0")


def test_a_setting_of_the_users_is_not_repeated_in_the_block(folder: Path):
    (folder / ".env").write_text("ENERGY_REDIS_URL=redis://cache.example:6379/0\n")
    write_block(local_settings(redis_url="redis://cache.example:6379/0"))
    assert (folder / ".env").read_text().count("ENERGY_REDIS_URL") == 1
    given = without_local_urls(Settings(), {})
    assert given.redis_url.get_secret_value() == "redis://cache.example:6379/0"


def test_urls_in_the_block_are_local_even_when_their_passwords_are_gone(folder: Path):
    write_block(local_settings(influx_url="http://127.0.0.1:20003", influx_token="token"))
    given = without_local_urls(Settings(), {})
    assert given.postgres_url.get_secret_value() == ""
    assert given.redis_url.get_secret_value() == ""
    assert (given.influx_url, given.influx_token.get_secret_value()) == ("", "")


def test_urls_with_our_passwords_are_local_whatever_their_port(folder: Path):
    given = without_local_urls(
        local_settings(influx_url="http://127.0.0.1:1", influx_token="token", postgres_app_url="postgresql://a:b@c/d"),
        CREDENTIALS,
    )
    assert given.postgres_url.get_secret_value() == ""
    assert given.influx_url == ""
    assert given.postgres_app_url.get_secret_value() == "postgresql://a:b@c/d"


def test_an_environment_variable_beats_the_block_and_stays_remote(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_block(local_settings())
    monkeypatch.setenv("ENERGY_POSTGRES_URL", "postgresql://energy_loader:x@db.example/energy")
    given = without_local_urls(Settings(), CREDENTIALS)
    assert given.postgres_url.get_secret_value() == "postgresql://energy_loader:x@db.example/energy"
    assert given.redis_url.get_secret_value() == ""


@pytest.mark.parametrize("password", ["plain", "a b", "it's", 'q"uote', "do$HOME", "back\\slash", "`id`", "per%25cent"])
def test_values_survive_the_env_file_and_the_shell(folder: Path, password: str):
    url = f"redis://:{password}@h:1/0"
    settings = local_settings(redis_url=url)
    write_block(settings)
    assert Settings().redis_url == SecretStr(url)
    script = "\n".join([*export_lines(settings), 'printf %s "$ENERGY_REDIS_URL"'])
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == url


def test_export_lines_serve_psql_and_redis_cli(folder: Path):
    lines = export_lines(local_settings())
    assert "export PGHOST=127.0.0.1" in lines
    assert "export PGPORT=20001" in lines
    assert "export PGUSER=energy_loader" in lines
    assert "export PGPASSWORD=made-up" in lines
    assert "export PGDATABASE=energy" in lines
    assert "export REDISCLI_AUTH=other" in lines
    assert not any("INFLUX" in line for line in lines)


def test_shown_urls_carry_no_secret():
    assert without_secrets("postgresql://u:p%40ss@db:5432/energy?sslpassword=x") == "postgresql://db:5432/energy"
    assert without_secrets("http://127.0.0.1:8086") == "http://127.0.0.1:8086"


def test_the_project_root_is_found_from_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    below = tmp_path / "data" / "estate"
    below.mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(below)
    assert environment.project_root() == tmp_path
    monkeypatch.chdir("/")
    assert (environment.project_root() / "dagster.yaml").exists()


def test_passwords_are_made_up_once_and_private(tmp_path: Path):
    assert load_credentials(tmp_path) == {}
    first = ensure_credentials(tmp_path)
    assert ensure_credentials(tmp_path) == first == load_credentials(tmp_path)
    assert len(set(first.values())) == len(first)
    assert min(len(value) for value in first.values()) >= 32
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]
