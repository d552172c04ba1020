"""From the raw rows of a source to canonical ones."""
