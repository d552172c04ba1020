"""Corrections of the registers of meters: what the platform has added to them, and why.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE energy.register_corrections (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    building_id text NOT NULL CHECK (building_id <> ''),
    meter_id text NOT NULL CHECK (meter_id <> ''),
    "time" timestamptz NOT NULL,
    kind text NOT NULL,
    before_kwh double precision,
    after_kwh double precision,
    added_kwh double precision,
    source text NOT NULL,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, building_id, meter_id, "time")
);

ALTER TABLE energy.register_corrections ENABLE ROW LEVEL SECURITY;
ALTER TABLE energy.register_corrections FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON energy.register_corrections
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
GRANT SELECT ON energy.register_corrections TO energy_app;
"""


def upgrade() -> None:
    """Make the table."""
    op.get_bind().exec_driver_sql(_TABLE)


def downgrade() -> None:
    """Take it away: the next load derives it again from the readings."""
    op.get_bind().exec_driver_sql("DROP TABLE energy.register_corrections")
