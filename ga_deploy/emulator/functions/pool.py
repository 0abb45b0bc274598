"""The containers of a build.

As on the platform a container runs one request at a time and is kept warm for the next; a second request at the same
moment gets a container of its own. So a request that blocks, exits or runs out of memory takes nobody else with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from ga_deploy.emulator.functions.worker import Answered, Worker, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.emulator.functions.worker import Logged, WorkerSetup


class WorkerPool:
    """Containers of one build: warm ones first (the last used), new ones on demand, `size` at most, then waiting.

    A container that nobody needed for `idle_seconds` is ended, as on the platform. Most functions answer sooner than a
    process starts: for `patience_seconds` a request waits for a busy container before it gets a new one, so that a
    burst of calls shares a few instead of starting one each.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        *,
        size: int,
        idle_seconds: float,
        patience_seconds: float,
        on_late_log: Callable[[Logged], None],
    ) -> None:
        self._setup = setup
        self._idle_seconds = idle_seconds
        self._patience_seconds = patience_seconds
        self._on_late_log = on_late_log
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._busy: set[Worker] = set()
        self._launching = 0
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def run(self, request: Mapping[str, object], time_limit: float) -> Answered:
        """`Worker.run` on a free container; waiting for one is not part of `time_limit`."""
        async with self._places:
            while (worker := self._take_warm() or await self._wait_for_warm()) is not None:
                try:
                    return await self._run_on(worker, request, time_limit)
                except WorkerLost as lost:
                    # A container may die of what an earlier request left behind just when this one arrives.
                    if lost.begun or lost.timed_out:
                        raise
            return await self._run_on(await self.launch_apart(), request, time_limit)

    async def _run_on(self, worker: Worker, request: Mapping[str, object], time_limit: float) -> Answered:
        self._busy.add(worker)
        try:
            answered = await worker.run(request, time_limit)
        except BaseException:
            await worker.stop()
            raise
        finally:
            self._busy.discard(worker)
        self._give_back(worker)
        return answered

    def _give_back(self, worker: Worker) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(worker)
                return
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, worker)
        self._idle.append((worker, timer))

    async def _wait_for_warm(self) -> Worker | None:
        """Return a container that becomes free soon, or None; None at once when none is at work."""
        if not self._busy and not self._launching:
            return None
        waiting: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await waiting
        except TimeoutError:
            # It may have been handed over in the very moment in which patience ran out.
            return waiting.result() if waiting.done() and not waiting.cancelled() else None
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._give_back(waiting.result())
            raise

    async def launch_apart(self) -> Worker:
        """Return a new container that the pool does not keep; the caller stops it."""
        self._launching += 1
        try:
            worker = await Worker.launch(self._setup, self._on_late_log)
        finally:
            self._launching -= 1
        if self._stopped:
            await worker.stop()
            raise WorkerLost("the functions were stopped", [], begun=False)
        return worker

    def _take_warm(self) -> Worker | None:
        while self._idle:
            worker, timer = self._idle.pop()
            timer.cancel()
            if not worker.ended:
                return worker
        return None

    def _retire(self, worker: Worker) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not worker]
        task = asyncio.ensure_future(worker.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """End every container; requests that run are lost."""
        self._stopped = True
        for _, timer in self._idle:
            timer.cancel()
        workers = [*(worker for worker, _ in self._idle), *self._busy]
        self._idle.clear()
        await asyncio.gather(*(worker.stop() for worker in workers), *self._ending)
