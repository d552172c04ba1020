"""pandas.read_sql, then influxdb-client's batching write of the frame."""

from __future__ import annotations

import sqlite3
import time

import pandas as pd
from common import QUERY, answer, arguments, influx
from influxdb_client import InfluxDBClient, WriteOptions


def main() -> None:
    """Move the rows."""
    asked, place = arguments(), influx()
    problems: list[Exception] = []
    started = time.perf_counter()
    with sqlite3.connect(asked.source) as database:
        frame = pd.read_sql(QUERY.format(rows=asked.rows), database)
    frame["tenant_id"] = "bench"
    frame["time"] = pd.to_datetime(frame.pop("timestamp")).dt.tz_localize("Asia/Seoul")
    with (
        InfluxDBClient(place["url"], place["token"], org=place["org"], timeout=120_000) as client,
        client.write_api(
            write_options=WriteOptions(batch_size=20_000),
            error_callback=lambda _, __, error: problems.append(error),
        ) as write,
    ):
        write.write(
            place["bucket"],
            record=frame.set_index("time"),
            data_frame_measurement_name=asked.target,
            data_frame_tag_columns=["tenant_id", "building_id", "sensor_id", "sensor_type"],
        )
    seconds = time.perf_counter() - started
    if problems:
        raise problems[0]
    answer(seconds, len(frame))


if __name__ == "__main__":
    main()
