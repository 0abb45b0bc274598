"""When a request is sent again, how long to wait before, and how many are under way at once."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
class Timeouts:
    """Seconds to wait: for a connection, and for the next bytes of an answer, to an upload, or of a deployed function.

    A function has 10 s (Twilio docs), and Twilio itself gives a webhook 15 s.
    """

    connect: float = 10.0
    read: float = 30.0
    upload: float = 60.0
    site: float = 15.0


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


class Gate:
    """Lets a number of requests through at once: halved when Twilio says 429, then slowly raised again.

    Twilio limits concurrent requests per account, not requests per second (docs, error 20429).
    """

    # After a cut, 429s that were already on their way say nothing new.
    settle_seconds = 1.0
    successes_per_step = 20

    def __init__(self, limit: int, clock: Clock) -> None:
        if limit < 1:
            raise ValueError("at least one request at a time is needed")
        self._most = limit
        self._limit = limit
        self._busy = 0
        self._successes = 0
        self._cut_at: float | None = None
        self._clock = clock
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._limit

    @contextmanager
    def passage(self) -> Iterator[None]:
        """Hold one place; waits for a free one."""
        with self._free:
            self._free.wait_for(lambda: self._busy < self._limit)
            self._busy += 1
        try:
            yield
        finally:
            with self._free:
                self._busy -= 1
                self._free.notify()

    def throttled(self) -> None:
        """Take note of a 429."""
        with self._free:
            now = self._clock.monotonic()
            if self._cut_at is not None and now - self._cut_at < self.settle_seconds:
                return
            self._cut_at = now
            self._successes = 0
            self._limit = max(1, self._limit // 2)

    def succeeded(self) -> None:
        """Take note of an answer that was not a 429."""
        with self._free:
            if self._limit >= self._most:
                return
            self._successes += 1
            if self._successes >= self.successes_per_step:
                self._successes = 0
                self._limit += 1
                self._free.notify()
