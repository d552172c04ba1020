"""The verbs of the stores: up, down, status, env."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from energy_platform.local.environment import export_lines, write_env_file
from energy_platform.local.stores import (
    StoreStatus,
    given_settings,
    resolve_settings,
    start_stores,
    stop_stores,
    store_status,
)
from energy_platform.settings import get_settings

HEALTHY = ("running", "remote")


def up() -> None:
    """Start every store that no setting names, make roles and databases, migrate the schema, write .env.

    Stores that run already are left alone; one that has crashed is started again.
    """
    settings = start_stores(get_settings(), say=typer.echo)
    path = write_env_file(settings, given=given_settings(get_settings()))
    _print_table(store_status(settings))
    typer.echo(f'Their addresses are in {path}; to use them in a shell: eval "$(energy-platform env)"')


def down() -> None:
    """Stop the local stores that `up` started, and no others. What they hold stays."""
    stopped = stop_stores(get_settings())
    typer.echo(f"Stopped: {', '.join(stopped)}." if stopped else "No local store was running.")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects for programs.")] = False,
) -> None:
    """Show PostgreSQL, Redis and the time-series store: what each is, where, and how it is; and what is not proven.

    Exits 0 where all are running or answer from elsewhere, else 1.
    """
    stores = store_status(get_settings())
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(store) for store in stores], indent=2))
    else:
        _print_table(stores)
        _print_unproven(stores)
    if any(store.state not in HEALTHY for store in stores):
        raise typer.Exit(1)


def env() -> None:
    """Print export lines for psql, redis-cli, influx, Dagster and this command.

    Use it so: eval "$(energy-platform env)"
    """
    typer.echo("\n".join(export_lines(resolve_settings(get_settings()))))


def _print_table(stores: list[StoreStatus]) -> None:
    rows = [("store", "is", "at", "state", "process")]
    rows += [
        (store.name, store.implementation, store.url, store.state, str(store.pid) if store.pid else "")
        for store in stores
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_unproven(stores: list[StoreStatus]) -> None:
    """Which partitions of the estate are not proven, and what to do; nothing where PostgreSQL cannot tell."""
    if not any(store.name == "postgres" and store.state in HEALTHY for store in stores):
        return
    from energy_platform.domain.errors import EnergyPlatformError
    from energy_platform.sources.estate import read_estate
    from energy_platform.stores.postgres.connection import PostgresStore
    from energy_platform.transfer.reports.unproven import unproven_lines, unproven_partitions

    settings = get_settings()
    try:
        estate = read_estate(settings.estate, settings.estate_file)
        store = PostgresStore(resolve_settings(settings).postgres_url)
        lines = unproven_lines(unproven_partitions(store, estate.code))
    except EnergyPlatformError as error:
        lines = [f"What is proven is not known: {error}"]
    typer.echo("\n".join(["", *lines]))
