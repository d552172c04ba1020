"""What the peers' scripts share: their arguments and their answer. Nothing here imports the platform."""

from __future__ import annotations

import argparse
import json
import os


def arguments() -> argparse.Namespace:
    """Source and target; addresses with passwords come in variables, since arguments can be seen by everybody."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True, help="SQLite or CSV file")
    parser.add_argument("--target", required=True, help="table, or measurement")
    parser.add_argument("--rows", type=int, required=True, help="how many of the source's rows")
    parser.add_argument("--program", default="", help="a program that the peer is")
    parser.add_argument("--variant", default="", help="one of several ways")
    return parser.parse_args()


def postgres_url() -> str:
    """Where PostgreSQL is."""
    return os.environ["PEER_POSTGRES_URL"]


def influx() -> dict[str, str]:
    """Where InfluxDB is: url, token, org, bucket."""
    return {name: os.environ[f"PEER_INFLUX_{name.upper()}"] for name in ("url", "token", "org", "bucket")}


def answer(seconds: float, rows: int) -> None:
    """Tell what was measured."""
    print(json.dumps({"seconds": seconds, "rows": rows}))


QUERY = (
    "SELECT timestamp, building_id, sensor_id, sensor_type, value, confidence, status"
    " FROM sensor_readings ORDER BY id LIMIT {rows}"
)
