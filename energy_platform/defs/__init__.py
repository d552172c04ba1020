"""Dagster, and nothing but: one folder per data product."""
