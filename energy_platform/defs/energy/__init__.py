"""What buildings use."""
