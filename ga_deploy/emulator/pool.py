"""The containers of a build.

As on the platform a container runs one request at a time and is kept warm for the next; a second request at the same
moment gets a container of its own. So a request that blocks, exits or runs out of memory takes nobody else with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ga_deploy.emulator.worker import Answered, Worker, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ga_deploy.emulator.worker import Logged, WorkerSetup


class WorkerPool:
    """Containers of one build: warm ones first (the last used), new ones on demand, `size` at most, then waiting.

    A container that nobody needed for `idle_seconds` is ended, as on the platform.
    """

    def __init__(
        self, setup: WorkerSetup, *, size: int, idle_seconds: float, on_late_log: Callable[[Logged], None]
    ) -> None:
        self._setup = setup
        self._idle_seconds = idle_seconds
        self._on_late_log = on_late_log
        self._places = asyncio.Semaphore(size)
        self._idle: list[tuple[Worker, asyncio.TimerHandle]] = []
        self._busy: set[Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def run(self, request: Mapping[str, object], time_limit: float) -> Answered:
        """`Worker.run` on a free container; waiting for one is not part of `time_limit`."""
        async with self._places:
            while (worker := self._take_warm()) is not None:
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
        timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, worker)
        self._idle.append((worker, timer))
        return answered

    async def launch_apart(self) -> Worker:
        """Return a new container that the pool does not keep; the caller stops it."""
        worker = await Worker.launch(self._setup, self._on_late_log)
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
