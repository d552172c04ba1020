"""Redis: what is derived, and may be lost at any time."""
