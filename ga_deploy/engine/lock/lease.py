"""One writer at a time: a lease on Twilio Sync, or a lock file where there is no access to Sync.

The lease is a document with a fixed name: exactly one creator gets it. It expires after 60 s and a thread renews it, so
a killed CI run blocks nobody for long; the lock of a process that provably ended on this system is taken over at once.
A takeover names the document's revision, so that only one of two attempts succeeds. Renewal and release name its SID:
a new lock of the same name counts its revisions from zero, and must not be taken for the old one.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.lock.awake import Moment, read_clocks
from ga_deploy.engine.lock.file_lock import Lease, hold_file_lock, locked_by
from ga_deploy.engine.lock.holder import Holder, read_holder
from ga_deploy.engine.record.store import lacks_sync
from ga_deploy.errors import ApiProblem, Conflict, DeployError, Locked, NotFound
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ga_deploy.engine.platform import Platform
    from ga_deploy.model.sync import SyncDocument

LEASE_SECONDS = 60
# The part of a lease's time in which nothing new is written: connecting takes up to 10 of 60 s.
_KEPT_BACK = 1 / 6
_LONGEST_PAUSE = 10.0
_AGAIN = "see who else deploys, then run the command again: it continues from what is there"
_PATIENCE = 3.0


class _SyncLease:
    """A lease that renews itself in a thread until it is released or expires.

    It expires when its time has passed since the last successful renewal was sent, by the clock that shows the longest
    time; an expired lease stays expired. A sixth of the time is reserved for writes that are under way.
    """

    def __init__(
        self, platform: Platform, taken: _Taken, holder: Holder, report: Report, *, seconds: int, renew_every: float
    ) -> None:
        self._platform = platform
        self._key = taken.lock.sid or taken.lock.unique_name
        self._holder = holder
        self._revision = taken.lock.revision
        self._sent = taken.sent
        self._report = report
        self._seconds = seconds
        self._renew_every = renew_every
        self._what = "the lock of this deployment was lost"
        self._lost = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lock renewal", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Return if the lock is still ours; raise `Locked` if it expired or was lost."""
        if not self._lost and self._has_run_out():
            self._what = "the lease of this deployment has expired"
            self._lost = (
                f"it was last renewed {self._sent.seconds_ago:.0f} s ago and lasts {self._seconds} s; "
                "this process or its machine was asleep, or had no network"
            )
        if self._lost:
            raise Locked(self._what, why=self._lost, fix=_AGAIN)

    def release(self) -> None:
        """Release the lock. If that fails, report a warning: the lock then expires by itself."""
        self._over.set()
        self._thread.join(timeout=5)
        if self._lost or self._has_run_out():
            # It may be somebody else's by now (this process was suspended): deleting would take it from them.
            return
        try:
            self._platform.delete_document(self._key)
        except NotFound:
            pass
        except DeployError as error:
            self._report(
                Warned(
                    f"could not release the deployment lock (it expires within {self._seconds} s)",
                    why=error.what,
                )
            )

    def _renew(self) -> None:
        pause = self._renew_every
        while not self._over.wait(pause):
            with suppress(Locked):
                self.check()
            if self._lost:
                return
            sent = Moment.now(self._sent.read)
            try:
                content = self._holder.to_json()
                document = self._platform.update_document(
                    self._key, content, ttl=self._seconds, if_match=self._revision
                )
            except (Conflict, NotFound) as problem:
                self._lost = f"{problem.what}: it expired, or somebody else took it"
                return
            except DeployError:
                pause = min(self._renew_every, 3.0)
            else:
                with suppress(Locked):
                    # Checked before the renewal counts: a late renewal does not revive an expired lease.
                    self.check()
                self._revision, self._sent = document.revision, sent
                pause = self._renew_every

    def _has_run_out(self) -> bool:
        return self._sent.seconds_ago > self._seconds * (1 - _KEPT_BACK)


@dataclass(frozen=True)
class _Taken:
    """Our lock, and when the request was sent that took it."""

    lock: SyncDocument
    sent: Moment


