"""Keys in Redis, made from the time series."""
