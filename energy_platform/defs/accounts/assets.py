"""Accounts: users, subscriptions, billing and settings → PostgreSQL → proof → every night."""

from __future__ import annotations

import dagster as dg

from energy_platform.defs.factory import Target, product
from energy_platform.sources.estate import Estate


def definitions(estate: Estate) -> dg.Definitions:
    """What the product knows of its customers; personal data never leaves the store."""
    return product(
        estate,
        "accounts",
        Target("postgres/users", after=("postgres/tenants",)),
        Target("postgres/subscriptions", after=("postgres/tenants",)),
        Target("postgres/billing", after=("postgres/buildings",)),
        Target("postgres/settings", after=("postgres/tenants",)),
    )
