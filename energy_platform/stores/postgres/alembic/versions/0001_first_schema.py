"""The first schema: the company's tables, the operator's records, and the time series.

The SQL is frozen: later contracts come with later migrations.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# COPY, pg_dump and proofs read and write as loader or backup; what the API may do is granted table by table
_DEFAULT_RIGHTS = """
CREATE SCHEMA IF NOT EXISTS energy;
CREATE SCHEMA IF NOT EXISTS timeseries;
GRANT USAGE ON SCHEMA energy, timeseries TO energy_loader, energy_backup, energy_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA energy GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO energy_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA energy GRANT SELECT, USAGE ON SEQUENCES TO energy_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA energy GRANT SELECT ON TABLES TO energy_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA energy GRANT SELECT ON SEQUENCES TO energy_backup;
ALTER DEFAULT PRIVILEGES IN SCHEMA timeseries GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO energy_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA timeseries GRANT SELECT ON TABLES TO energy_backup;
GRANT SELECT ON energy.alembic_version TO energy_loader, energy_backup;
"""

_TABLES = """
CREATE TABLE energy.tenants (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    name text NOT NULL,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id)
);

CREATE TABLE energy.buildings (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    building_id text NOT NULL CHECK (building_id <> ''),
    name text,
    building_type text,
    address text,
    timezone text,
    floor_area_m2 double precision CHECK (floor_area_m2 >= 0),
    floors bigint,
    year_built bigint,
    latitude double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CHECK (longitude BETWEEN -180 AND 180),
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, building_id)
);

CREATE TABLE energy.sensors (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    sensor_id text NOT NULL CHECK (sensor_id <> ''),
    building_id text,
    name text,
    sensor_type text,
    unit text,
    floor bigint,
    room_type text,
    mqtt_topic text,
    http_endpoint text,
    update_interval_seconds double precision CHECK (update_interval_seconds >= 0),
    minimum double precision,
    maximum double precision,
    critical_minimum double precision,
    critical_maximum double precision,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, sensor_id),
    FOREIGN KEY (tenant_id, building_id) REFERENCES energy.buildings (tenant_id, building_id)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX sensors_building ON energy.sensors (tenant_id, building_id);

CREATE TABLE energy.sensor_status (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    sensor_id text NOT NULL CHECK (sensor_id <> ''),
    sensor_type text,
    status text,
    last_reading double precision,
    last_update timestamptz,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, sensor_id),
    FOREIGN KEY (tenant_id, sensor_id) REFERENCES energy.sensors (tenant_id, sensor_id)
        DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE energy.users (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    user_id text NOT NULL CHECK (user_id <> ''),
    email text,
    name text,
    role text,
    password_hash text,
    active boolean,
    created_at timestamptz,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, user_id)
);

CREATE TABLE energy.subscriptions (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    subscription_id text NOT NULL CHECK (subscription_id <> ''),
    plan text,
    status text,
    started_on date,
    ended_on date,
    monthly_fee double precision,
    currency text,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, subscription_id)
);

CREATE TABLE energy.billing (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    invoice_id text NOT NULL CHECK (invoice_id <> ''),
    building_id text,
    period_start date,
    period_end date,
    energy_kwh double precision,
    amount double precision,
    currency text,
    status text,
    issued_on date,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, invoice_id)
);

