"""Static reading of PKL files: nothing is unpickled here."""
