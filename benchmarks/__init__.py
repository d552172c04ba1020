"""Benchmarks: what the platform does against floors and peers, measured in one run; see docs/benchmarks.md."""
