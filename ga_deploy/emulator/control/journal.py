"""What was asked of the emulator, in order, for tests and for people. Holds no secret: see `masked`."""

from __future__ import annotations

import hashlib
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ga_deploy.redact import MASK

if TYPE_CHECKING:
    from ga_deploy.emulator.core.api import Fields

# Older entries are forgotten: an emulator may run for weeks.
MOST_ENTRIES = 10_000

# `Value` is a variable's value; what else may hold a secret is refused nowhere but never useful in a journal.
_SECRET_FIELDS = frozenset({"Value", "AuthToken", "Password", "Secret"})
# Long ones are told apart by a digest.
_LONGEST_VALUE = 200


@dataclass
class Entry:
    """One request. Times are seconds of a clock that only moves forward; `status` 0: no answer (yet, or dropped).

    `fault` is the fault it met, `problem` what went wrong with the emulator itself.
    """

    number: int
    method: str
    product: str
    host: str
    target: str
    request_id: str
    started: float
    ended: float | None = None
    status: int = 0
    form: dict[str, list[str]] = field(default_factory=dict)
    fault: str | None = None
    problem: str | None = None


def masked(form: Fields) -> dict[str, list[str]]:
    """Return form fields without the values that may be secret."""
    return {
        name: [MASK if name in _SECRET_FIELDS else _short(value) for value in values] for name, values in form.items()
    }


def _short(value: str) -> str:
    if len(value) <= _LONGEST_VALUE:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:16]
    return f"{value[:40]}… ({len(value)} characters, sha256 {digest})"


class Journal:
    """The requests since the start or the last reset."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)
        self._count = 0

    def begin(self, method: str, product: str, host: str, target: str, request_id: str) -> Entry:
        """Write down that a request has come."""
        self._count += 1
        entry = Entry(self._count, method, product, host, target, request_id, time.monotonic())
        self._entries.append(entry)
        return entry

    def reset(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._count = 0

    def report(self, exclude: str = "", only: str = "") -> dict[str, Any]:
        """Return the requests whose `METHOD target` matches `only` and not `exclude` (regular expressions).

        With them: their number, and `depth`, the longest chain of requests of which each began after the one before
        it was answered: how many round trips one has to wait for, however many run side by side.
        """
        entries = [
            entry
            for entry in self._entries
            if re.search(only, f"{entry.method} {entry.target}")
            and not (exclude and re.search(exclude, f"{entry.method} {entry.target}"))
        ]
        depths = _depths(entries)
        listed = [
            {
                **vars(entry),
                "depth": depth,
                "took": None if entry.ended is None else round(entry.ended - entry.started, 6),
            }
            for entry, depth in zip(entries, depths, strict=True)
        ]
        return {"count": len(entries), "depth": max(depths, default=0), "requests": listed}


def _depths(entries: list[Entry]) -> list[int]:
    """Return for each request the length of the longest chain that ends in it; `entries` in the order they began."""
    depths: list[int] = []
    # Requests that have ended, with the deepest chain among those that ended before.
    finished = sorted(
        ((entry.ended, index) for index, entry in enumerate(entries) if entry.ended is not None),
        key=lambda pair: pair[0],
    )
    position, deepest = 0, 0
    for entry in entries:
        while position < len(finished) and finished[position][0] < entry.started:
            deepest = max(deepest, depths[finished[position][1]])
            position += 1
        depths.append(deepest + 1)
    return depths
