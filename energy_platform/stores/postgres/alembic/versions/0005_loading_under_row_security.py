"""The loader and the backup role see all tenants also on a server that lets nobody bypass row-level security.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_GUARDED = """
SELECT oid::regclass::text FROM pg_class
WHERE relrowsecurity AND relnamespace IN ('energy'::regnamespace, 'timeseries'::regnamespace)
ORDER BY 1
"""


def upgrade() -> None:
    """Add policies for these two roles."""
    connection = op.get_bind()
    for (table,) in connection.exec_driver_sql(_GUARDED).fetchall():
        connection.exec_driver_sql(
            f"CREATE POLICY loader ON {table} TO energy_loader USING (true) WITH CHECK (true);"
            f"CREATE POLICY backup ON {table} FOR SELECT TO energy_backup USING (true);"
        )


def downgrade() -> None:
    """Take them away: only roles that bypass row-level security load from then on."""
    connection = op.get_bind()
    for (table,) in connection.exec_driver_sql(_GUARDED).fetchall():
        connection.exec_driver_sql(f"DROP POLICY loader ON {table}; DROP POLICY backup ON {table};")
