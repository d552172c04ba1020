"""What sensors read."""
