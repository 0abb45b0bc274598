"""The time of a simulated call: real, or with the platform's own waiting skipped.

Speech, ringing and pauses count as long as they would take at Twilio; nobody has to wait for them. Functions and media
streams always take their real time.
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
        """Let `seconds` of the call pass."""

    @property
    def ahead(self) -> float:
        """By how many seconds the call is ahead of the machine's clock."""


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
        """Return 0: this clock is never ahead."""
        return 0.0


class FastClock:
    """Skips the time that the platform itself would take, and counts it. Each call has its own clock."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        """Return the monotonic time of the machine plus all that was skipped."""
        return time.monotonic() + self._skipped

    async def spend(self, seconds: float) -> None:
        """Count `seconds` without waiting; other tasks get their turn."""
        self._skipped += max(0.0, seconds)
        await asyncio.sleep(0)

    @property
    def ahead(self) -> float:
        """Return the seconds skipped so far. Functions that measure time by the clock must see them."""
        return self._skipped
