"""Tells people what they must know: by webhook and e-mail where settings name them, else in the log."""
