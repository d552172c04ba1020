"""What the company knows: measurements, contracts, fingerprints, time. No I/O, no Dagster, no driver."""
