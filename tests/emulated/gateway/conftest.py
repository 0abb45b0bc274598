"""An emulated Twilio and a gateway to it, with a clock that counts waits instead of waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ga_deploy.emulator.control.faults import Fault
from ga_deploy.emulator.core.accounts import Account, ApiKey
from ga_deploy.emulator.server import Emulator, EmulatorThread
from ga_deploy.gateway import Credentials, Endpoints, Gateway, Retries, Timeouts
from ga_deploy.redact import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ga_deploy.events import ApiCall
    from tests.contract.openapi import Contract

ACCOUNT = "AC" + "1" * 32
OTHER_ACCOUNT = "AC" + "2" * 32
KEY = "SK" + "3" * 32
TOKEN = "token-of-the-account"
KEY_SECRET = "secret-of-the-key"


@dataclass
class PatientClock:
    """Sleeps by moving its own hands: what would be waited for is in `slept`."""

    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.slept)

    def wall(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@dataclass
class Twilio:
    """The emulator, and how to reach it."""

    emulator: Emulator
    base_url: str
    clock: PatientClock = field(default_factory=PatientClock)
    calls: list[ApiCall] = field(default_factory=list)
    opened: list[Gateway] = field(default_factory=list)

    def open(
        self,
        *,
        account: str = ACCOUNT,
        username: str | None = None,
        password: str = TOKEN,
        read_timeout: float = 5.0,
        attempts: int = 4,
        concurrency: int = 4,
    ) -> Gateway:
        gateway = Gateway(
            Credentials(account, username or account, Secret(password)),
            endpoints=Endpoints.local(self.base_url),
            on_call=self.calls.append,
            concurrency=concurrency,
            retries=Retries(attempts=attempts, throttled=attempts, jitter=lambda: 0.5),
            timeouts=Timeouts(connect=2.0, read=read_timeout, upload=read_timeout),
            clock=self.clock,
        )
        self.opened.append(gateway)
        return gateway

    def fault(self, action: str, method: str = "", path: str = "", **more: object) -> None:
        self.emulator.faults.add(Fault(action, method, path, **more))  # type: ignore[arg-type]

    def requests(self, only: str = "") -> list[str]:
        return [f"{entry['method']} {entry['target']}" for entry in self.emulator.journal.report(only=only)["requests"]]


@pytest.fixture
def start_twilio(contract: Contract) -> Iterator[Callable[..., Twilio]]:
    """Start emulators; whatever is asked of them has to be as Twilio's OpenAPI description says."""
    threads: list[EmulatorThread] = []
    running: list[Twilio] = []

    def start(**options: object) -> Twilio:
        accounts = [
            Account(ACCOUNT, TOKEN, api_keys={KEY: ApiKey(KEY_SECRET)}, numbers=options.pop("numbers", ())),  # type: ignore[arg-type]
            Account(OTHER_ACCOUNT, "token-of-another"),
        ]
        thread = EmulatorThread(Emulator(accounts=accounts, on_exchange=contract.observe, **options))  # type: ignore[arg-type]
        threads.append(thread)
        running.append(Twilio(thread.emulator, thread.start()))
        return running[-1]

    yield start
    for twilio in running:
        for gateway in twilio.opened:
            gateway.close()
    for thread in threads:
        thread.stop()
    assert contract.findings == []


@pytest.fixture
def twilio(start_twilio: Callable[..., Twilio]) -> Twilio:
    return start_twilio()


@pytest.fixture
def gateway(twilio: Twilio) -> Gateway:
    return twilio.open()
