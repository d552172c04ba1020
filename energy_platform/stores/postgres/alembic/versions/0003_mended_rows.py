"""Mended rows: what a person has made of a row that a contract refused.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# no reference to tenants: a row may be mended before its tenant stands there
_TABLE = """
CREATE TABLE energy.mended_rows (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    estate text NOT NULL CHECK (estate <> ''),
    source text NOT NULL,
    row_key text NOT NULL,
    identity text NOT NULL,
    raw jsonb NOT NULL,
    mended jsonb NOT NULL,
    reasons text NOT NULL DEFAULT '',
    run_id text NOT NULL DEFAULT '',
    first_seen timestamptz,
    mended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, estate, source, identity)
);
CREATE UNIQUE INDEX mended_rows_once ON energy.mended_rows (estate, source, identity);

ALTER TABLE energy.mended_rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE energy.mended_rows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON energy.mended_rows
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
GRANT SELECT ON energy.mended_rows TO energy_app;
"""


def upgrade() -> None:
    """Make the table."""
    op.get_bind().exec_driver_sql(_TABLE)


def downgrade() -> None:
    """Take it away: the next load refuses again what was mended."""
    op.get_bind().exec_driver_sql("DROP TABLE energy.mended_rows")
