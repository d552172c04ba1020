"""What a contract refused: looking at it, and taking it out for mending."""
