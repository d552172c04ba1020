"""Kills everything that takes part in a load, and compares what is left with a load that nobody killed."""
