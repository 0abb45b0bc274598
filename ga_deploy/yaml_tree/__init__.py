"""YAML with positions: what configs and scenarios are read from."""
