"""Tests of PostgreSQL."""
