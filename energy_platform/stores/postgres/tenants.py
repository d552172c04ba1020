"""Whose data an estate has brought."""

from __future__ import annotations

import psycopg

_OF_ESTATE = """
SELECT tenant_id FROM energy.tenants WHERE estate = %(estate)s
UNION SELECT tenant_id FROM energy.claims WHERE estate = %(estate)s
"""


def tenants_of(connection: psycopg.Connection, estate: str) -> list[str]:
    """Codes of the tenants that an estate has loaded rows or points of, sorted."""
    return sorted(tenant for (tenant,) in connection.execute(_OF_ESTATE, {"estate": estate}))
