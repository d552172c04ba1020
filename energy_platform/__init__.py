"""The Energy Platform: moves a building-energy estate into real stores, and proves that nothing was lost."""
