"""What models expected."""
