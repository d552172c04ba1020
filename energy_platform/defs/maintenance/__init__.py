"""What keeps the data right: the nightly run, and the comparison of everything with everything."""
