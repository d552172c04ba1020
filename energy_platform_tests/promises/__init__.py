"""The promises of the platform, tested from end to end on real stores: one file per promise."""
