"""The lock on Sync between processes whose clocks and luck differ: whoever lost it knows, and takes it from nobody."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ga_deploy.emulator.control.run_token import find_token
from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.engine.lock.holder import Holder
from ga_deploy.engine.lock.lease import hold_lock
from ga_deploy.errors import Locked
from ga_deploy.gateway import Credentials, Endpoints, Gateway
from ga_deploy.local import LocalStack
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ga_deploy.engine.lock.file_lock import Lease

ACCOUNT = Account("AC" + "a" * 32, "token-of-a")


class Desk:
    """Several deployers of one environment, on one emulator."""

    def __init__(self, base_url: str, folder: Path) -> None:
        self._base_url = base_url
        self._folder = folder
        self._gateways: list[Gateway] = []

    def lock(self, who: str, *, renew_every: float = 20.0) -> AbstractContextManager[Lease]:
        login = Credentials(ACCOUNT.sid, ACCOUNT.sid, Secret(ACCOUNT.auth_token))
        self._gateways.append(Gateway(login, endpoints=Endpoints.local(self._base_url)))
        return hold_lock(
            self._gateways[-1],
            name="ga-deploy.lock.s.dev",
            file=self._folder / "lock",
            on_sync=True,
            holder=Holder(who, f"host-of-{who}", who, "", 1, "another kernel", "", ""),
            timeout=0.0,
            report=lambda _: None,
            renew_every=renew_every,
        )

    def close(self) -> None:
        for gateway in self._gateways:
            gateway.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        token = find_token(urlsplit(self._base_url).port or 0)
        return LocalStack(self._base_url, token).control(method, path, body)

    def sleep(self, seconds: float) -> None:
        """Let the platform's clock go on, as it does while a process is suspended."""
        self.control("POST", "/clock", {"advance": seconds})

    def holder(self) -> Any:
        lock = self.control("GET", "/state")["documents"].get("ga-deploy.lock.s.dev")
        return lock and lock["id"]

    def writes(self) -> int:
        return int(self.control("GET", "/journal?only=POST")["count"])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with EmulatorThread(Emulator(accounts=[ACCOUNT])) as base_url:
        desk = Desk(base_url, tmp_path)
        yield desk
        desk.close()


def wait_until_lost(lease: Lease) -> None:
    for _ in range(200):
        try:
            lease.check()
        except Locked:
            return
        time.sleep(0.05)
    pytest.fail("the lease was never lost")


def test_one_holder_at_a_time(desk: Desk) -> None:
    with desk.lock("ann"):
        refused = desk.lock("bob")
        with pytest.raises(Locked) as refusal:
            refused.__enter__()
        assert "host-of-ann" in refusal.value.why
    assert desk.holder() is None
    with desk.lock("bob") as lease:
        lease.check()


@pytest.mark.parametrize("seconds", [62, 3600], ids=["taken over", "swept up and made anew"])
def test_who_slept_through_the_lease_has_lost_it(desk: Desk, seconds: int) -> None:
    """Made anew, a document counts its revisions from the start: the sleeper's own first revision fits it again."""
    with desk.lock("ann", renew_every=0.5) as sleeper:
        desk.sleep(seconds)
        with desk.lock("bob") as other:
            wait_until_lost(sleeper)
            other.check()
            assert desk.holder() == "bob"
    assert desk.holder() is None


def test_a_lease_is_renewed(desk: Desk) -> None:
    with desk.lock("ann", renew_every=0.05) as lease:
        for _ in range(200):
            if desk.writes() > 2:
                break
            time.sleep(0.05)
        else:
            pytest.fail("nothing was renewed")
        lease.check()


def test_who_lost_the_lock_does_not_give_back_another_ones(desk: Desk) -> None:
    with ExitStack() as outer:
        with desk.lock("ann", renew_every=0.5) as sleeper:
            desk.sleep(62)
            outer.enter_context(desk.lock("bob"))
            wait_until_lost(sleeper)
        assert desk.holder() == "bob"
    assert desk.holder() is None
