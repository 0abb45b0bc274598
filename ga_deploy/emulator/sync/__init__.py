"""Sync v1: documents and maps."""
