"""Results in words and tables, shared by several commands. `ui` prints them."""
