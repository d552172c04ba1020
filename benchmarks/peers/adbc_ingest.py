"""ADBC: Arrow batches from CSV or SQLite, ingested into PostgreSQL by COPY."""

from __future__ import annotations

import time
from collections.abc import Iterator

import adbc_driver_postgresql.dbapi as postgres
import adbc_driver_sqlite.dbapi as sqlite
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from common import QUERY, answer, arguments, postgres_url


def from_csv(source: str) -> pa.RecordBatchReader:
    """The rows of the table, read as they are wanted."""
    days = dict.fromkeys(("period_start", "period_end", "issued_on"), pa.date32())
    numbers = dict.fromkeys(("energy_kwh", "amount"), pa.float64())
    return arrow_csv.open_csv(source, convert_options=arrow_csv.ConvertOptions(column_types=days | numbers))


def as_points(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The tenant, and the time as an instant."""
    local = pc.strptime(pc.utf8_slice_codeunits(batch["timestamp"], 0, 19), "%Y-%m-%d %H:%M:%S", "us")
    fraction = pc.cast(pc.utf8_slice_codeunits(batch["timestamp"], 20, 26), pa.int64()).cast(pa.duration("us"))
    instants = pc.assume_timezone(pc.add(local, fraction), "Asia/Seoul").cast(pa.timestamp("us", "UTC"))
    columns = {name: batch[name] for name in batch.schema.names if name != "timestamp"}
    tenants = pa.array(["bench"]).take(pa.array([0] * batch.num_rows))
    return pa.RecordBatch.from_pydict({"tenant_id": tenants, "time": instants, **columns})


def from_sqlite(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The readings as points, batch by batch."""
    first = as_points(reader.read_next_batch())

    def batches() -> Iterator[pa.RecordBatch]:
        yield first
        for batch in reader:
            yield as_points(batch)

    return pa.RecordBatchReader.from_batches(first.schema, batches())


def main() -> None:
    """Move the rows."""
    asked = arguments()
    schema, table = asked.target.split(".")
    started = time.perf_counter()
    with postgres.connect(postgres_url()) as target, target.cursor() as cursor:
        if asked.variant == "series":
            settings = {"adbc.sqlite.query.batch_rows": "50000"}
            with sqlite.connect(asked.source) as database, database.cursor(adbc_stmt_kwargs=settings) as found:
                found.execute(QUERY.format(rows=asked.rows))
                reader = from_sqlite(found.fetch_record_batch())
                rows = cursor.adbc_ingest(table, reader, mode="append", db_schema_name=schema)
        else:
            rows = cursor.adbc_ingest(table, from_csv(asked.source), mode="append", db_schema_name=schema)
        target.commit()
    answer(time.perf_counter() - started, max(rows, 0) or asked.rows)


if __name__ == "__main__":
    main()
