"""The command line `influx write`, fed with CSV from SQLite through a pipe."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import subprocess
import time

from common import QUERY, answer, arguments, influx

_AT_ONCE = 10_000
_HEADER = (
    "#constant measurement,{measurement}",
    "#constant tag,tenant_id,bench",
    "#timezone +0900",
    "#datatype dateTime:2006-01-02 15:04:05.999999,tag,tag,tag,double,double,string",
)


def main() -> None:
    """Move the rows."""
    asked, place = arguments(), influx()
    header = [line.format(measurement=asked.target) for line in _HEADER]
    command = [asked.program, "write", "--format", "csv", *(part for line in header for part in ("--header", line))]
    variables = {
        "INFLUX_HOST": place["url"],
        "INFLUX_TOKEN": place["token"],
        "INFLUX_ORG": place["org"],
        "INFLUX_BUCKET_NAME": place["bucket"],
    }
    rows = 0
    started = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | variables)
    assert process.stdin is not None
    with (
        sqlite3.connect(asked.source) as database,
        io.TextIOWrapper(process.stdin, encoding="utf-8", newline="", write_through=False) as pipe,
    ):
        cursor = database.execute(QUERY.format(rows=asked.rows))
        writer = csv.writer(pipe)
        writer.writerow(column[0] for column in cursor.description)
        while found := cursor.fetchmany(_AT_ONCE):
            writer.writerows(found)
            rows += len(found)
    code = process.wait()
    seconds = time.perf_counter() - started
    if code:
        raise SystemExit(f"influx write ended with {code}")
    answer(seconds, rows)


if __name__ == "__main__":
    main()
