"""Tests of energy_platform.notices."""
