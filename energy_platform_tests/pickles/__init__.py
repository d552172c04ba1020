"""Tests of the static reading of PKL files."""
