"""Quarantine keeps what a store itself said when it refused a point.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; rights and row-level security of the table hold for it, too."""
    op.get_bind().exec_driver_sql("ALTER TABLE energy.quarantine ADD COLUMN detail text NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Take the column away, and what stands in it."""
    op.get_bind().exec_driver_sql("ALTER TABLE energy.quarantine DROP COLUMN detail")
