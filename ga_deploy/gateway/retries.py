"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(Protocol):
    """Time as the gateway sees it; tests hand in one that does not wait."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Retries:
    """How often and how patiently a request is repeated.

    Waits double from `first` up to `longest` seconds, each multiplied by a random number in [0.5, 1). `Retry-After`
    counts when it asks for more, capped at `longest_asked`. After `deadline` seconds no repeat is started and no
    answer is waited for. `attempts` counts the first one; where no connection came about, `connects` do.
    """

    attempts: int = 6
    connects: int = 3
    throttled: int = 10
    first: float = 0.5
    longest: float = 15.0
    longest_asked: float = 60.0
    deadline: float = 180.0
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def wait(self, attempt: int, asked: float | None = None) -> float:
        """Return the seconds to wait after the `attempt`-th try (from 1); `asked` is what `Retry-After` said."""
        doubled = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        wait = doubled * (0.5 + self.jitter() / 2)
        if asked is not None:
            wait = max(wait, min(asked, self.longest_asked))
        return wait


def read_retry_after(header: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110: seconds or a date), None if it says nothing.

    `now` is the server's idea of the time, in seconds since the epoch.
    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
