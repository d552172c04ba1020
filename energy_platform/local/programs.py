"""Programs of servers: their versions, and copies of those that the servers' user cannot reach."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from energy_platform.local.home import Home
from energy_platform.local.service_user import may_run


def program_version(program: Path, *arguments: str) -> str:
    """The first dotted number that the program says of itself, e.g. `18.6`; empty where it does not run."""
    try:
        done = subprocess.run(
            [str(program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
        )
    except OSError:
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout) if done.returncode == 0 else None
    return found.group() if found else ""


def reachable_program(home: Home, program: Path, *, base: Path, parts: Sequence[str]) -> Path:
    """The program itself where the servers' user can run it, else its copy in a place where that user can.

    Args:
        home: of the local stores.
        program: an executable file below `base`.
        base: the folder that `parts` are paths in.
        parts: files and folders that the program needs to run, itself included; those that do not exist are left out.
    """
    user = home.service_user
    if user is None or may_run(program, user):
        return program
    status = program.stat()
    mark = hashlib.sha256(f"{program}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = home.servers_root() / "programs"
    copy = folder / f"{program.name}-{mark}"
    if not copy.exists():
        folder.mkdir(exist_ok=True, mode=0o755)
        folder.chmod(0o755)
        for outdated in folder.glob(f"*{program.name}-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{program.name}-", dir=folder))
        try:
            for part in parts:
                _copy(base / part, temporary / part)
            for path in [temporary, *temporary.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            (temporary / program.relative_to(base)).chmod(0o755)
            temporary.rename(copy)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return copy / program.relative_to(base)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    elif source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
