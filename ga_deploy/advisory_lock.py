"""A lock on an open file. The system gives it back when the process ends, in whatever way it ends."""

from __future__ import annotations

import importlib
from typing import IO, Any


def try_lock(file: IO[Any]) -> bool:
    """Lock an open, writable file for this process and return True; return False while another process holds it.

    Closing the file gives the lock back. May move the position in the file.
    """
    try:
        fcntl = importlib.import_module("fcntl")
    except ImportError:
        return _try_lock_a_byte(file)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _try_lock_a_byte(file: IO[Any]) -> bool:
    """Lock as Windows does: bytes, and a locked byte cannot be read. So it is one far behind the content."""
    msvcrt = importlib.import_module("msvcrt")
    file.seek(1 << 20)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
