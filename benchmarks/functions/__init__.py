"""Benchmarks of the generated functions."""
