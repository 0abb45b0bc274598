"""Clocks that also count the time while the machine or the process sleeps: a lease must not outlive it unnoticed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def read_clocks() -> tuple[float, float]:
    """Return two clocks in seconds: time since boot (sleep included) and wall clock. Each alone may be wrong.

    Linux: CLOCK_BOOTTIME counts suspended time, the monotonic clock does not (clock_gettime(2)). macOS: CLOCK_MONOTONIC
    counts it, while Python's own monotonic clock stands still (clock_gettime(3)). The wall clock may be set back.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    elif hasattr(time, "CLOCK_MONOTONIC"):
        since_boot = time.clock_gettime(time.CLOCK_MONOTONIC)
    else:
        since_boot = time.monotonic()
    return since_boot, time.time()


@dataclass(frozen=True)
class Moment:
    """A point in time, on every clock of `read`."""

    readings: tuple[float, ...]
    read: Callable[[], tuple[float, ...]]

    @classmethod
    def now(cls, read: Callable[[], tuple[float, ...]] = read_clocks) -> Moment:
        """Return the present."""
        return cls(read(), read)

    @property
    def seconds_ago(self) -> float:
        """How long ago it was, by the clock that shows the longest time."""
        return max(now - then for now, then in zip(self.read(), self.readings, strict=True))
