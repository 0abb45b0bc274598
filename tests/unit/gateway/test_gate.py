"""How many requests are let through at once, in a world whose account takes so many and no more."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ga_deploy.gateway.gate import HEADER, Gate, Ticket, read_concurrency


def end(gate: Gate, ticket: Ticket, status: int, under_way: int | None = None) -> None:
    ticket.answered(status, {} if under_way is None else {HEADER: str(under_way)})
    gate.leave(ticket)


def play(
    gate: Gate, requests: int, taken: int, *, tells: bool, others: int = 0, seed: int = 0, shuffled: bool = False
) -> tuple[int, float]:
    """Send requests of about one second each as fast as the gate lets them through; returns refusals and seconds.

    The account takes `taken` at once, `others` of which somebody else has under way all the time. `shuffled`: of
    requests that are sent at the same moment any may arrive first.
    """
    chance = random.Random(seed)
    now, left, refusals, count = 0.0, requests, 0, 0
    flying: list[tuple[float, int, Ticket, bool, int]] = []
    waiting: list[float] = []
    while left or flying or waiting:
        while waiting and waiting[0] <= now:
            heapq.heappop(waiting)
            left += 1
        entered: list[Ticket] = []
        while left > len(entered) and gate.has_place():
            entered.append(gate.enter())
        left -= len(entered)
        if shuffled:
            chance.shuffle(entered)
        for ticket in entered:
            under_way = len(flying) + 1 + others
            count += 1
            heapq.heappush(flying, (now + chance.uniform(0.9, 1.1), count, ticket, under_way <= taken, under_way))
        if not flying:
            now = waiting[0]
            continue
        now, _, ticket, is_taken, under_way = heapq.heappop(flying)
        end(gate, ticket, 200 if is_taken else 429, under_way if tells else None)
        if not is_taken:
            refusals += 1
            heapq.heappush(waiting, now + chance.uniform(0.5, 1.0))
    return refusals, now


@pytest.mark.parametrize("tells", [True, False], ids=["with the header", "without"])
@pytest.mark.parametrize("taken", [1, 2, 5, 12, 19, 20, 40])
def test_a_thousand_requests_settle_at_what_is_taken(taken: int, tells: bool) -> None:
    """At most twenty at once: few are refused, and the whole takes hardly longer than it must."""
    for shuffled in (False, True):
        refusals, seconds = play(Gate(20), 1_000, taken, tells=tells, shuffled=shuffled)
        assert refusals <= 40
        assert seconds <= 1.15 * 1_000 / min(taken, 20)


@given(
    most=st.integers(1, 30),
    taken=st.integers(1, 40),
    others=st.integers(0, 10),
    tells=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_whatever_the_account_takes_it_is_found(most: int, taken: int, others: int, tells: bool, seed: int) -> None:
    others = min(others, taken - 1)
    room = min(most, taken - others)
    refusals, seconds = play(Gate(most), 600, taken, tells=tells, others=others, seed=seed)
    assert refusals <= 2 * most + 40
    assert seconds <= 1.3 * 600 / room + 20


def test_places_come_back_when_others_have_stopped() -> None:
    """The header tells that the account has fewer under way than when it refused."""
    gate = Gate(20)
    for index, ticket in enumerate([gate.enter() for _ in range(20)]):
        end(gate, ticket, 200 if index < 5 else 429, 40)
    assert gate.limit == 5
    for _ in range(20):
        tickets = []
        while gate.has_place():
            tickets.append(gate.enter())
        for ticket in tickets:
            end(gate, ticket, 200, len(tickets))
    assert gate.limit == 20


def test_a_refusal_that_is_answered_late_does_not_stop_the_others() -> None:
    gate = Gate(8)
    slow, *others = [gate.enter() for _ in range(8)]
    for index, ticket in enumerate(others):
        end(gate, ticket, 200 if index < 4 else 429)
    assert gate.limit == 4, "the slow one may be refused, too"
    assert gate.has_place()
    end(gate, slow, 200)
    assert gate.limit == 5


def test_never_shut_and_never_wider_than_asked() -> None:
    gate = Gate(3)
    for ticket in [gate.enter() for _ in range(3)]:
        end(gate, ticket, 429)
    assert gate.limit == 1
    assert gate.has_place()
    for _ in range(1_000):
        tickets = [gate.enter()]
        while gate.has_place():
            tickets.append(gate.enter())
        assert len(tickets) <= 3
        for ticket in tickets:
            end(gate, ticket, 200)
    assert gate.limit == 3


def test_a_request_that_is_refused_alone_says_nothing_of_the_others() -> None:
    gate = Gate(8)
    for _ in range(10):
        end(gate, gate.enter(), 429)
    assert gate.limit == 8


@pytest.mark.parametrize(
    ("text", "count"),
    [("7", 7), (" 12 ", 12), ("", None), ("-1", None), ("many", None), ("٧", None), ("9" * 50, 999999999)],
)
def test_the_header_is_read_or_not(text: str, count: int | None) -> None:
    assert read_concurrency({HEADER: text}) == count
    assert read_concurrency({}) is None


def test_a_gate_for_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Gate(0)


def test_a_place_is_given_back_after_an_error() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(KeyError), gate.passage():
            raise KeyError
    with gate.passage():
        pass
