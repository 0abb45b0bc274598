"""Fixtures of the contract tests: an emulator whose every exchange is held to the description, and the SDK on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from ga_deploy.emulator.core.accounts import Account
from ga_deploy.emulator.server import Emulator, EmulatorThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.openapi import Contract

ACCOUNT = Account(
    "AC" + "a" * 32,
    "the-auth-token",
    api_keys={"SK" + "b" * 32: "the-key-secret"},
    numbers=["+15550100001", "+15550100002", {"phone_number": "+442071838750", "friendly_name": "London"}],
)


@pytest.fixture(autouse=True)
def _no_proxy_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's proxy is for the outside; the clients of these tests are not ours and would use it."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


@pytest.fixture
def base_url(contract: Contract) -> Iterator[str]:
    """An emulator that runs no npm; whatever the test did, nothing may have broken the contract."""
    emulator = Emulator(accounts=[ACCOUNT], on_exchange=contract.observe)
    with EmulatorThread(emulator) as url:
        yield url
    assert contract.findings == []


@pytest.fixture
def sdk(base_url: str) -> Client:
    """Twilio's Python SDK, pointed at the emulator."""
    return sdk_for(base_url, ACCOUNT.sid, ACCOUNT.auth_token)


def sdk_for(base_url: str, username: str, password: str) -> Client:
    """Return Twilio's Python SDK with any credentials of the account."""
    client = Client(username, password, ACCOUNT.sid, http_client=TwilioHttpClient(timeout=300))
    for product in ("serverless", "api", "sync", "studio"):
        getattr(client, product).base_url = f"{base_url}/{product}"
    return client
