"""What a load found out, would do, or left open, for people and for the ledger."""
