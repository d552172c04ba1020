"""The verb `provision`."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from energy_platform.provisioning.judging import check as check_settings
from energy_platform.settings import get_settings


def provision(
    check: Annotated[
        bool, typer.Option("--check", help="Only judge the settings: no server is asked, nothing is changed.")
    ] = False,
) -> None:
    """Make servers elsewhere ready: roles, databases, rights, both schemas, InfluxDB's bucket and token.

    Running it again changes nothing that is as it should be. It refuses empty, example, short and shared secrets before
    it asks any server, and in production connections that are not encrypted.
    """
    settings = get_settings()
    check_settings(settings)
    if check:
        typer.echo("The settings are fit: every secret is a proper one of its own. No server was asked.")
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)

    from energy_platform.defs.instance import migrate_instance
    from energy_platform.provisioning.influxdb import provision_influxdb
    from energy_platform.provisioning.postgres import provision_postgres
    from energy_platform.stores.cache.redis import BuildingCache

    provision_postgres(settings, typer.echo)
    typer.echo(f"{migrate_instance(settings)}: Dagster's tables are up to date.")
    if settings.influx_url:
        provision_influxdb(settings, typer.echo)
    else:
        typer.echo("ENERGY_INFLUX_URL is empty: time series are kept in PostgreSQL.")
    with BuildingCache(settings.redis_url) as cache:
        cache.check_rights()
        typer.echo(f"Redis {cache.place}: the user writes, reads and removes keys.")
    typer.echo("All is ready.")
