"""Sources that are arrays in JSON files."""
