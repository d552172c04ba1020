"""How good data is: what a contract lets one expect of it, and how series of readings should behave. Pure functions."""
