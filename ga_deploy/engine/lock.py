"""One writer at a time: a lease on Twilio Sync, or a lock file where there is no access to Sync.

The lease is a document with a fixed name: exactly one creator gets it. It lives 60 s and is renewed by a thread, so
that a killed CI run blocks nobody for long; a holder that provably died on this very system is replaced at once. Taking
over goes by the document's revision, so of two who try, one does. Renewing and giving back go by its SID: a lock that
is made anew under the same name counts its revisions from the start, and must not be mistaken for the old one.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ga_deploy.engine.file_lock import Lease, hold_file_lock, locked_by
from ga_deploy.engine.holder import Holder, read_holder
from ga_deploy.engine.records import lacks_sync
from ga_deploy.errors import ApiProblem, Conflict, DeployError, Locked, NotFound
from ga_deploy.events import Report, StepDone, StepProgress, StepStarted, Warned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ga_deploy.engine.platform import Platform
    from ga_deploy.model import SyncDocument

LEASE_SECONDS = 60
RENEW_SECONDS = 20
_LONGEST_PAUSE = 10.0
_PATIENCE = 3.0


class _SyncLease:
    """A lease that renews itself in a thread until it is released or lost."""

    def __init__(
        self, platform: Platform, lock: SyncDocument, holder: Holder, report: Report, renew_every: float
    ) -> None:
        self._platform = platform
        self._key = lock.sid or lock.unique_name
        self._holder = holder
        self._revision = lock.revision
        self._report = report
        self._renew_every = renew_every
        self._lost = ""
        self._note_renewal()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lock renewal", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Return if the lock is still ours; raise `Locked` if it was lost."""
        if self._lost:
            raise Locked(
                "the lock of this deployment was lost",
                why=self._lost,
                fix="see who else deploys, then run `ga-deploy up`: it continues from what is there",
            )

    def release(self) -> None:
        """Give the lock back. Says so if that fails: it then lapses by itself."""
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
                    "the lock of this deployment could not be given back",
                    why=f"{error.what}; it lapses by itself within {LEASE_SECONDS} s",
                )
            )

    def _renew(self) -> None:
        pause = self._renew_every
        while not self._over.wait(pause):
            try:
                content = self._holder.to_json()
                document = self._platform.update_document(
                    self._key, content, ttl=LEASE_SECONDS, if_match=self._revision
                )
            except (Conflict, NotFound) as problem:
                self._lost = f"{problem.what}: its time was over, or somebody took it"
                return
            except DeployError as error:
                if self._has_run_out():
                    self._lost = f"it could not be renewed in time: {error.what}"
                    return
                pause = 3.0
            else:
                self._revision = document.revision
                self._note_renewal()
                pause = self._renew_every

    def _note_renewal(self) -> None:
        # Two clocks: a laptop's monotonic one stands still while it sleeps, the other may be set back.
        self._good_until = time.monotonic() + LEASE_SECONDS, time.time() + LEASE_SECONDS

    def _has_run_out(self) -> bool:
        return time.monotonic() > self._good_until[0] or time.time() > self._good_until[1]


def _take(platform: Platform, name: str, holder: Holder, timeout: float, report: Report, whose: str) -> SyncDocument:
    try:
        return _wait_for(platform, name, holder, timeout, report, whose)
    except Exception:
        raise
    except BaseException:
        # Ctrl-C or SIGTERM: the lock may have been made, and only its answer be missing.
        withdraw_soon(platform, name, holder)
        raise


def _wait_for(
    platform: Platform, name: str, holder: Holder, timeout: float, report: Report, whose: str
) -> SyncDocument:
    deadline = time.monotonic() + timeout
    pause = 1.0
    waiting = False
    while True:
        lock, other = _try(platform, name, holder)
        if lock is not None:
            if waiting:
                report(StepDone("lock", "The other deployment is over"))
            return lock
        left = deadline - time.monotonic()
        if left <= 0:
            raise locked_by(other, whose)
        if not waiting:
            report(StepStarted("lock", f"Waiting for another deployment: {other.describe()}"))
            waiting = True
        report(StepProgress("lock", detail=f"at most {left:.0f} s more"))
        time.sleep(min(left, pause * random.uniform(0.7, 1.3)))  # noqa: S311 - spreads waiters, guards nothing
        pause = min(pause * 1.6, _LONGEST_PAUSE)


def _try(platform: Platform, name: str, holder: Holder) -> tuple[SyncDocument | None, Holder]:
    """Return the lock now ours, or None and whoever has it."""
    try:
        return platform.create_document(name, holder.to_json(), ttl=LEASE_SECONDS), holder
    except Conflict:
        pass
    except ApiProblem:
        _withdraw(platform, name, holder)
        raise
    found = platform.get_document(name)
    if found is None:
        # Released between the two requests: the next try gets it.
        return None, holder
    other = read_holder(found.data)
    if other.id == holder.id:
        # Our own creation, whose answer was lost (Twilio: 54301 may mean that a request was sent more than once).
        return found, holder
    if found.expired or other.is_dead:
        with suppress(Conflict, NotFound):
            key = found.sid or name
            return platform.update_document(key, holder.to_json(), ttl=LEASE_SECONDS, if_match=found.revision), holder
    return None, other


def _withdraw(platform: Platform, name: str, holder: Holder) -> bool:
    """Remove a lock of ours whose creation was not answered well: nobody would renew it, nor give it back."""
    with suppress(DeployError):
        found = platform.get_document(name)
        if found is not None and read_holder(found.data).id == holder.id:
            platform.delete_document(found.sid or name)
        return found is not None
    return False


def withdraw_soon(platform: Platform, name: str, holder: Holder, seconds: float = _PATIENCE) -> None:
    """Remove a lock of ours that nobody will give back, as far as that can be done within `seconds`; never raises.

    For somebody who wants to leave now: if the network is what hangs, the lock lapses by itself.
    """

    def withdraw() -> None:
        if not _withdraw(platform, name, holder):
            # The request that makes it may be under way still, and arrive after the one that looks for it.
            time.sleep(seconds / 6)
            _withdraw(platform, name, holder)

    thread = threading.Thread(target=withdraw, name="lock withdrawal", daemon=True)
    thread.start()
    thread.join(timeout=seconds)


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
    renew_every: float = RENEW_SECONDS,
) -> Iterator[Lease]:
    """Hold a lock: on Sync if `on_sync` and Sync lets us, else as a file, which is said aloud.

    Raises `Locked` (exit code 5) naming the holder once `timeout` seconds are over; `whose` says what is locked.
    """
    if on_sync:
        try:
            lock = _take(platform, name, holder, timeout, report, whose)
        except ApiProblem as problem:
            if not lacks_sync(problem):
                raise
            report(
                Warned(
                    "the lock only guards against other deployments from this machine",
                    why=f"there is no access to Twilio Sync: {problem.what}",
                    fix="give the credentials and the network access to Sync",
                )
            )
        else:
            lease = _SyncLease(platform, lock, holder, report, renew_every)
            try:
                yield lease
            finally:
                lease.release()
            return
    with hold_file_lock(file, holder, timeout=timeout, report=report, whose=whose) as held:
        yield held
