"""Time as a simulated call sees it: real, or with the platform's own waiting left out.

Speech, ringing and pauses take as long as Twilio would take; nobody has to sit through them. Answers of
functions and media streams always take their real time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since an arbitrary moment, only ever growing."""

    def now(self) -> float:
        """Return the present moment of the call, in seconds."""

    async def spend(self, seconds: float) -> None:
        """Let `seconds` of the call go by."""

    @property
    def ahead(self) -> float:
        """By how many seconds the call is further on than the machine's own clock."""


class RealClock:
    """Every second of the call takes a second."""

    def now(self) -> float:
        """Return the monotonic time of the machine."""
        return time.monotonic()

    async def spend(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(max(0.0, seconds))

    @property
    def ahead(self) -> float:
        """Never."""
        return 0.0


class FastClock:
    """What the platform itself would take goes by at once and still counts, one clock a call."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        """Return the monotonic time of the machine plus all that was left out."""
        return time.monotonic() + self._skipped

    async def spend(self, seconds: float) -> None:
        """Count `seconds` without waiting; other tasks get their turn."""
        self._skipped += max(0.0, seconds)
        await asyncio.sleep(0)

    @property
    def ahead(self) -> float:
        """Return all that was left out: functions that wait by the clock have to see that it went by."""
        return self._skipped
