"""The three standard streams as they are in real life: closed by whoever started us, full, or with nobody reading.

A result that cannot be delivered is an error; progress that cannot be shown is no reason to stop a deployment half-way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO, cast

from ga_deploy.errors import DeployError


class OutputLost(DeployError):
    """Standard output cannot be written. `reader_left`: whoever read it has gone (`| head`), and need not be told."""

    def __init__(self, problem: OSError) -> None:
        super().__init__(
            "the result cannot be written to standard output",
            why=problem.strerror or str(problem),
            fix="make room there, or send it elsewhere",
        )
        self.reader_left = isinstance(problem, BrokenPipeError)


class _Guarded:
    """A text stream that is written only as long as that works; everything else is the stream's own."""

    def __init__(self, stream: TextIO, *, is_result: bool) -> None:
        self._stream = stream
        self._is_result = is_result
        self._lost: OSError | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if self._lost and self._is_result:
            raise OutputLost(self._lost)
        try:
            return self._stream.write(text)
        except OSError as problem:
            self._give_up(problem)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as problem:
            self._give_up(problem)

    def _give_up(self, problem: OSError) -> None:
        self._lost = problem
        # What is still buffered has to go somewhere: Python would complain once more when it flushes at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self._is_result:
            raise OutputLost(problem) from problem


def guard_streams() -> None:
    """Make the standard streams usable whatever state they are in; call it once, before anything is opened.

    A stream that was closed (`>&-`) leads nowhere, and no file or socket of ours can take its number. From then on a
    failing write to standard output raises OutputLost, and one to standard error is passed over.
    """
    # In the order of their numbers: a new descriptor gets the lowest that is free.
    nowhere = Path(os.devnull)
    sys.stdin = sys.stdin or nowhere.open(encoding="utf-8")
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    sys.stdout = cast("TextIO", _Guarded(sys.stdout, is_result=True))
    sys.stderr = cast("TextIO", _Guarded(sys.stderr, is_result=False))
