"""The look, ownership, comparison and drift. Pure, but for the look."""
