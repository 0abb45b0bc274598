"""A difference between what is live and what the newest release left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drift:
    """One thing that is not as the newest release left it; `what` holds no secret and no variable's value."""

    address: str
    what: str
