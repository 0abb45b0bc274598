"""Phone numbers: what is decided about each, how it is written, what it had before."""
