"""Sources that are CSV files."""
