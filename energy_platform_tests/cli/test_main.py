import os
import subprocess
import sys
import types

import pytest
import typer

from energy_platform.cli import main as command
from energy_platform.domain.errors import SourceError, UsageError
from energy_platform.settings import get_settings


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch):
    """Puts a function of the test behind the verb `status`."""

    def put(function: object) -> None:
        module = types.ModuleType("scratch_verb")
        module.verb = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "scratch_verb", module)
        monkeypatch.setitem(command.VERBS, "status", command.Verb("scratch_verb", "verb", "A verb."))

    return put


def test_help_lists_every_verb_and_imports_none(capsys: pytest.CaptureFixture[str]):
    script = (
        "import sys; from energy_platform.cli.main import run; run(['--help']);"
        "print([name for name in sys.modules if name.startswith('energy_platform.cli.') and not name.endswith('main')],"
        " 'psycopg' in sys.modules, 'dagster' in sys.modules)"
    )
    shown = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert shown.splitlines()[-1] == "[] False False"
    for name in command.VERBS:
        assert f" {name} " in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["up", "--nonsense"], "No such option: --nonsense"),
        (["status", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_use_exits_2_with_one_message(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert command.run(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(("error", "code"), [(SourceError, 1), (UsageError, 2)])
def test_our_errors_are_one_message_and_their_exit_code(verb, error, code: int, capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        raise error("It is broken.", where="file.csv", remedy="Mend it.")

    verb(fail)
    assert command.run(["status"]) == code
    assert capsys.readouterr().err == "file.csv: It is broken. Mend it.\n"


def test_an_unexpected_error_has_no_traceback_except_with_debug(
    verb, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def fail() -> None:
        raise ZeroDivisionError("by zero")

    verb(fail)
    assert command.run(["status"]) == 1
    assert capsys.readouterr().err == (
        "Unexpected ZeroDivisionError: by zero\n"
        "Run it again with `energy-platform --debug …` to see where it happened.\n"
    )
    monkeypatch.setenv("ENERGY_DEBUG", "1")
    assert command.run(["status"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_named(verb, capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "/estate/estate.yaml")

    verb(fail)
    assert command.run(["status"]) == 1
    assert capsys.readouterr().err == (
        f"/estate/estate.yaml: Permission denied. Give user {os.geteuid()} the right to it.\n"
    )


def test_arguments_reach_the_verb_and_its_exit_code_comes_back(verb):
    seen = []

    def take(folder: str, rows: int = 1, dry_run: bool = False) -> None:
        seen.append((folder, rows, dry_run))
        raise typer.Exit(3)

    verb(take)
    assert command.run(["status", "--dry-run", "here", "--rows", "7"]) == 3
    assert seen == [("here", 7, True)]


def test_a_verb_may_have_verbs_of_its_own(verb, capsys: pytest.CaptureFixture[str]):
    app = typer.Typer()

    @app.command("list")
    def show(limit: int = 5) -> None:
        print(limit)

    @app.command("export")
    def export() -> None:
        raise AssertionError

    verb(app)
    assert command.run(["status", "list", "--limit", "9"]) == 0
    assert capsys.readouterr().out == "9\n"


def test_interruption_is_said_and_has_the_shells_code(verb, capsys: pytest.CaptureFixture[str]):
    def interrupt() -> None:
        raise KeyboardInterrupt

    verb(interrupt)
    assert command.run(["status"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_wrong_setting_is_named_without_its_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    get_settings.cache_clear()
    monkeypatch.setenv("ENERGY_BATCH_ROWS", "s3cret")
    assert command.run(["status"]) == 2
    message = capsys.readouterr().err
    assert "ENERGY_BATCH_ROWS" in message
    assert "s3cret" not in message
