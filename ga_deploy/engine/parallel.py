"""Several requests at a time. The gateway limits how many truly run; here only the waiting is shared out."""

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
    """Runs calls in threads. The first error wins; calls that have not begun by then never do."""

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
        """Run all calls and return their results in order; raises the first error once all that began have ended.

        Waiting for them matters: what they create must be known, or at least not be under way, when the error is told.
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
        """Drop what has not begun and give what runs so many seconds to end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        wait(set(self._started), timeout=seconds)


@contextmanager
def open_pool() -> Iterator[Pool]:
    """Give a pool; at the end, however it comes, what has not begun is dropped and what runs is awaited.

    After Ctrl-C or SIGTERM it is awaited for a moment only: a request that is repeated for minutes must not keep the
    lock, which is given back next.
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
