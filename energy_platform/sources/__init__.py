"""Reads an estate, and never writes to it."""