CREATE TABLE energy.settings (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    name text NOT NULL CHECK (name <> ''),
    value text,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE energy.models (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    name text NOT NULL CHECK (name <> ''),
    file_name text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 text NOT NULL,
    format text,
    framework text,
    class_name text,
    library_version text,
    problem text,
    "references" jsonb,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE energy.model_scores (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    model text NOT NULL CHECK (model <> ''),
    rmse double precision,
    mae double precision,
    r2 double precision,
    mape double precision,
    cv_r2_mean double precision,
    cv_r2_std double precision,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, model)
);

CREATE TABLE energy.feature_importances (
    tenant_id text NOT NULL REFERENCES energy.tenants (tenant_id) DEFERRABLE INITIALLY DEFERRED,
    model text NOT NULL DEFAULT '',
    feature text NOT NULL CHECK (feature <> ''),
    importance double precision,
    attributes jsonb,
    estate text NOT NULL CHECK (estate <> ''),
    PRIMARY KEY (tenant_id, model, feature)
);
"""

# no reference to tenants: a refused row may name a tenant that does not exist, or none (`unassigned`)
_RECORDS = """
CREATE TABLE energy.quarantine (
    estate text NOT NULL CHECK (estate <> ''),
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    asset text NOT NULL,
    partition text NOT NULL,
    source text NOT NULL,
    row_key text NOT NULL,
    reason text NOT NULL,
    raw jsonb,
    run_id text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, estate, asset, partition, source, row_key)
);
CREATE INDEX quarantine_partition ON energy.quarantine (estate, asset, partition);

CREATE TABLE energy.claims (
    estate text NOT NULL CHECK (estate <> ''),
    measurement text NOT NULL,
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    series text NOT NULL,
    first_time timestamptz NOT NULL,
    last_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, measurement, series, estate),
    CHECK (first_time <= last_time)
);

