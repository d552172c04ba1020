"""Servers elsewhere made ready: settings judged; roles, databases, bucket, token made; schemas brought up to date."""
