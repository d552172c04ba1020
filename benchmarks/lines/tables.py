"""CSV into a PostgreSQL table with a primary key, and the same again over files that have not changed."""

from __future__ import annotations

import itertools
from pathlib import Path

from benchmarks import ours
from benchmarks.bench import Bench
from benchmarks.estates import BILLING_CSV, make_billing
from benchmarks.floors import TableFloor, check_rows, make_ready_table
from benchmarks.lines.series import best, faster_than_peers, own
from benchmarks.measuring import Contender, Line, Ratio, Sample, quotient

ASSET = "postgres/billing"


def csv_into_table(bench: Bench) -> None:
    """CSV → PostgreSQL table."""
    rows = bench.options.rows

    def contenders() -> list[Contender]:
        estate = make_billing(bench.folder / "estate", rows)
        ready = make_ready_table(estate, bench.folder / "ready-table.csv")
        floor = TableFloor(bench.stores, ready, rows)
        slow = min(rows, bench.options.peer_rows)

        def load() -> Sample:
            bench.stores.empty()
            ours.prepare(bench.stores, "postgres", estate, "postgres/tenants")
            sample = ours.load(bench.stores, "postgres", estate, ASSET)
            again = ours.load(bench.stores, "postgres", estate, ASSET)
            check_rows(sample.rows, rows)
            check_rows(bench.stores.table_rows("energy.billing"), rows)
            return Sample(sample.seconds, rows, sample.facts | {"again": again.seconds})

        def peer(script: str, wanted: int, variant: str = "", requirements: str = "requirements.txt") -> Sample:
            bench.stores.empty()
            bench.stores.make_tenant()
            own_table = bool(variant or requirements != "requirements.txt")
            target = "peers.billing" if own_table else "energy.billing"
            # the very table has two more columns; a tool that makes its own table takes the source as it is
            source = estate / BILLING_CSV if own_table else ready
            if own_table and wanted < rows:
                source = _first_rows(source, bench.folder / "part.csv", wanted)
            sample = bench.peers.run(
                script, source=source, target=target, rows=wanted, variant=variant, requirements=requirements
            )
            check_rows(bench.stores.table_rows(target), wanted)
            return Sample(sample.seconds, wanted)

        return [
            Contender(r"psql \copy", "floor", floor.run, note="the same table: key, checks and foreign key"),
            Contender("Energy Platform", "ours", load, note="contracts, and the proof of the whole table"),
            Contender("ADBC ingest", "peer", lambda: peer("adbc_ingest.py", rows), note="into the same table"),
            Contender(
                "dlt, append",
                "peer",
                lambda: peer("dlt_merge.py", rows, "append"),
                note="a table of its own with a unique key",
            ),
            Contender(
                "dlt, merge", "peer", lambda: peer("dlt_merge.py", rows, "merge"), note="a table of its own, by key"
            ),
            Contender("pandas.to_sql", "peer", lambda: peer("pandas_sql.py", slow), note="into the same table"),
            Contender(
                "ingestr",
                "peer",
                lambda: peer("ingestr_ingest.py", slow, requirements="requirements-ingestr.txt"),
                note="a table of its own, by key; its start-up included",
            ),
            Contender(
                "Sling",
                "peer",
                lambda: peer("sling_run.py", rows, requirements="requirements-sling.txt"),
                note="a table of its own, by key",
            ),
        ]

    def ratios(line: Line) -> list[Ratio]:
        mine, floor = own(line), best(line, "floor").seconds
        if any(result.name == "ingestr" and "rows stand in the target" in result.missing for result in line.results):
            line.notes.append("ingestr (0.14) reads a CSV in pages of 1,000 rows and drops the row that follows a page")
        return [
            Ratio(r"first load, to \copy's time", quotient(mine.seconds, floor), 1.6),
            faster_than_peers("faster than the best peer", line, mine.seconds, 1.0, above=True),
            Ratio("again, nothing changed, to the first load", quotient(mine.best("again"), mine.seconds), 0.05),
        ]

    bench.compare("CSV → PostgreSQL table", contenders, ratios)


def _first_rows(source: Path, target: Path, rows: int) -> Path:
    """A CSV of the first rows, for tools that take a file as a whole."""
    with source.open("rb") as old, target.open("wb") as new:
        new.writelines(itertools.islice(old, rows + 1))
    return target
