"""The account's list of numbers, read again in the background while numbers are written.

One request for a page of a thousand numbers costs less than one request for each number, but the answer is fresh for
two seconds only. The next reading begins early enough to be there when the one before gets too old, so writing does
not stop to wait for it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from ga_deploy.errors import DeployError, EmulatorGone, Locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from ga_deploy.model.numbers import IncomingNumber

    Numbers = Mapping[str, IncomingNumber]

# From the answer that shows a number to the sending of its change.
FRESH_SECONDS = 2.0
# A reading is replaced this long before it is too old: a write that is about to be sent still gets through.
_SPARE_SECONDS = 0.4
# Up to here numbers are read one by one.
FEW = 4
_PAGE = 1000
# So many readings of one page in a row have to be of no use before the list is given up.
_MISSES = 3


class ListReadings:
    """Readings of the list, one after the other. Only one thread may use an object of this class.

    `start` begins to read the list in another thread and reports the future that it returns. `first` is a reading that
    exists already, of whatever age. `count` is the number of writes to come. `is_worth_it` is False once single
    readings cost less: for a few numbers, after a list that was too old, or too long, to serve, and after one that
    failed.
    """

    def __init__(self, start: Callable[[], Future[Numbers]], first: Numbers | None, count: int) -> None:
        self._start = start
        self._numbers = first
        self._coming: Future[Numbers] | None = None
        self._began = 0.0
        # How long a reading takes; the first one shows it.
        self._takes = FRESH_SECONDS / 4
        self._due = time.monotonic() + FRESH_SECONDS - _SPARE_SECONDS - self._takes
        self._served = 0
        self._misses = 0
        # Counts the readings, so that a write can say which one it was made from.
        self.serial = 0
        self.is_worth_it = count > FEW

    @property
    def numbers(self) -> Numbers | None:
        """The newest reading by E.164 number; None while there is none to write from."""
        return self._numbers

    @property
    def wait(self) -> float | None:
        """Seconds until `refresh` has something to do; None if that depends on a reading that is under way."""
        if self._coming or not self.is_worth_it or self._due == math.inf:
            return None
        return max(0.0, self._due - time.monotonic())

    def refresh(self, left: int) -> None:
        """Begin the next reading if it is time and enough of the writes are `left` to begin."""
        if self._coming or not self.is_worth_it or left == 0:
            return
        if self._numbers is not None and time.monotonic() < self._due:
            return
        if left <= FEW:
            # For the last ones a reading that is too old is not replaced.
            self.is_worth_it = self._numbers is not None
            self._due = math.inf
            return
        self._began = time.monotonic()
        self._coming = self._start()

    def take(self, ended: Future[Numbers]) -> bool:
        """Take over a reading that has ended; returns False if the future is not one. Raises Locked, EmulatorGone."""
        if ended is not self._coming:
            return False
        self._coming = None
        try:
            numbers = ended.result()
        except (Locked, EmulatorGone):
            raise
        except DeployError:
            # The numbers are read one by one then, and each one tells its own problem.
            self._numbers, self.is_worth_it = None, False
            return True
        if self.serial:
            self._judge()
        now = time.monotonic()
        # The time varies, so a slow one is remembered for a while.
        self._takes = max(now - self._began, 0.9 * self._takes)
        self._due = now + max(0.0, FRESH_SECONDS - _SPARE_SECONDS - self._takes)
        self._numbers = numbers
        self._served = 0
        self.serial += 1
        return True

    def count_served(self, serial: int) -> None:
        """Note that a number was written, or was found changed, from a reading."""
        self._served += serial == self.serial

    def drop_outdated(self, serial: int) -> None:
        """Write no more from a reading that is too old; a newer one stays."""
        if serial == self.serial and self._numbers is not None:
            self._judge()
            self._numbers = None

    def _judge(self) -> None:
        """Give the list up if the newest reading served no more numbers than it has pages.

        One page that came too late may be an accident, so only a third one in a row counts; more pages always take
        long.
        """
        if self._numbers is None or not self.serial:
            return
        pages = -(-len(self._numbers) // _PAGE)
        self._misses = self._misses + 1 if self._served <= pages else 0
        if self._misses >= (_MISSES if pages == 1 else 1):
            self.is_worth_it = False
