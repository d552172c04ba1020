"""PostgreSQL as the loader, with the tables empty."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from energy_platform.settings import Settings
from energy_platform.stores.postgres.connection import PostgresStore


@pytest.fixture
def store(clean_stores: Settings) -> PostgresStore:
    return PostgresStore(clean_stores.postgres_url)


@pytest.fixture
def connection(store: PostgresStore) -> Iterator[psycopg.Connection]:
    with store.connection() as connection:
        yield connection
