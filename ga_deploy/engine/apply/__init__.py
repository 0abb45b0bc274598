"""Carrying a plan out, in the order of its steps."""
