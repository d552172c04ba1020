"""The command `energy-platform`: finds the verb, and turns errors into one message and an exit code.

A verb's module is imported when that verb is called, so that `--help` and `status` stay quick.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.main import get_command

from energy_platform.domain.errors import EnergyPlatformError, SettingError

PROGRAM = "energy-platform"
# the shell's convention for a command that was interrupted
INTERRUPTED = 130


class Verb(NamedTuple):
    """A verb: the module and the name in it of a function, or of a `typer.Typer` with verbs of its own."""

    module: str
    name: str
    help: str


VERBS = {
    "up": Verb("energy_platform.cli.stores", "up", "Start the local stores, make roles and databases, write .env."),
    "down": Verb("energy_platform.cli.stores", "down", "Stop the local stores that `up` started, and no others."),
    "status": Verb("energy_platform.cli.stores", "status", "Show which stores are in use, and how they are."),
    "env": Verb("energy_platform.cli.stores", "env", "Print `export …` lines for the stores in use."),
    "provision": Verb("energy_platform.cli.provision", "provision", "Make servers elsewhere ready; --check: judge."),
    "sample": Verb("energy_platform.cli.sample", "sample", "Make an estate of any size, with planted flaws."),
    "inspect": Verb("energy_platform.cli.inspect", "inspect", "Look at a folder, and propose its estate.yaml."),
    "migrate": Verb("energy_platform.cli.migrate", "migrate", "Move an estate into the stores, and prove it."),
    "verify": Verb("energy_platform.cli.verify", "verify", "Compare every source with every target again."),
    "repair": Verb("energy_platform.cli.repair", "repair", "List points that no source accounts for; remove them."),
    "quarantine": Verb("energy_platform.cli.quarantine", "app", "Show and export rows that a contract refused."),
    "replay": Verb("energy_platform.cli.replay", "replay", "Take mended rows back, and prove them."),
}

app = typer.Typer(
    help="Moves the energy data of buildings into real stores, and proves that nothing was lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", envvar="ENERGY_DEBUG", help="Show tracebacks of errors.")] = False,
) -> None:
    """Take the options that all verbs share."""
    if debug:
        os.environ["ENERGY_DEBUG"] = "1"


def load_verb(verb: str) -> Any:
    """The click command behind a verb; imports its module."""
    entry = VERBS[verb]
    target = getattr(importlib.import_module(entry.module), entry.name)
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        target.command(help=function.__doc__)(function)
    return get_command(target)


def _register(verb: str) -> None:
    """Add a verb that passes all its arguments on to the real command."""

    def call(context: typer.Context) -> None:
        code = load_verb(verb).main(args=context.args, prog_name=f"{PROGRAM} {verb}", standalone_mode=False)
        raise typer.Exit(code if isinstance(code, int) else 0)

    app.command(
        verb,
        help=VERBS[verb].help,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    )(call)


for _verb in VERBS:
    _register(_verb)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done and proved, 1 not, 2 wrong use."""
    try:
        code = app(args=None if arguments is None else list(arguments), prog_name=PROGRAM, standalone_mode=False)
    except Exception as error:  # noqa: BLE001  the last place where an error can become a message
        return _explain(error)
    except KeyboardInterrupt:
        _print_error("Interrupted. What was not finished can be run again.")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry of the console script."""
    code = run()
    # Without the interpreter's own end: a thread of Arrow's that still reads ahead would abort the process there,
    # and the exit code with it.
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):  # whoever read the output may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _explain(error: Exception) -> int:
    """Print the error for a person, and return the exit code it stands for."""
    if _debug():
        traceback.print_exception(error)
    if isinstance(error, EnergyPlatformError):
        _print_error(str(error))
        return error.exit_code
    show: Callable[[], None] | None = getattr(error, "show", None)
    if show is not None and hasattr(error, "exit_code"):
        show()  # wrong use: click's own message, with the usage line
        return int(getattr(error, "exit_code"))  # noqa: B009
    if type(error).__name__ in ("Abort", "Exit"):
        return int(getattr(error, "exit_code", 1))
    if type(error).__name__ == "ValidationError" and getattr(error, "title", "") == "Settings":
        mistake = _setting_error(error)
        _print_error(str(mistake))
        return mistake.exit_code
    if isinstance(error, PermissionError) and error.filename:
        _print_error(f"{error.filename}: {error.strerror}. Give user {os.geteuid()} the right to it.")
        return 1
    _print_error(
        f"Unexpected {type(error).__name__}: {error}\nRun it again with `{PROGRAM} --debug …` to see where it happened."
    )
    return 1


def _setting_error(error: Any) -> SettingError:
    """What is wrong with which setting; the value is left out, since it may be a secret."""
    faults = [
        (f"ENERGY_{'_'.join(str(part) for part in fault['loc'])}".upper(), fault["msg"])
        for fault in error.errors(include_input=False, include_context=False, include_url=False)
    ]
    return SettingError(
        "; ".join(f"{name}: {message}" for name, message in faults) + ".",
        remedy="Correct it in the environment or in .env.",
    )


def _debug() -> bool:
    return os.environ.get("ENERGY_DEBUG", "").lower() not in ("", "0", "false", "no")


def _print_error(message: str) -> None:
    print(message, file=sys.stderr)


if __name__ == "__main__":
    main()
