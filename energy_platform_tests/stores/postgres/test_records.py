"""The ledger, the quarantine, the claims and the locks."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime

import polars as pl
import psycopg
import pytest

from energy_platform.domain.errors import OwnershipError
from energy_platform.stores.postgres import claims, ledger, quarantine
from energy_platform.stores.postgres.connection import PostgresStore
from energy_platform.stores.postgres.ledger import LedgerEntry
from energy_platform.stores.postgres.locks import key_of, partition_lock

ASSET = "timeseries/sensor_data"


def verdict(partition: str, *, estate: str = "a", asset: str = ASSET, proven: bool = True) -> LedgerEntry:
    accounts = {"x.csv": {"read": 3, "loaded": 2, "duplicates": 0, "quarantined": 1, "undated": 1, "reasons": {"n": 1}}}
    return LedgerEntry(
        estate,
        asset,
        partition,
        proven,
        False,
        "" if proven else "why",
        2,
        "f" * 32,
        {"accounts": accounts},
        "run",
        0.5,
    )


def test_the_ledger_gives_back_what_was_recorded(connection: psycopg.Connection) -> None:
    stamp = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    ledger.record(connection, [verdict("2024-01-02", proven=False), verdict("2024-01-01"), verdict("all", asset="z")])
    ledger.record(
        connection,
        [verdict("all", estate="b"), LedgerEntry("a", ASSET, "2024-01-02", True, True, "", 9, "g", recorded_at=stamp)],
    )
    first, second = ledger.read(connection, "a", ASSET)
    assert (first.partition, first.proven, first.facts["accounts"]["x.csv"]["read"]) == ("2024-01-01", True, 3)
    assert first.recorded_at is not None
    assert abs((datetime.now(UTC) - first.recorded_at).total_seconds()) < 60
    assert second == LedgerEntry("a", ASSET, "2024-01-02", True, True, "", 9, "g", recorded_at=stamp)
    assert second.recorded_at.tzname() == "UTC"
    assert [entry.asset for entry in ledger.read(connection, "a")] == [ASSET, ASSET, "z"]
    assert ledger.estates(connection) == {"a", "b"}
    ledger.record(connection, [])


def test_accounts_are_a_view(connection: psycopg.Connection) -> None:
    ledger.record(connection, [verdict("2024-01-01"), LedgerEntry("a", ASSET, "2024-01-02", True, False, "", 0, "")])
    found = connection.execute(
        "SELECT partition, source, read, loaded, duplicates, quarantined, undated, reasons FROM energy.load_accounts"
    ).fetchall()
    assert found == [("2024-01-01", "x.csv", 3, 2, 0, 1, 1, {"n": 1})]


def refused(*rows: tuple[str | None, str, str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(quarantine.COLUMNS, pl.String), orient="row")


def test_the_quarantine_holds_exactly_what_was_last_refused(store: PostgresStore) -> None:
    first = refused(("t", "x.csv", "1", "conflict", '{"b":2,"a":null}'), (None, "x.csv", "2", "missing_key", None))
    with store.connection() as connection:
        quarantine.replace(connection, "a", ASSET, "2024-01-01", first, "run1")
        quarantine.replace(connection, "a", ASSET, "undated", first.head(1), "run1")
        quarantine.replace(connection, "b", ASSET, "2024-01-01", first, "run1")
    with store.connection() as connection:
        before = quarantine.entries(connection, "a")
        changed = refused(("t", "x.csv", "1", "out_of_range", '{"a":1}'), ("t", "x.csv", "3", "out_of_range", "{}"))
        quarantine.replace(connection, "a", ASSET, "2024-01-01", changed, "run2")
    with store.connection() as connection:
        after = quarantine.entries(connection, "a")
        assert quarantine.counts(connection, "b").rows() == [("x.csv", "conflict", 1), ("x.csv", "missing_key", 1)]
        assert quarantine.entries(connection, "a", reason="conflict")["partition"].to_list() == ["undated"]
        assert quarantine.entries(connection, "a", source="y.csv").is_empty()
        assert quarantine.entries(connection, "a", limit=2).height == 2
        quarantine.replace(connection, "a", ASSET, "undated", first.clear(), "run3")
        assert quarantine.counts(connection, "a").rows() == [("x.csv", "out_of_range", 2)]
    assert before.select("tenant_id", "partition", "row_key", "raw").rows() == [
        ("t", "2024-01-01", "1", '{"a":null,"b":2}'),
        ("unassigned", "2024-01-01", "2", None),
        ("t", "undated", "1", '{"a":null,"b":2}'),
    ]
    assert after.select("partition", "row_key", "reason", "run_id").rows() == [
        ("2024-01-01", "1", "out_of_range", "run2"),
        ("2024-01-01", "3", "out_of_range", "run2"),
        ("undated", "1", "conflict", "run1"),
    ]
    assert after["first_seen"][0] == before["first_seen"][0] < after["last_seen"][0]


def test_what_no_store_can_hold_stands_in_the_quarantine_all_the_same(connection: psycopg.Connection) -> None:
    rows = refused(
        (
            "t\x00",
            "x.csv",
            "k\x00",
            "not_a_number",
            json.dumps({"a\x00": "\ud800", "b": float("nan"), "c": float("inf")}),
        ),
        ("t", "x.csv", "k", "not_a_number", "no { json"),
        ("t", "x.csv", "k", "conflict", "{}"),
    )
    quarantine.replace(connection, "a", ASSET, "all", rows, "run")
    found = quarantine.entries(connection, "a").sort("tenant_id", "row_key")
    assert found.select("tenant_id", "row_key", "raw").rows() == [
        ("t", "k", '"no { json"'),
        ("t", "k#2", "{}"),
        ("t\\u0000", "k\\u0000", '{"a\\\\u0000":"\\\\ud800","b":"nan","c":"inf"}'),
    ]


def test_what_the_store_said_of_a_row_stands_beside_it(connection: psycopg.Connection) -> None:
    rows = refused(("t", "x.csv", "1", "refused_by_store", "{}"), ("t", "x.csv", "2", "conflict", "{}"))
    told = rows.with_columns(pl.Series("detail", ["field type conflict\x00", None]))
    quarantine.replace(connection, "a", ASSET, "all", told, "run")
    assert quarantine.entries(connection, "a")["detail"].to_list() == ["field type conflict\\u0000", ""]
    quarantine.replace(connection, "a", ASSET, "all", rows, "run")
    assert quarantine.entries(connection, "a")["detail"].to_list() == ["", ""]


def span(series: str, first: int, last: int, tenant: str = "t") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "tenant_id": [tenant],
            "series": [series],
            "first_time": [datetime(2024, 1, first, tzinfo=UTC)],
            "last_time": [datetime(2024, 1, last, tzinfo=UTC)],
        },
        schema_overrides={"first_time": pl.Datetime("us", "UTC"), "last_time": pl.Datetime("us", "UTC")},
    )


def test_claims_widen_and_never_overlap(store: PostgresStore) -> None:
    with store.connection() as connection:
        claims.claim(connection, "a", "sensor_data", span("s\x1f1", 1, 3))
        claims.claim(connection, "a", "sensor_data", span("s\x1f1", 5, 9))
        claims.claim(connection, "a", "sensor_data", pl.concat([span("s\x1f1", 6, 7), span("s\x1f2", 1, 1)]))
        claims.claim(connection, "b", "sensor_data", span("s\x1f1", 10, 12))
        claims.claim(connection, "b", "alerts", span("s\x1f1", 1, 2))
        claims.claim(connection, "b", "sensor_data", span("s\x1f1", 1, 2, tenant="u"))
        assert_spans = claims.others(connection, "b", "sensor_data", ["t"])
        assert_spans = assert_spans.with_columns(pl.col("first_time", "last_time").dt.day())
        assert assert_spans.rows() == [("t", "s\x1f1", 1, 9), ("t", "s\x1f2", 1, 1)]
        assert claims.others(connection, "a", "sensor_data", ["u", "v"])["tenant_id"].to_list() == ["u"]
    # the hole between two claims of one estate is claimed, and so are both ends
    for first, last in ((4, 4), (9, 9), (12, 20)):
        with pytest.raises(OwnershipError, match="s, 1"), store.connection() as connection:
            claims.claim(connection, "c", "sensor_data", span("s\x1f1", first, last))
    with store.connection() as connection:
        assert claims.others(connection, "x", "sensor_data", ["t"]).height == 3


def test_a_lock_waits_for_the_other_run_and_says_so(store: PostgresStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    order: list[str] = []
    held = threading.Event()

    def other() -> None:
        with store.connection() as connection, partition_lock(connection, "a", ASSET):
            held.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(10)
    with store.connection() as connection, partition_lock(connection, "a", ASSET):
        order.append("second")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    thread.join()
    assert order == ["first", "second"]
    assert f"Another run works on {ASSET} of the estate a" in caplog.text


def test_a_lock_is_given_back_after_an_error_and_others_are_free(store: PostgresStore) -> None:
    with store.connection() as connection:
        with pytest.raises(psycopg.Error), partition_lock(connection, "a", ASSET):
            connection.execute("SELECT 1/0")
        with store.connection() as other, partition_lock(other, "a", ASSET), partition_lock(other, "b", ASSET):
            pass


def test_the_number_of_a_lock_is_the_same_everywhere() -> None:
    assert key_of("partition", "a", "b") == key_of("partition", "a", "b")
    assert key_of("partition", "a", "b") != key_of("partition", "ab", "")
    assert -(2**63) <= key_of("x") < 2**63
