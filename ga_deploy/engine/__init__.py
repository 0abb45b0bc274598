"""Observe, compare, apply: how what is wanted becomes what is live. Prints nothing; reports events."""
