"""How many requests are under way at once: as many as the account takes.

Twilio limits concurrent requests per account, not requests per second, and does not publish the limit; the header
`Twilio-Concurrent-Requests` tells how many were under way (docs, error 20429).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADER = "twilio-concurrent-requests"


@dataclass(eq=False)
class Ticket:
    """One request that was let through. `answered` tells the gate what became of it; without, it says nothing."""

    serial: int
    is_trial: bool
    # Which place it took, counted from 1.
    place: int
    # The most of our requests under way at any moment of this one.
    peak: int
    status: int = 0
    under_way: int | None = None

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of the answer; header names are in lower case."""
        self.status = status
        self.under_way = read_concurrency(headers)


@dataclass
class _Burst:
    """Requests that were under way together when one of them was refused. `old` are those without an answer yet.

    `place`: which place the first one refused of them had taken, counted from 1.
    """

    size: int
    place: int
    old: set[Ticket]
    refused: int = 1

    @property
    def taken(self) -> int:
        """How many were not refused; while answers are missing, the fewest that can be."""
        return max(1, self.size - self.refused - len(self.old))


@dataclass
class _Trial:
    """A request above the limit, and those that met it at the account: any of them may be the one too many."""

    ticket: Ticket
    open: set[Ticket]


class Gate:
    """Lets a number of requests through at once; thread-safe.

    When some of those under way together are refused with 429, as many are let through from then on as were not
    refused. Whether more are taken is tried with one single request above the limit: after some successes, after twice
    as many when that was refused, and at once while the header says that the account has fewer under way than when it
    refused, for then somebody else has stopped.
    """

    first_pause = 25
    longest_pause = 1600

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("at least one request at a time is needed")
        self._most = limit
        self._limit = limit
        self._under_way: set[Ticket] = set()
        self._serial = 0
        self._burst: _Burst | None = None
        # Of requests up to this one the limit knows already.
        self._settled = 0
        self._trial: _Trial | None = None
        self._successes = 0
        self._pause = self.first_pause
        self._grows = False
        # Whether the limit was lowered so lately that nobody knows yet whether by enough.
        self._is_fresh = False
        # The fewest requests of the account under way at which one was refused, as far as the header tells.
        self._refused_at: int | None = None
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return min(self._limit, self._burst.taken) if self._burst else self._limit

    @contextmanager
    def passage(self) -> Iterator[Ticket]:
        """Hold one place; waits for a free one."""
        ticket = self.enter()
        try:
            yield ticket
        finally:
            self.leave(ticket)

    def enter(self) -> Ticket:
        """Take a place; waits for a free one."""
        with self._free:
            self._free.wait_for(self.has_place)
            self._serial += 1
            busy = len(self._under_way) + 1
            ticket = Ticket(self._serial, busy > self.limit, busy, busy)
            for other in self._under_way:
                other.peak = max(other.peak, busy)
            self._under_way.add(ticket)
            if ticket.is_trial:
                self._trial = _Trial(ticket, set(self._under_way))
                self._successes = 0
            elif self._trial and self._trial.ticket in self._under_way:
                self._trial.open.add(ticket)
            return ticket

    def has_place(self) -> bool:
        """Tell whether one more request may begin."""
        busy = len(self._under_way)
        return busy < self.limit or (busy == self._limit and self._may_try())

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, and learn from what became of the request."""
        with self._free:
            self._under_way.discard(ticket)
            if self._burst:
                self._burst.old.discard(ticket)
            if ticket.status == 429:
                self._learn_of_refusal(ticket)
            elif ticket.status:
                self._learn_of_success(ticket)
            self._judge_trial(ticket)
            if self._burst and not self._burst.old:
                self._settle(self._burst)
            self._free.notify_all()

    def _may_try(self) -> bool:
        is_due = self._successes >= (self._limit if self._grows else self._pause)
        return is_due and self._burst is None and self._trial is None and self._limit < self._most

    def _settle(self, burst: _Burst) -> None:
        """Lower the limit to what a burst has shown, now that all of it is answered.

        One too many makes the next ones be refused too, each at the place above the last that is taken; so what was
        not refused is the least, and the place below the first refusal a better guess, unless it has just failed.
        """
        taken = burst.taken if self._is_fresh else max(burst.taken, burst.place - 1)
        self._limit = max(1, min(self._limit, taken))
        self._burst = None
        self._settled = self._serial
        self._successes = 0
        self._is_fresh = True
        self._grows = False

    def _learn_of_refusal(self, ticket: Ticket) -> None:
        if ticket.under_way is not None:
            self._refused_at = min(ticket.under_way, self._refused_at or ticket.under_way)
        if self._burst:
            # Others began while the burst was being answered: of them it says nothing.
            if ticket.serial <= self._settled:
                self._burst.refused += 1
                self._burst.place = min(self._burst.place, ticket.place)
        elif self._trial and ticket in self._trial.open:
            self._pause = min(self._pause * 2, self.longest_pause)
            self._grows = False
            self._trial = None
            # Those that met it may be refused for it, too.
            self._settled = self._serial
        elif ticket.serial > self._settled and ticket.peak > 1:
            # Refused alone: others fill the account, and how many of ours it takes is not known.
            self._trial = None
            self._burst = _Burst(ticket.peak, ticket.place, set(self._under_way))
            self._settled = self._serial

    def _learn_of_success(self, ticket: Ticket) -> None:
        self._successes += 1
        if self._successes > 2 * self._limit:
            self._is_fresh = False
        if ticket.under_way is None or self._refused_at is None:
            return
        if ticket.is_trial and ticket.under_way >= self._refused_at:
            self._refused_at = ticket.under_way + 1
        elif self._limit <= ticket.under_way < self._refused_at - 1:
            # There is room that somebody else had.
            self._successes = max(self._successes, self._pause, self._limit)

    def _judge_trial(self, ticket: Ticket) -> None:
        """Raise the limit once the trial and all that met it are answered, none of them with a refusal."""
        if self._trial is None:
            return
        self._trial.open.discard(ticket)
        if self._trial.open:
            return
        if self._trial.ticket.status:
            self._limit += 1
            self._pause = self.first_pause
            self._grows = True
            self._successes = max(self._successes, self._limit)
        self._trial = None


def read_concurrency(headers: Mapping[str, str]) -> int | None:
    """Return how many requests of the account were under way, as an answer tells; None if it does not."""
    text = headers.get(HEADER, "").strip()
    return int(text[:9]) if text.isascii() and text.isdigit() else None
