"""The guard that every write passes: nothing is written without a lease, or after the lease expired.

The gateway calls `WriteGuard.check` before each attempt of a POST or DELETE, and a local record before each write. The
lock itself is the exception: writing its document takes the lease.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.engine.lock.held import HeldLocks


class Unleased(StrEnum):
    """All writes that need no lease. Whoever adds one explains here why two at the same time do no harm."""

    # A copy of what is live, kept in a file of this machine: the next look corrects it.
    LOCAL_RECORD = "refresh the local record"


class WriteGuard:
    """Knows the lease that a command holds and lets writes through only while it is good. Safe to use from threads."""

    def __init__(self) -> None:
        self._lease: HeldLocks | None = None
        self._unleased: Unleased | None = None

    @property
    def lease(self) -> HeldLocks:
        """The lease that is held. Without one this raises AssertionError: a mistake in the code."""
        if self._lease is None:
            raise AssertionError("no lease is held")
        return self._lease

    def check(self) -> None:
        """Return if something may be written now.

        Raises `Locked` if the lease expired, AssertionError if none was taken: a mistake in the code.
        """
        if self._lease is not None:
            self._lease.check()
        elif self._unleased is None:
            raise AssertionError("a write without a lease")

    @contextmanager
    def holding(self, lease: HeldLocks) -> Iterator[None]:
        """Let writes through while `lease` is good, until the block ends."""
        self._lease = lease
        try:
            yield
        finally:
            self._lease = None

    @contextmanager
    def without_lease(self, write: Unleased) -> Iterator[None]:
        """Allow one write that needs no lease."""
        self._unleased = write
        try:
            yield
        finally:
            self._unleased = None
