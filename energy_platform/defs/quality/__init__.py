"""Quality: what stands in the stores is looked at, one check for each thing that can be expected of it."""
