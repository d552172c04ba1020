"""The command line ingestr: a CSV or a SQLite table into a table, merged by its key."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from common import answer, arguments, postgres_url


def main() -> None:
    """Move the rows."""
    asked = arguments()
    source = Path(asked.source).absolute()
    is_csv = source.suffix == ".csv"
    command = [
        str(Path(sys.executable).parent / "ingestr"),
        "ingest",
        *("--source-uri", f"csv://{source}" if is_csv else f"sqlite:///{source}"),
        *("--source-table", "rows" if is_csv else "sensor_readings"),
        *("--dest-table", asked.target, "--primary-key", "invoice_id" if is_csv else "id"),
        *("--incremental-strategy", "merge", "--yes", "--progress", "log"),
    ]
    variables = {
        # as a variable and not as an argument: it holds a password
        "DESTINATION_URI": postgres_url(),
        "INGESTR_DISABLE_TELEMETRY": "true",
        "DISABLE_TELEMETRY": "true",
    }
    started = time.perf_counter()
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit((done.stderr.strip() or done.stdout.strip())[-400:])
    answer(seconds, asked.rows)


if __name__ == "__main__":
    main()
