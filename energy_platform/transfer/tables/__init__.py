"""Loading tables: registers, accounts and scores, which have no days; read, judged, written and proved whole."""
