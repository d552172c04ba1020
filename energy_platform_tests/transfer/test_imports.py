"""A load and a verification import nothing heavy that they do not use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from energy_platform.settings import Settings
from energy_platform_tests.promises.pipeline import kind_of, small_estate, variables

PROGRAM = """
import sys
from pathlib import Path
from energy_platform.settings import get_settings
from energy_platform_tests.promises.pipeline import load, verify

load(get_settings(), Path(sys.argv[1]))
assert verify(get_settings(), Path(sys.argv[1])).proved
print(*sorted({"pandas", "great_expectations", "matplotlib", "scipy", "sklearn"} & sys.modules.keys()))
"""


def test_what_moves_and_proves_rows_needs_no_pandas(timeseries_settings: Settings, tmp_path: Path) -> None:
    # Arrow imports it by itself in many of its functions: a third of a second and a hundred MiB
    folder = small_estate(tmp_path, f"imports_{kind_of(timeseries_settings)}")
    command = [sys.executable, "-c", PROGRAM, str(folder)]
    environment = variables(timeseries_settings, folder)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
