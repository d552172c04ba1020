"""What sensors and rules complained of."""
