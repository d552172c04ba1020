"""Tests of what the company knows: no store, no file."""
