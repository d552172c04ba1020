"""The comparisons, one module per subject; each gives lines of the table."""
