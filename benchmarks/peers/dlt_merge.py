"""dlt: a CSV as Arrow batches, merged into a table by its key, or appended to one with a unique key."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
from common import answer, arguments, postgres_url


def main() -> None:
    """Move the rows."""
    asked = arguments()
    schema, table = asked.target.split(".")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    import dlt

    def batches() -> Iterator[Any]:
        yield from (pa.Table.from_batches([batch]) for batch in arrow_csv.open_csv(asked.source))

    if asked.variant == "merge":
        resource = dlt.resource(batches, name=table, write_disposition="merge", primary_key="invoice_id")
    else:
        resource = dlt.resource(
            batches, name=table, write_disposition="append", columns={"invoice_id": {"unique": True}}
        )
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=dlt.destinations.postgres(postgres_url()), dataset_name=schema
        )
        # by COPY, its fastest way
        pipeline.run(resource, loader_file_format="csv")
        seconds = time.perf_counter() - started
    sys.stdout.flush()
    answer(seconds, asked.rows)


if __name__ == "__main__":
    main()
