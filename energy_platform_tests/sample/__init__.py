"""Tests of the sample estates."""
