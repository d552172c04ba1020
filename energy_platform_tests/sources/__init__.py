"""Tests of reading an estate."""
