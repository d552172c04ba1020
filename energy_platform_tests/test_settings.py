"""Where settings come from: arguments, variables, `.env`, and the files of the folder of secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from energy_platform.settings import SecretFromFile, Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "energy_influx_token").write_text("of the file\n")
    (tmp_path / "energy_influx_url").write_text("https://of.the.file\n")
    (tmp_path / "postgres_url").write_text("not ours\n")
    return tmp_path


def test_files_say_what_no_variable_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENERGY_SECRETS_DIR", str(folder))
    settings = Settings()
    assert settings.influx_token.get_secret_value() == "of the file"
    assert isinstance(settings.influx_token, SecretFromFile)
    assert settings.influx_url == "https://of.the.file"
    assert settings.postgres_url.get_secret_value() == ""
    assert "of the file" not in repr(settings).replace("https://of.the.file", "")


def test_a_variable_and_an_argument_go_before_a_file_and_an_empty_variable_names_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_SECRETS_DIR", str(folder))
    monkeypatch.setenv("ENERGY_INFLUX_TOKEN", "")
    assert Settings().influx_token.get_secret_value() == "of the file"
    monkeypatch.setenv("ENERGY_INFLUX_TOKEN", "of the variable")
    assert Settings().influx_token.get_secret_value() == "of the variable"
    assert not isinstance(Settings().influx_token, SecretFromFile)
    assert Settings(influx_url="https://of.the.argument").influx_url == "https://of.the.argument"


def test_the_folder_may_be_named_in_the_env_file_or_be_absent(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "env").write_text(f"ENERGY_SECRETS_DIR={folder}\n")
    named = Settings(_env_file=tmp_path / "env")  # type: ignore[call-arg]
    assert named.influx_token.get_secret_value() == "of the file"
    assert Settings(secrets_dir=tmp_path / "nowhere").influx_token.get_secret_value() == ""
