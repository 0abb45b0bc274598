"""How long nothing whole has come back while something was asked for: every command has to end, whatever answers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.gateway.retries import Clock

# Of the whole time kept for what a command does at its very end, such as giving its lock back: each request then has
# one try of a few seconds.
FAREWELL_SECONDS = 30.0
FAREWELL_TRY_SECONDS = 5.0


class Silence:
    """Counts the seconds in which requests were under way since the last whole answer; thread-safe.

    Time in which nothing is asked (a question to the user, a pause) does not count, for nothing can answer then.
    """

    def __init__(self, clock: Clock, limit: float) -> None:
        self._clock = clock
        self._limit = limit
        self._farewell = min(FAREWELL_SECONDS, limit / 4)
        self._asking = 0
        self._since = 0.0
        self._spent = 0.0
        self._guard = threading.Lock()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count while a request is under way, its repeats and their waits included."""
        with self._guard:
            if not self._asking:
                self._since = self._clock.monotonic()
            self._asking += 1
        try:
            yield
        finally:
            with self._guard:
                self._asking -= 1
                if not self._asking:
                    self._spent += self._clock.monotonic() - self._since

    def answered(self) -> None:
        """Take note of a whole answer."""
        with self._guard:
            self._spent = 0.0
            self._since = self._clock.monotonic()

    @property
    def left(self) -> float:
        """Seconds in which a request may still be sent and repeated; not above zero when that is over."""
        return self._limit - self._farewell - self._counted()

    @property
    def left_for_one_try(self) -> float:
        """Seconds that one try may take: like `left`, and after that a few at a time until the limit itself."""
        left = self.left
        return left if left > 0 else min(FAREWELL_TRY_SECONDS, self._limit - self._counted())

    def _counted(self) -> float:
        with self._guard:
            under_way = self._clock.monotonic() - self._since if self._asking else 0.0
            return self._spent + under_way
