"""Sling: a CSV into a table by its key. The package fetches the program when it is first used."""

from __future__ import annotations

import os
import time

from common import answer, arguments, postgres_url


def main() -> None:
    """Move the rows."""
    asked = arguments()
    os.environ["PEER"] = f"{postgres_url()}?sslmode=disable"
    os.environ["SLING_DISABLE_TELEMETRY"] = "true"
    import sling

    started = time.perf_counter()
    sling.Sling(
        src_conn="LOCAL",
        src_stream=f"file://{asked.source}",
        tgt_conn="PEER",
        tgt_object=asked.target,
        mode="incremental",
        primary_key=["invoice_id"],
    ).run()
    answer(time.perf_counter() - started, asked.rows)


if __name__ == "__main__":
    main()
