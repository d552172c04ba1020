"""Points in time: one interface, kept by InfluxDB 2 or by tables of PostgreSQL."""
