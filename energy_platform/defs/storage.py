"""Where Dagster keeps its state: PostgreSQL, as dagster-postgres has it, with connections kept and events in batches.

dagster-postgres opens a connection for every statement and writes each planned partition by itself, so that the events
of a run over many days take longer than the load. dagster.yaml names the class here, for every process alike: runs
launched from the UI and by the daemon gain as much as those of the command line. Tables, migrations and queries are
dagster-postgres' own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._record import copy
from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import (
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
    set_pg_statement_timeout,
)
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

#: Dagster hands events over in batches only where this variable says how large they may be.
BATCH_SIZE_VARIABLE, BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE", "1000"

#: Connections that an idle process keeps; more are opened while they are needed, without limit, as without a pool.
KEPT_CONNECTIONS = 1
#: A kept connection is replaced after this time, before a firewall forgets it.
MAXIMUM_AGE_SECONDS = 300


def pooled_engine(
    url: str, token_provider: Any = None, *, max_overflow: int = -1, pool_recycle: int = MAXIMUM_AGE_SECONDS
) -> Engine:
    """An engine that keeps a connection open between two statements, and notices when it has died meanwhile."""
    engine = create_pg_engine(
        url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=max_overflow,
        pool_recycle=pool_recycle,
        pool_pre_ping=True,
    )

    @event.listens_for(engine, "connect")
    def _remember_process(_connection: Any, record: Any) -> None:
        record.info["process"] = os.getpid()

    @event.listens_for(engine, "checkout")
    def _refuse_what_a_fork_inherited(_connection: Any, record: Any, proxy: Any) -> None:
        if record.info["process"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("The connection belongs to another process.")

    return engine


class _OfTheWebserver:
    """What a storage of dagster-postgres does in the webserver, with connections that are looked at before their use.

    Its own are not: the first who asks after a restart of PostgreSQL gets an error.
    """

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Keep a connection open, and end statements that take longer than so many milliseconds."""
        storage = cast(Any, self)
        engine = pooled_engine(
            storage.postgres_url, storage._token_provider, max_overflow=max_overflow, pool_recycle=pool_recycle
        )
        event.listen(engine, "connect", lambda made, _: set_pg_statement_timeout(made, statement_timeout))
        storage._engine = engine


class _RunStorage(_OfTheWebserver, PostgresRunStorage):
    pass


class _ScheduleStorage(_OfTheWebserver, PostgresScheduleStorage):
    pass


class BatchingEventLogStorage(_OfTheWebserver, PostgresEventLogStorage):
    """The event log: a batch of planned, materialized or observed partitions is one transaction."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tables: set[str] = set()

    def has_table(self, table_name: str) -> bool:
        """Whether a table is there; what was there once is not asked for again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events: first those about assets, all of them or none.

        Dagster writes the events of a batch that failed again one by one, so that no half of it may stay.
        """
        about_assets = [entry for entry in events if _is_about_asset(entry)]
        if about_assets:
            self._store_together(about_assets)
        others = [entry for entry in events if not _is_about_asset(entry)]
        if others:
            super().store_event_batch(others)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """One row for a check, and not one for each partition of the run: a check has one verdict, which goes there."""
        told = event.get_dagster_event()
        planned = copy(cast(AssetCheckEvaluationPlanned, told.event_specific_data), partitions_subset=None)
        whole = event._replace(dagster_event=told._replace(event_specific_data=planned))
        super()._store_asset_check_evaluation_planned(whole, event_id)

    def _store_together(self, entries: Sequence[EventLogEntry]) -> None:
        insert = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
        with self.index_transaction() as connection:
            rows = [self._event_to_row(entry) for entry in entries]
            numbers = [cast(int, number) for (number,) in connection.execute(insert, rows)]
            self._store_asset_event_tags(connection, entries, numbers)
            last = {_asset_and_kind(entry): place for place, entry in enumerate(entries)}
            # an asset's entry keeps what its last event says; all runs go by the same order and never block each other
            for _, place in sorted((asset, place) for (asset, _), place in last.items()):
                self._store_asset_event(connection, entries[place], numbers[place])


class PooledPostgresStorage(DagsterPostgresStorage):
    """All of Dagster's state in one PostgreSQL database, over connections that are kept."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: Any = None,
    ) -> None:
        self.postgres_url = postgres_url
        self.should_autocreate_tables = should_autocreate_tables
        self._inst_data = inst_data
        self._run_storage = _RunStorage(postgres_url, should_autocreate_tables, token_provider=token_provider)
        self._event_log_storage = BatchingEventLogStorage(
            postgres_url, should_autocreate_tables, token_provider=token_provider
        )
        self._schedule_storage = _ScheduleStorage(postgres_url, should_autocreate_tables, token_provider=token_provider)
        engine = pooled_engine(postgres_url, token_provider)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = engine
        os.environ.setdefault(BATCH_SIZE_VARIABLE, BATCH_SIZE)
        DagsterStorage.__init__(self)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PooledPostgresStorage:
        """The storage that dagster.yaml describes, in the words of dagster-postgres."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )


def _is_about_asset(entry: EventLogEntry) -> bool:
    """Whether an event stands in the index of an asset, and is kept at all by this storage."""
    told = entry.dagster_event
    return (
        told is not None
        and told.event_type in ASSET_EVENTS
        and told.asset_key is not None
        and not told.is_asset_failed_to_materialize
    )


def _asset_and_kind(entry: EventLogEntry) -> tuple[str, str]:
    told = entry.get_dagster_event()
    return told.asset_key.to_string() if told.asset_key else "", told.event_type_value
