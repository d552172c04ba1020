"""Content-addressed files: model files, exports and backups."""
