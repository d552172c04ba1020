"""What sources hold, and what of it has changed, without loading anything."""
