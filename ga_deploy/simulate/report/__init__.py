"""Verdicts as a page and as JUnit."""