class _Attempt:
    """Tries once per call to take the lock `name` for `holder`."""

    def __init__(
        self, platform: Platform, name: str, holder: Holder, seconds: int, clocks: Callable[[], tuple[float, ...]]
    ) -> None:
        self._platform = platform
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._clocks = clocks

    def __call__(self) -> tuple[_Taken | None, Holder]:
        """Return our lock, or None and its holder."""
        platform, name, holder = self._platform, self._name, self._holder
        sent = Moment.now(self._clocks)
        try:
            return _Taken(platform.create_document(name, holder.to_json(), ttl=self._seconds), sent), holder
        except Conflict:
            pass
        except ApiProblem:
            self.withdraw()
            raise
        found = platform.get_document(name)
        if found is None:
            # Released between the two requests: the next try gets it.
            return None, holder
        other = read_holder(found.data)
        if other.id == holder.id:
            # We created it, and the answer was lost (Twilio: 54301 may mean that a request was sent more than once).
            return _Taken(found, sent), holder
        if found.expired or other.is_dead:
            with suppress(Conflict, NotFound):
                key, sent = found.sid or name, Moment.now(self._clocks)
                lock = platform.update_document(key, holder.to_json(), ttl=self._seconds, if_match=found.revision)
                return _Taken(lock, sent), holder
        return None, other

    def withdraw(self) -> bool:
        """Remove a lock of ours after its creation failed or got no answer: nobody would renew or release it."""
        return _withdraw(self._platform, self._name, self._holder)

    def withdraw_soon(self) -> None:
        """Try to remove it within a few seconds."""
        withdraw_soon(self._platform, self._name, self._holder)


def _take(attempt: _Attempt, timeout: float, report: Report, whose: str) -> _Taken:
    try:
        return _wait_for(attempt, timeout, report, whose)
    except Exception:
        raise
    except BaseException:
        # Ctrl-C or SIGTERM: the lock may have been made, and only its answer be missing.
        attempt.withdraw_soon()
        raise


def _wait_for(attempt: _Attempt, timeout: float, report: Report, whose: str) -> _Taken:
    deadline = time.monotonic() + timeout
    pause = 1.0
    waiting = False
    while True:
        taken, other = attempt()
        if taken is not None:
            if waiting:
                report(StepDone("lock", "The other deployment has ended"))
            return taken
        left = deadline - time.monotonic()
        if left <= 0:
            raise locked_by(other, whose)
        if not waiting:
            report(StepStarted("lock", f"Waiting for another deployment: {other.describe()}"))
            waiting = True
        report(StepProgress("lock", detail=f"at most {left:.0f} s more"))
        time.sleep(min(left, pause * random.uniform(0.7, 1.3)))  # noqa: S311 - spreads waiters, guards nothing
        pause = min(pause * 1.6, _LONGEST_PAUSE)


def _withdraw(platform: Platform, name: str, holder: Holder) -> bool:
    with suppress(DeployError):
        found = platform.get_document(name)
        if found is not None and read_holder(found.data).id == holder.id:
            platform.delete_document(found.sid or name)
        return found is not None
    return False


def withdraw_soon(platform: Platform, name: str, holder: Holder, seconds: float = _PATIENCE) -> None:
    """Try for up to `seconds` to remove a lock of ours that nobody will release; never raises.

    For a user who pressed Ctrl-C: if the network hangs, the lock expires by itself.
    """

    def withdraw() -> None:
        if not _withdraw(platform, name, holder):
            # The request that makes it may be under way still, and arrive after the one that looks for it.
            time.sleep(seconds / 6)
            _withdraw(platform, name, holder)

    thread = threading.Thread(target=withdraw, name="lock withdrawal", daemon=True)
    thread.start()
    thread.join(timeout=seconds)


def _without_lease(problem: ApiProblem) -> Warned:
    return Warned(
        "the lock keeps out only other deployments from this machine, and there is no lease",
        why=f"there is no access to Twilio Sync: {problem.what}; a run that wakes from sleep continues to write",
        fix="give the credentials and the network access to Sync",
    )


@contextmanager
def hold_lock(
    platform: Platform,
    *,
    name: str,
    file: Path,
    on_sync: bool,
    holder: Holder,
    timeout: float,
    report: Report,
    whose: str = "this environment",
    seconds: int = LEASE_SECONDS,
    renew_every: float | None = None,
    clocks: Callable[[], tuple[float, ...]] = read_clocks,
) -> Iterator[Lease]:
    """Hold a lock: on Sync if `on_sync` and Sync is accessible, else in a file, with a warning.

    On Sync it is a lease of `seconds`, measured by `clocks` and renewed three times in that period. Raises `Locked`
    (exit code 5) with the holder after `timeout` seconds; `whose` names what is locked.
    """
    if on_sync:
        try:
            taken = _take(_Attempt(platform, name, holder, seconds, clocks), timeout, report, whose)
        except ApiProblem as problem:
            if not lacks_sync(problem):
                raise
            report(_without_lease(problem))
        else:
            every = seconds / 3 if renew_every is None else renew_every
            lease = _SyncLease(platform, taken, holder, report, seconds=seconds, renew_every=every)
            try:
                yield lease
            finally:
                lease.release()
            return
    with hold_file_lock(file, holder, timeout=timeout, report=report, whose=whose) as held:
        yield held
