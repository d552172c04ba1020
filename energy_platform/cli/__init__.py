"""The command `energy-platform`: one module per group of verbs."""
