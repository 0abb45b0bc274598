"""The path of a static fallback, which tells its content: `fallback-` and eight digits of its SHA-256."""

from __future__ import annotations

import re

_NAME = re.compile(r"fallback-([0-9a-f]{8})\.xml")


def digits_of(path: str, function_set: str) -> str:
    """Return the eight digits that the path of a fallback of this set of functions has; nothing for another path."""
    found = _NAME.fullmatch(path.removeprefix(function_set)) if path.startswith(function_set) else None
    return found.group(1) if found else ""
