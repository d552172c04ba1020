"""Sources that are tables and views of SQLite files."""
