"""JSON as the standard has it. Python's own reader also takes `NaN`, `Infinity` and numbers that become infinite."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def read_json(text: str | bytes) -> Any:
    """Return what a JSON text says; raises ValueError for what is no JSON or holds a number that no double can be."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_read_float)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _read_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large for a number")
    return number
