"""Several requests at a time. The gateway limits how many really run; here threads only wait for them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar("Result")
# More than the gateway ever lets through at a time.
_THREADS = 32
_PATIENCE = 3.0


class Pool:
    """Runs calls in threads. The first error is raised; calls that have not started by then are dropped."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._started: set[Future[Any]] = set()

    def start(self, call: Callable[[], Result]) -> Future[Result]:
        """Start one call; its `result()` returns or raises."""
        future = self._executor.submit(call)
        self._started.add(future)
        future.add_done_callback(self._started.discard)
        return future

    def gather(self, calls: Iterable[Callable[[], Result]]) -> list[Result]:
        """Run all calls and return their results in order; raises the first error after all started calls have ended.

        The wait matters: no call may still create something when the error is reported.
        """
        futures = [self.start(call) for call in calls]
        try:
            return [future.result() for future in futures]
        except Exception:
            for future in futures:
                future.cancel()
            wait(futures)
            raise

    def drain(self, seconds: float) -> None:
        """Drop calls that have not started, and wait up to `seconds` for those that run."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        wait(set(self._started), timeout=seconds)


@contextmanager
def open_pool() -> Iterator[Pool]:
    """Open a pool. At its end, calls that have not started are dropped, and running calls are awaited.

    After Ctrl-C or SIGTERM they are awaited for a few seconds only: the lock is released next, and a request that is
    repeated for minutes must not delay that.
    """
    executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="request")
    pool = Pool(executor)
    try:
        yield pool
    except Exception:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    except BaseException:
        pool.drain(_PATIENCE)
        raise
    executor.shutdown(wait=True, cancel_futures=True)
