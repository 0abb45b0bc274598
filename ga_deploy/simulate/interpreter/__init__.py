"""One call as the voice platform plays it."""
