"""Looks at what stands in the stores: expectations from the contracts, the behaviour of series, files and keys."""
