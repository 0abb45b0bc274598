"""The events that the engine reports while it works. They are values; `ui` alone decides how to show them.

Imports nothing of the project. No event ever holds a secret or the value of a variable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """A step has begun; its events have the same `key`."""

    key: str
    label: str


@dataclass(frozen=True)
class StepProgress:
    """The progress of a step. `total` 0 means that it is not known; `detail` is a short phrase."""

    key: str
    done: int = 0
    total: int = 0
    detail: str = ""


@dataclass(frozen=True)
class StepDone:
    """A step has succeeded; `label` states the result."""

    key: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Warned:
    """A warning that does not stop the work."""

    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class ApiCall:
    """A finished request to a platform. `path` has no query; `status` 0 means that no response came."""

    method: str
    host: str
    path: str
    status: int
    milliseconds: float
    request_id: str | None = None
    attempt: int = 1
    note: str = ""


Event = StepStarted | StepProgress | StepDone | Warned | ApiCall
Report = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Report to nobody."""
