"""Many calls at once on one event loop. The loop measures its own delay, which shows whether the tester is too slow."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ga_deploy.simulate.media.stream import Lateness

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# A frame is 20 ms: a loop that is later cannot send on time, and measures its own delay.
ON_TIME_MS = 20.0
# How often the loop measures its delay, in seconds.
PROBE_SECONDS = 0.02


@dataclass(frozen=True)
class LoadResult(Generic[T]):
    """The result of a load test: the results in the order of the calls, its seconds, and how late the loop was.

    `peak` is the largest number of calls at the same time, `cpu_share` the part of one core that this process used.
    """

    results: tuple[T, ...]
    seconds: float
    peak: int
    loop: Lateness
    cpu_share: float

    @property
    def is_trustworthy(self) -> bool:
        """Whether the tester was fast enough for its measurements to be the agent's."""
        return self.loop.p99_ms < ON_TIME_MS


class _Lines:
    """Telephone lines: limits the calls at the same time, and counts how many there were at most."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._busy = 0
        self.peak = 0

    async def take(self) -> None:
        await self._free.acquire()
        self._busy += 1
        self.peak = max(self.peak, self._busy)

    def give_back(self) -> None:
        self._busy -= 1
        self._free.release()


async def run_load(
    place: Callable[[int], Awaitable[T]],
    calls: int,
    concurrency: int,
    *,
    start_every: float = 0.05,
    on_done: Callable[[int, T], None] = lambda _, __: None,
) -> LoadResult[T]:
    """Place `calls` calls, at most `concurrency` at a time, `start_every` seconds between two beginnings.

    `place` gets the number of the call, from 0, and returns its result; an exception in it ends the load. `on_done`
    gets each result when it is there.
    """
    lines = _Lines(concurrency)

    async def run(number: int) -> T:
        try:
            result = await place(number)
        finally:
            lines.give_back()
        on_done(number, result)
        return result

    begun, cpu = time.monotonic(), time.process_time()
    late: list[float] = []
    probe = asyncio.create_task(_watch_loop(late))
    try:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(calls):
                await lines.take()
                tasks.append(group.create_task(run(number)))
                await asyncio.sleep(start_every)
    finally:
        probe.cancel()
    seconds = time.monotonic() - begun
    share = (time.process_time() - cpu) / seconds if seconds else 0.0
    return LoadResult(tuple(task.result() for task in tasks), seconds, lines.peak, Lateness.of(late), share)


async def _watch_loop(late: list[float]) -> None:
    while True:
        due = time.monotonic() + PROBE_SECONDS
        await asyncio.sleep(PROBE_SECONDS)
        late.append((time.monotonic() - due) * 1000)
