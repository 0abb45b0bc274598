"""The locks of a command: the environment's as long as it writes, and the service's while it creates shared things.

The environments of a service share the service itself and its function resources, and Twilio allows two resources of
the same name. So a command that creates or removes these also holds the service's lock: otherwise two first deployments
to different environments would both create them. This lock is released early, since a build takes a minute and
concerns one environment only.

A command takes the environment's lock first and the service's second, never in reverse order: so there is no deadlock.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ga_deploy.engine.lock.holder import read_holder, this_process
from ga_deploy.engine.lock.lease import hold_lock, withdraw_soon
from ga_deploy.engine.parallel import open_pool
from ga_deploy.errors import DeployError, Locked
from ga_deploy.events import Warned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ga_deploy.engine.lock.file_lock import Lease
    from ga_deploy.engine.platform import Platform
    from ga_deploy.events import Event, Report
    from ga_deploy.model.desired import Desired


def environment_lock(desired: Desired) -> str:
    """Return the name of an environment's lock."""
    return f"ga-deploy.lock.{desired.service_name}.{desired.environment}"


def service_lock(desired: Desired) -> str:
    """Return the name of a service's lock. Twilio's service names have no dot, so it is no environment's."""
    return f"ga-deploy.lock.{desired.service_name}"


@dataclass(frozen=True)
class LockScope:
    """Which locks, where they are kept, and how long to wait: `lock_timeout` and `lease_seconds` are seconds."""

    platform: Platform
    desired: Desired
    folder: Path
    on_sync: bool
    command: str
    report: Report
    lock_timeout: float
    lease_seconds: int


class HeldLocks:
    """The locks that are held; a `Lease` of all of them."""

    def __init__(self, scope: LockScope) -> None:
        self._scope = scope
        self._holder = this_process(scope.command)
        self._leases: dict[str, tuple[Lease, ExitStack]] = {}
        self._trying: set[str] = set()
        self._is_over = False
        self._warned: set[Event] = set()
        self._guard = threading.Lock()

    @property
    def has_service(self) -> bool:
        """Whether the service's lock is among them."""
        return service_lock(self._scope.desired) in self._leases

    def check(self) -> None:
        """Return if every lock is still ours; raise `Locked` if one was lost."""
        for lease, _ in list(self._leases.values()):
            lease.check()

    def explain(self, problem: DeployError) -> DeployError:
        """Return the error to show for `problem`: if the lease was lost, that fact and the new holder."""
        try:
            self.check()
        except Locked as over:
            lost = over
        else:
            return problem
        why = [lost.why, self._name_successor()]
        if not isinstance(problem, Locked):
            why.append(f"it stopped at: {problem.what}")
        return Locked(lost.what, why="; ".join(why), fix=lost.fix)

    def _name_successor(self) -> str:
        name = environment_lock(self._scope.desired)
        try:
            found = self._scope.platform.get_document(name)
        except DeployError as error:
            return f"who has it now cannot be read ({error.what})"
        other = read_holder(found.data) if found else None
        if found is None or other is None or found.expired or other.id == self._holder.id:
            return "nobody has it now"
        return f"{other.describe()} has it now"

    def take_environment(self, timeout: float | None = None) -> None:
        """Take the environment's lock; raises `Locked` after `timeout` seconds (by default the command's)."""
        self._take(environment_lock(self._scope.desired), timeout, "this environment")

    def take_service(self, timeout: float | None = None) -> None:
        """Take the service's lock as well; raises `Locked` after `timeout` seconds (by default the command's)."""
        whose = "another environment of this service, and creates what the environments share"
        self._take(service_lock(self._scope.desired), timeout, whose)

    def give_back_service(self) -> None:
        """Release the service's lock, if it is held: the command creates nothing shared any more."""
        self._give_back(service_lock(self._scope.desired))

    def give_back(self) -> None:
        """Release all locks, also one that another thread is still requesting."""
        with self._guard:
            self._is_over = True
            unanswered = list(self._trying)
        for name in unanswered:
            if self._scope.on_sync:
                withdraw_soon(self._scope.platform, name, self._holder)
        self._give_back(service_lock(self._scope.desired))
        self._give_back(environment_lock(self._scope.desired))

    def _take(self, name: str, timeout: float | None, whose: str) -> None:
        if name in self._leases:
            return
        scope, own = self._scope, ExitStack()
        with self._guard:
            self._trying.add(name)
        try:
            lock = hold_lock(
                scope.platform,
                name=name,
                file=scope.folder / "locks" / scope.desired.account_sid / name,
                on_sync=self._scope.on_sync,
                holder=self._holder,
                timeout=scope.lock_timeout if timeout is None else timeout,
                report=self._report,
                whose=whose,
                seconds=scope.lease_seconds,
            )
            lease = own.enter_context(lock)
        finally:
            with self._guard:
                self._trying.discard(name)
        with self._guard:
            if not self._is_over:
                self._leases[name] = lease, own
                return
        own.close()

    def _report(self, event: Event) -> None:
        """Report an event; a warning that concerns both locks (no access to Sync) is reported only once."""
        with self._guard:
            is_news = event not in self._warned
            if isinstance(event, Warned):
                self._warned.add(event)
        if is_news:
            self._scope.report(event)

    def _give_back(self, name: str) -> None:
        with self._guard:
            _, own = self._leases.pop(name, (None, ExitStack()))
        own.close()


def take_both(held: HeldLocks) -> None:
    """Take both locks, in parallel if both are free: that saves a round trip before a first deployment."""
    with open_pool() as pool:
        trying = pool.start(lambda: _is_free(held.take_service))
        has_environment = _is_free(held.take_environment)
        trying.result()
    if not has_environment:
        held.give_back_service()
        held.take_environment()
    held.take_service()


def _is_free(take: Callable[[float], None]) -> bool:
    try:
        take(0.0)
    except Locked:
        return False
    return True
