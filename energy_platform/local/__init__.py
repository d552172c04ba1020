"""Starts, watches and stops servers on this machine."""
