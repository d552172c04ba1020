"""What Alembic runs: the migrations, on the connection that `migrations.upgrade` hands over, as one transaction."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="alembic_version",
    version_table_schema="energy",
    # all or nothing: a migration that fails leaves the schema as it was
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
