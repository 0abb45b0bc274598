"""What the engine reports while it works. Values only: `ui` alone decides how (and whether) each is shown.

Imports nothing of the project. No event ever holds a secret or the value of a variable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """Something that takes a moment has begun; `key` ties the events of one step together."""

    key: str
    label: str


@dataclass(frozen=True)
class StepProgress:
    """How far a step is. `total` 0 means that nobody knows; `detail` is a short phrase."""

    key: str
    done: int = 0
    total: int = 0
    detail: str = ""


@dataclass(frozen=True)
class StepDone:
    """A step has ended well; `label` says what is now true."""

    key: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Warned:
    """Something the user should know that does not stop the work."""

    what: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True)
class ApiCall:
    """One request to a platform as it ended. `path` has no query; `status` 0 means that no answer came."""

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
