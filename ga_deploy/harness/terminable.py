"""An event loop that SIGTERM ends as Ctrl-C does: what is under way is cancelled and cleared up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from ga_deploy.errors import Terminated

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run_terminable(main: Coroutine[Any, Any, T]) -> T:
    """Run like `asyncio.run`. Raises Terminated when SIGTERM came, KeyboardInterrupt when Ctrl-C did.

    The command line's own handler raises where the program happens to be, and in the middle of a loop that may be
    anywhere: in a task of a group, which wraps it up, or in a callback, which loses it.
    """
    return asyncio.run(_watch(main))


async def _watch(main: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    before = signal.getsignal(signal.SIGTERM)
    # Not on every platform, and not outside the main thread.
    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
    finally:
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            if loop.remove_signal_handler(signal.SIGTERM):
                signal.signal(signal.SIGTERM, before)
