"""What has arrived in the estate's files since it was last asked for, and which days it touches.

`files` looks at files, `days` and `wholes` compare them with the ledger, `asking` decides what to ask for and remembers
it. Nothing here knows who asks: see `defs/arrivals.py`.
"""
