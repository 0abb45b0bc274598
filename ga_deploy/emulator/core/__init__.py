"""What every emulated product uses. Imports nothing above it."""
