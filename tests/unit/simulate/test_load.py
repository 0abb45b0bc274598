"""The load engine: as many at once as asked for, and honest about its own loop."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from ga_deploy.simulate.scenario.load import PROBE_SECONDS, run_load


def test_all_calls_are_placed_and_never_too_many_at_once() -> None:
    running = 0
    most = 0

    async def place(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return number * number

    done: list[int] = []
    result = asyncio.run(run_load(place, 20, 4, start_every=0, on_done=lambda number, _: done.append(number)))
    assert result.results == tuple(number * number for number in range(20))
    assert result.peak == most == 4
    assert sorted(done) == list(range(20))
    assert result.seconds >= 0.05


def test_beginnings_are_spread() -> None:
    begun: list[float] = []

    async def place(_: int) -> None:
        begun.append(time.monotonic())

    asyncio.run(run_load(place, 4, 4, start_every=0.03))
    assert all(later - earlier >= 0.029 for earlier, later in itertools.pairwise(begun))


def test_a_tester_that_is_too_slow_says_so() -> None:
    async def block(_: int) -> None:
        for _ in range(5):
            time.sleep(0.06)
            await asyncio.sleep(0)

    async def rest(_: int) -> None:
        for _ in range(6):
            await asyncio.sleep(PROBE_SECONDS)

    slow = asyncio.run(run_load(block, 3, 1, start_every=0.03))
    assert not slow.is_trustworthy
    assert slow.loop.worst_ms > 50
    assert asyncio.run(run_load(rest, 1, 1)).loop.frames >= 5, "it looks as often as a call could"


def test_a_call_that_cannot_be_placed_ends_the_load() -> None:
    async def place(number: int) -> None:
        if number == 1:
            raise OSError("no more sockets")
        await asyncio.sleep(5)

    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(run_load(place, 3, 3))
    assert "no more sockets" in str(failed.value.exceptions[0])
