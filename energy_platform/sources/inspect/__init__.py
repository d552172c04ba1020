"""Looks at a folder of files that nobody prepared, and proposes what its estate file could say."""
