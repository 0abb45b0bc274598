"""Lengths of time on the command line."""

from __future__ import annotations

from ga_deploy.errors import Usage


def read_seconds(text: str, option: str) -> float:
    """Return the seconds of a duration such as `90s`, `5m`, `1h` or a bare number of seconds. Raises `Usage`."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(text[-1:].lower())
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise Usage(
            f"`{option} {text}` is not a duration",
            why="it takes seconds, minutes or hours",
            fix=f"write for example `{option} 90s`",
        )
    return seconds
