"""Tests of what Redis holds."""
