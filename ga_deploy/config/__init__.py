"""The config language: its schema, and how a file becomes a validated `Config`."""
