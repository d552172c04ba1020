"""PostgreSQL: roles, migrations, connections, and every SQL statement of the tables, the ledger and the quarantine."""
