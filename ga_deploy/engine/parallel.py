"""Several requests at a time. The gateway limits how many truly run; here only the waiting is shared out."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar("Result")
# More than the gateway ever lets through at a time.
_THREADS = 32


class Pool:
    """Runs calls in threads. The first error wins; calls that have not begun by then never do."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    def start(self, call: Callable[[], Result]) -> Future[Result]:
        """Start one call; its `result()` returns or raises."""
        return self._executor.submit(call)

    def gather(self, calls: Iterable[Callable[[], Result]]) -> list[Result]:
        """Run all calls and return their results in order; raises the first error once all that began have ended.

        Waiting for them matters: what they create must be known, or at least not be under way, when the error is told.
        """
        futures = [self._executor.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    future.exception()
            raise


@contextmanager
def open_pool() -> Iterator[Pool]:
    """Give a pool; at the end, however it comes, what has not begun is dropped and what runs is awaited."""
    executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="request")
    try:
        yield Pool(executor)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
