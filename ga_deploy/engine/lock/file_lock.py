"""The lock file, used without access to Twilio Sync, and what all locks have in common."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol

from ga_deploy.advisory_lock import try_lock
from ga_deploy.engine.lock.holder import Holder, read_holder
from ga_deploy.errors import DeployError, Locked
from ga_deploy.events import Report, StepDone, StepStarted
from ga_deploy.folders import make_private_folder, open_private_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Lease(Protocol):
    """A lock that is held."""

    def check(self) -> None:
        """Return if the lock is still ours; raise `Locked` if somebody took it over."""


def locked_by(other: Holder, whose: str) -> Locked:
    """Return the error for a lock that `other` holds; `whose` names what it locks."""
    return Locked(
        f"somebody else is deploying to {whose}",
        why=other.describe(),
        fix="wait until it has ended, or raise `--lock-timeout`",
    )


class _FileLease:
    def check(self) -> None:
        """A file lock lasts as long as the process."""


@contextmanager
def hold_file_lock(path: Path, holder: Holder, *, timeout: float, report: Report, whose: str) -> Iterator[Lease]:
    """Hold a lock file. It keeps out other runs on this machine only. The system frees it when the process ends.

    Raises `Locked` naming the holder.
    """
    try:
        make_private_folder(path.parent)
        file = open_private_file(path)
    except OSError as error:
        raise DeployError(
            f"cannot open the lock file {path}", why=str(error), fix="make its folder writable"
        ) from error
    with file:
        _wait_for_file(file, timeout, report, whose)
        file.seek(0)
        file.truncate()
        json.dump(holder.to_json(), file)
        file.flush()
        try:
            yield _FileLease()
        finally:
            file.seek(0)
            file.truncate()


def _wait_for_file(file: IO[str], timeout: float, report: Report, whose: str) -> None:
    deadline = time.monotonic() + timeout
    waiting = False
    while not try_lock(file):
        file.seek(0)
        try:
            other = read_holder(json.load(file))
        except (ValueError, AttributeError, RecursionError):
            other = read_holder({})
        left = deadline - time.monotonic()
        if left <= 0:
            raise locked_by(other, whose)
        if not waiting:
            report(StepStarted("lock", f"Waiting for another deployment: {other.describe()}"))
            waiting = True
        time.sleep(min(left, 0.5))
    if waiting:
        report(StepDone("lock", "The other deployment has ended"))
