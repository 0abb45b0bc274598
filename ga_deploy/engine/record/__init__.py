"""Releases and what numbers had, on Sync or in a local file."""
