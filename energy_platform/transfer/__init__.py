"""The heart: read, contract, write, prove, in a stream; and the ledger of what was proven."""
