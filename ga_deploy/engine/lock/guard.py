"""The one place that every write passes: nothing is written without a lease, or after it is over.

The gateway calls `WriteGuard.check` before each attempt of a POST or DELETE, and a local record before each write. The
lock itself is excepted: its document is how a lease comes about.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ga_deploy.engine.lock.held import HeldLocks


class Unleased(StrEnum):
    """The writes that need no lease, all of them. Whoever adds one says here why two at once do no harm."""

    # A copy of what is live, kept in a file of this machine: the next look corrects it.
    LOCAL_RECORD = "refresh the local record"


class WriteGuard:
    """Knows the lease that a command holds and lets writes through only while it is good. Safe to use from threads."""

    def __init__(self) -> None:
        self._lease: HeldLocks | None = None
        self._unleased: Unleased | None = None

    @property
    def lease(self) -> HeldLocks:
        """The lease that is held; reading it while there is none is a mistake in the code, an AssertionError."""
        if self._lease is None:
            raise AssertionError("no lease is held")
        return self._lease

    def check(self) -> None:
        """Return if something may be written now.

        Raises `Locked` when the lease is over, AssertionError when none was ever taken: that is a mistake in the code.
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
        """Let one write of the list through that needs no lease."""
        self._unleased = write
        try:
            yield
        finally:
            self._unleased = None