CREATE TABLE energy.audit_log (
    tenant_id text NOT NULL CHECK (tenant_id <> ''),
    id bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL DEFAULT '',
    details jsonb,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE energy.load_ledger (
    estate text NOT NULL CHECK (estate <> ''),
    asset text NOT NULL,
    partition text NOT NULL,
    proven boolean NOT NULL,
    open boolean NOT NULL,
    reason text NOT NULL DEFAULT '',
    "rows" bigint NOT NULL CHECK ("rows" >= 0),
    fingerprint text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    run_id text NOT NULL DEFAULT '',
    seconds double precision NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (estate, asset, partition)
);

CREATE TABLE energy.backups (
    backup_id text PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL,
    location text NOT NULL,
    size_bytes bigint CHECK (size_bytes >= 0),
    proven_at timestamptz,
    restore_seconds double precision,
    facts jsonb NOT NULL DEFAULT '{}'
);

CREATE VIEW energy.load_accounts AS
SELECT ledger.estate, ledger.asset, ledger.partition, account.key AS source,
       (account.value ->> 'read')::bigint AS read,
       (account.value ->> 'loaded')::bigint AS loaded,
       (account.value ->> 'duplicates')::bigint AS duplicates,
       (account.value ->> 'quarantined')::bigint AS quarantined,
       (account.value ->> 'undated')::bigint AS undated,
       account.value -> 'reasons' AS reasons,
       ledger.proven, ledger.open, ledger.recorded_at
FROM energy.load_ledger AS ledger
CROSS JOIN LATERAL jsonb_each(COALESCE(ledger.facts -> 'accounts', '{}')) AS account;
"""

_TIMESERIES = """
CREATE TABLE timeseries.sensor_data (
    tenant_id text NOT NULL DEFAULT '',
    building_id text NOT NULL DEFAULT '',
    sensor_id text NOT NULL DEFAULT '',
    sensor_type text NOT NULL DEFAULT '',
    "time" timestamptz NOT NULL,
    value double precision,
    state text,
    confidence double precision,
    status text,
    PRIMARY KEY (tenant_id, building_id, sensor_id, sensor_type, "time")
) PARTITION BY RANGE ("time");

CREATE TABLE timeseries.energy_consumption (
    tenant_id text NOT NULL DEFAULT '',
    building_id text NOT NULL DEFAULT '',
    meter_id text NOT NULL DEFAULT '',
    "time" timestamptz NOT NULL,
    power_kw double precision,
    temperature_c double precision,
    humidity_pct double precision,
    occupancy double precision,
    PRIMARY KEY (tenant_id, building_id, meter_id, "time")
) PARTITION BY RANGE ("time");

CREATE TABLE timeseries.predictions (
    tenant_id text NOT NULL DEFAULT '',
    building_id text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    lead_days text NOT NULL DEFAULT '',
    "time" timestamptz NOT NULL,
    power_kw double precision,
    lower_kw double precision,
    upper_kw double precision,
    issued_at text,
    PRIMARY KEY (tenant_id, building_id, model, lead_days, "time")
) PARTITION BY RANGE ("time");

CREATE TABLE timeseries.alerts (
    tenant_id text NOT NULL DEFAULT '',
    building_id text NOT NULL DEFAULT '',
    sensor_id text NOT NULL DEFAULT '',
    severity text NOT NULL DEFAULT '',
    alert_type text NOT NULL DEFAULT '',
    "time" timestamptz NOT NULL,
    message text,
    resolved boolean,
    PRIMARY KEY (tenant_id, building_id, sensor_id, severity, alert_type, "time")
) PARTITION BY RANGE ("time");

-- the keys start with the tags: without these a day is found only by reading a tenant's whole year
CREATE INDEX sensor_data_time ON timeseries.sensor_data USING brin ("time");
CREATE INDEX energy_consumption_time ON timeseries.energy_consumption USING brin ("time");
CREATE INDEX predictions_time ON timeseries.predictions USING brin ("time");
CREATE INDEX alerts_time ON timeseries.alerts USING brin ("time");
"""

_MEASUREMENTS = ("sensor_data", "energy_consumption", "predictions", "alerts")
_FIRST_YEAR, _LAST_YEAR = 2010, 2039

#: What the API may do with each table that a tenant owns; row-level security narrows it to the tenant's own rows.
_APP_RIGHTS = {
    "energy.tenants": "SELECT",
    "energy.buildings": "SELECT, INSERT, UPDATE, DELETE",
    "energy.sensors": "SELECT, INSERT, UPDATE, DELETE",
    "energy.sensor_status": "SELECT, INSERT, UPDATE, DELETE",
    "energy.users": "SELECT, INSERT, UPDATE, DELETE",
    "energy.subscriptions": "SELECT, INSERT, UPDATE, DELETE",
    "energy.billing": "SELECT, INSERT, UPDATE, DELETE",
    "energy.settings": "SELECT, INSERT, UPDATE, DELETE",
    "energy.models": "SELECT",
    "energy.model_scores": "SELECT",
    "energy.feature_importances": "SELECT",
    "energy.quarantine": "SELECT",
    "energy.claims": "SELECT",
    "energy.audit_log": "SELECT, INSERT",
    **{f"timeseries.{measurement}": "SELECT" for measurement in _MEASUREMENTS},
}


def upgrade() -> None:
    """Make everything."""
    for script in (_DEFAULT_RIGHTS, _TABLES, _RECORDS, _TIMESERIES, _partitions()):
        op.get_bind().exec_driver_sql(script)
    for table, rights in _APP_RIGHTS.items():
        op.get_bind().exec_driver_sql(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
            # an empty setting is what a connection keeps of one that was local to a transaction: it is nobody
            f"CREATE POLICY tenant ON {table}"
            f" USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))"
            f" WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));"
            f"GRANT {rights} ON {table} TO energy_app;"
        )


def downgrade() -> None:
    """Take everything away: the data goes with it."""
    raise NotImplementedError("The first schema cannot be taken back; restore a backup, or drop the database.")


def _partitions() -> str:
    statements = []
    for measurement in _MEASUREMENTS:
        statements += [
            f"CREATE TABLE timeseries.{measurement}_{year} PARTITION OF timeseries.{measurement}"
            f" FOR VALUES FROM ('{year}-01-01 00:00:00+00') TO ('{year + 1}-01-01 00:00:00+00');"
            for year in range(_FIRST_YEAR, _LAST_YEAR + 1)
        ]
        statements.append(f"CREATE TABLE timeseries.{measurement}_other PARTITION OF timeseries.{measurement} DEFAULT;")
    return "\n".join(statements)
