"""Tests of the transfer: staging, judging, digests and what a load makes of them."""
