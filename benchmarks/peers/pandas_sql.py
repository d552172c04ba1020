"""pandas.to_sql: of a CSV into a table, or of SQLite into the table of the time series."""

from __future__ import annotations

import sqlite3
import time

import pandas as pd
from common import QUERY, answer, arguments, postgres_url
from sqlalchemy import create_engine


def main() -> None:
    """Move the rows."""
    asked = arguments()
    schema, table = asked.target.split(".")
    started = time.perf_counter()
    if asked.variant == "series":
        with sqlite3.connect(asked.source) as database:
            frame = pd.read_sql(QUERY.format(rows=asked.rows), database)
        frame["tenant_id"] = "bench"
        frame["time"] = pd.to_datetime(frame.pop("timestamp")).dt.tz_localize("Asia/Seoul")
    else:
        dates = ["period_start", "period_end", "issued_on"]
        frame = pd.read_csv(asked.source, nrows=asked.rows, parse_dates=dates)
    engine = create_engine(postgres_url().replace("postgresql://", "postgresql+psycopg2://"))
    frame.to_sql(table, engine, schema=schema, if_exists="append", index=False, chunksize=10_000)
    answer(time.perf_counter() - started, len(frame))


if __name__ == "__main__":
    main()
