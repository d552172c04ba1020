"""Tenants, buildings, and the sensors in them."""
