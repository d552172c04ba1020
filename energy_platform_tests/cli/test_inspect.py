"""The command `inspect`, and `migrate` on a folder without an estate file: what is printed, written and asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from energy_platform.cli.main import run
from energy_platform.sample.generate import make_sample
from energy_platform.sample.options import SampleOptions
from energy_platform.settings import Settings, get_settings
from energy_platform.sources.estate import check_estate, read_estate


@pytest.fixture(scope="module")
def unprepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of one building and three days, its estate file taken away; not to be changed."""
    folder = tmp_path_factory.mktemp("estates") / "tower"
    make_sample(folder, SampleOptions(buildings=1, days=3, flaws=False, interval_minutes=60))
    (folder / "estate.yaml").unlink()
    return folder


@pytest.fixture
def folder(unprepared: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(unprepared, tmp_path / "tower"))


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stores that nobody started."""
    monkeypatch.setenv("ENERGY_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield tmp_path / "home"
    get_settings.cache_clear()


def test_it_prints_what_it_found_and_writes_the_estate_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(folder), "--timezone", "Asia/Seoul"]) == 0
    said = capsys.readouterr().out
    assert "building_data.csv → energy, 72 rows, comma, utf-8, LF" in said
    assert "Models in models/, read statically" in said
    assert "No question is open." in said
    assert f"Written: {folder / 'estate.yaml'}" in said
    estate = read_estate(folder)
    check_estate(estate)
    assert (estate.code, str(estate.zone)) == ("tower", "Asia/Seoul")


def test_personal_data_is_not_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(folder)]) == 0
    said = capsys.readouterr().out + (folder / "estate.yaml").read_text(encoding="utf-8")
    assert "@example.com" not in said
    assert "argon2" not in said


def test_an_estate_file_is_replaced_only_when_told_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "estate.yaml"
    file.write_text("mine: true\n")
    assert run(["inspect", str(folder)]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert file.read_text() == "mine: true\n"
    assert run(["inspect", str(folder), "--force", "--timezone", "Asia/Seoul"]) == 0
    check_estate(read_estate(folder))


def test_the_proposal_goes_elsewhere_or_to_standard_output(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.yaml"
    assert run(["inspect", str(folder), "--output", str(other)]) == 0
    capsys.readouterr()
    assert run(["inspect", str(folder), "--output", "-"]) == 0
    assert capsys.readouterr().out == other.read_text(encoding="utf-8")
    assert not (folder / "estate.yaml").exists()
    assert run(["inspect", str(folder), "--output", str(other)]) == 2
    assert "--force" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["nowhere"], "There is no such folder", id="no such folder"),
        pytest.param(["{empty}"], "Nothing in this folder can be loaded", id="nothing to load"),
        pytest.param(["{folder}", "--timezone", "Asia/Soul"], "Asia/Soul", id="no such zone"),
        pytest.param(["{folder}", "--output", "{empty}/no/a.yaml"], "cannot be written", id="no such place"),
    ],
)
def test_wrong_use_exits_2(
    unprepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code = run(["inspect", *(argument.format(folder=unprepared, empty=tmp_path) for argument in arguments)])
    assert code == 2
    assert said in capsys.readouterr().err


def test_migrate_asks_before_it_does_anything(folder: Path, own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", str(folder)]) == 2
    asked = capsys.readouterr().err
    assert "A question is open" in asked
    assert "timezone: In which time zone are times that carry none" in asked
    assert "Write `timezone:` with an IANA zone such as Asia/Seoul" in asked
    assert run(["migrate", str(folder)]) == 2
    assert "timezone: Asia/Seoul or Europe/Berlin" in capsys.readouterr().err
    assert not own_home.exists()


def test_migrate_keeps_the_proposal_at_home_where_the_folder_cannot_be_written(
    folder: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "estate.yaml").symlink_to(folder / "gone" / "estate.yaml")
    assert run(["migrate", str(folder)]) == 2
    (file,) = (own_home / "estates").iterdir()
    assert str(file) in capsys.readouterr().err
    assert run(["migrate", str(folder)]) == 2
    assert f"{file}: A question is open" in capsys.readouterr().err


def test_migrate_goes_on_where_nothing_is_in_doubt(
    folder: Path, clean_stores: Settings, store_environment: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["migrate", str(folder), "--timezone", "Asia/Seoul", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "The folder had no estate file. Written:" in said
    assert "would be written and proven" in said
